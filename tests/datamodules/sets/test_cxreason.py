"""CXReasonBench: stages of one conversation."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from medvlm.datamodules.sets import LoadReport
from medvlm.datamodules.sets.cxreason import load_cxreason
from medvlm.study import Sample

RELEASE = SimpleNamespace(**runpy.run_path(str(Path(__file__).parent / "releases" / "cxreason.py")))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    RELEASE.write(tmp_path)
    return tmp_path


def by_id(root: Path, **options: Any) -> dict[str, Sample]:
    return {s.id.removeprefix("cardiomegaly-"): s for s in load_cxreason(root, "test", **options)}


def test_the_stages_come_in_order_and_lists_become_questions(root: Path) -> None:
    names = [name for name in by_id(root) if name.startswith("aa")]
    assert names == ["aa-init", "aa-stage1-0", "aa-stage1-1", "aa-stage2", "aa-stage3", "aa-stage4"]


def test_every_stage_shows_the_study_and_stage2_its_own_pictures_after_it(root: Path) -> None:
    samples = by_id(root)
    study = root / "files" / RELEASE.STUDY
    assert [image.path for image in samples["aa-stage3"].images] == [study]
    assert [image.path for image in samples["aa-stage2"].images] == [
        study,
        root / "segmask_bodypart/cardiomegaly/aa/1.png",
    ]


def test_earlier_questions_stand_before_a_question_with_their_answers(root: Path) -> None:
    text = by_id(root)["aa-stage1-1"].question
    assert text.startswith("Question: Is there cardiomegaly? Options: (a) Yes, (b) No\nAnswer: (a) Yes\n\n")
    assert text.endswith("Question: Which criterion?\nAnswer: The ratio.\n\nWhich threshold?")
    assert by_id(root, history=False)["aa-stage1-1"].question == "Which threshold?"


def test_stages_of_one_patient_are_one_group_and_carry_task_and_stage(root: Path) -> None:
    samples = by_id(root)
    assert {sample.group for sample in samples.values()} == {"10000032"}
    assert samples["aa-stage3"].categories == {"task": "cardiomegaly", "stage": "stage3"}


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ("{", "no valid JSON"),
        ("[]", "record is list"),
        ({"question": ["a", "b"], "answer": ["x"]}, "as many answers as questions"),
        ({"question": "a", "answer": None}, "no answer"),
        ({"question": None, "answer": "x"}, "question is no text"),
        ({"question": "a", "answer": "x", "img_path": []}, "no image of a study"),
        ({"question": "a", "answer": "x", "img_path": -1}, "img_path is no list of paths"),
        ({"question": "a", "answer": "x", "img_path": [None]}, "img_path is no list of paths"),
    ],
)
def test_a_conversation_ends_where_it_cannot_be_read(root: Path, record: Any, reason: str) -> None:
    path = root / "qa/cardiomegaly/path1/init/basic/bb.json"
    path.write_text(record if isinstance(record, str) else json.dumps(record))
    report = LoadReport()
    names = list(load_cxreason(root, "all", report=report))
    assert not [sample for sample in names if "-bb-" in sample.id]
    assert any(found.startswith(reason) for found in report.skipped)


def test_a_name_that_leads_out_of_the_folder_finds_no_file(root: Path) -> None:
    (root / "dx_by_dicoms.json").write_text(json.dumps({"cardiomegaly": ["aa", "../basic/aa"]}))
    report = LoadReport()
    assert len(list(load_cxreason(root, "test", report=report))) == 6
    assert report.skipped == {"no file of this stage": 1}
