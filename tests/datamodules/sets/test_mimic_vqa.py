"""MIMIC-Ext-MIMIC-CXR-VQA: the forms in which answers come."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from medvlm.datamodules.sets.mimic_vqa import load_mimic_vqa
from medvlm.study import Sample

RECORD = {
    "idx": 7,
    "image_id": "img",
    "question": "q?",
    "content_type": "abnormality",
    "semantic_type": "query",
    "template_program": "program_1",
    "subject_id": 10000032,
    "study_id": 50414267,
    "image_path": "p10/p10000032/s50414267/img.jpg",
}


def only(root: Path, name: str = "test.json", **change: Any) -> Sample:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(json.dumps([{**RECORD, **change}]))
    (sample,) = load_mimic_vqa(root, "test")
    return sample


@pytest.mark.parametrize(
    ("answer", "kind", "text"),
    [
        (["yes"], "closed", "yes"),
        ("No", "closed", "no"),
        (["f"], "open", "female"),
        (["atelectasis", "edema"], "open", "atelectasis, edema"),
        ([], "open", "none"),
        (["ap"], "open", "ap"),
    ],
)
def test_answers(tmp_path: Path, answer: Any, kind: str, text: str) -> None:
    sample = only(tmp_path, answer=answer)
    assert (sample.kind, sample.answer) == (kind, text)
    assert sample.extra["answer"] == answer


def test_the_group_is_the_patient_and_the_id_holds_the_split(tmp_path: Path) -> None:
    sample = only(tmp_path, answer=["yes"])
    assert (sample.id, sample.group) == ("test-7", "10000032")


def test_an_image_without_a_path_is_found_by_its_ids_and_the_folder_of_github_is_found(tmp_path: Path) -> None:
    sample = only(tmp_path, "mimiccxrvqa/dataset/test.json", answer=["yes"], image_path=None)
    assert sample.images[0].path == tmp_path / "files/p10/p10000032/s50414267/img.jpg"
