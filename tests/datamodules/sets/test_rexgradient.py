"""ReXGradient-160K: both forms of its metadata, views and paths."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from medvlm.datamodules.sets.rexgradient import load_rexgradient
from medvlm.study import Sample, SampleError

RECORD = {
    "PatientID": "P1",
    "AccessionNumber": "A1",
    "StudyInstanceUid": "1.2",
    "Findings": "Clear.",
    "Impression": "Normal.",
    "Indication": "Cough.",
    "ImagePath": ["../deid_png/P1/A1/studies/1.2/1.4.png"],
    "ImageViewPosition": ["PA"],
}


def only(root: Path, content: Any, **options: Any) -> Sample:
    (root / "metadata").mkdir(exist_ok=True)
    (root / "metadata/test_metadata_view_position.json").write_text(json.dumps(content))
    (sample,) = load_rexgradient(root, "test", **options)
    return sample


@pytest.mark.parametrize("content", [[RECORD], {"x1": RECORD}])
def test_a_list_and_an_object_of_studies_are_read(tmp_path: Path, content: Any) -> None:
    sample = only(tmp_path, content)
    assert (sample.id, sample.group, sample.answer) == ("1.2", "P1", "Clear.")
    assert sample.images[0].path == tmp_path / "deid_png/P1/A1/studies/1.2/1.4.png"


def test_only_the_prefix_of_a_path_is_cut_off(tmp_path: Path) -> None:
    path = "../deid_png/.hidden/deid_png/1.png"
    sample = only(tmp_path, [{**RECORD, "ImagePath": [path]}], images=tmp_path)
    assert sample.images[0].path == tmp_path / ".hidden/deid_png/1.png"
    with pytest.raises(SampleError, match="image path leads out"):
        only(tmp_path, [{**RECORD, "ImagePath": ["../../deid_png/1.png"]}])


def test_sections_and_context(tmp_path: Path) -> None:
    sample = only(tmp_path, [RECORD], sections=("findings", "impression"), context=("indication",))
    assert sample.answer == "FINDINGS: Clear.\nIMPRESSION: Normal."
    assert sample.question.startswith("INDICATION: Cough.\n")


@pytest.mark.parametrize(("view", "name"), [(["POSTERO_ANTERIOR"], "PA"), ([None], "unknown"), ("N/A", "unknown")])
def test_views_have_one_spelling(tmp_path: Path, view: Any, name: str) -> None:
    assert only(tmp_path, [{**RECORD, "ImageViewPosition": view}]).categories["view"] == name
