"""RadGenome-ChestCT: each of its tables."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from medvlm.datamodules.sets import LoadReport
from medvlm.datamodules.sets.radgenome import load_radgenome

RELEASE = SimpleNamespace(**runpy.run_path(str(Path(__file__).parent / "releases" / "radgenome.py")))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    RELEASE.write(tmp_path)
    return tmp_path


def test_a_blank_anatomy_is_the_whole_scan_and_the_folder_has_no_underscore(root: Path) -> None:
    samples = list(load_radgenome(root, "validate"))
    assert [sample.categories["region"] for sample in samples] == ["lung", "whole scan", "trachea and bronchie"]
    assert samples[1].question == "Write the findings in this CT."
    path = root / "dataset/valid_preprocessed/valid_1/valid_1a/valid_1_a_1.nii.gz"
    assert (samples[0].images[0].path, samples[0].images[0].volume) == (path, True)


@pytest.mark.parametrize(
    ("ask", "answers", "skipped"),
    [
        ("vqa_abnormality", ["nodule"], {}),
        ("vqa_location", ["lung"], {"no Anatomy to answer with": 1}),
        ("vqa_presence", ["yes", "no"], {"Presence is not yes or no": 1}),
        ("vqa_size", ["5 mm"], {}),
    ],
)
def test_each_table_of_questions(root: Path, ask: Any, answers: list[str], skipped: dict[str, int]) -> None:
    report = LoadReport()
    assert [sample.answer for sample in load_radgenome(root, "validate", ask=ask, report=report)] == answers
    assert report.skipped == skipped


def test_an_unknown_table_is_named_with_the_nearest(root: Path) -> None:
    with pytest.raises(ValueError, match="did you mean 'vqa_size'"):
        load_radgenome(root, "validate", ask="vqa_sizes")  # type: ignore[arg-type]
