"""GEMeX: the four forms of question."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from medvlm.datamodules.sets import LoadReport
from medvlm.datamodules.sets.gemex import load_gemex
from medvlm.study import Sample, SampleError

CHOICES = ["A: left", "B: right", "C: both"]


def only(root: Path, form: str, **change: Any) -> Sample:
    record = {
        "q_id": 1,
        "image_path": "p10/p10046166/s50051329/abad.jpg",
        "question": "Which side?",
        "answer": "A",
        "reason": "The angle is blunted.",
        "visual_locations": [[10, 20, 30, 40]],
        "type": "location",
        **change,
    }
    (root / f"{form}_question.jsonl").write_text(json.dumps(record) + "\n")
    (sample,) = load_gemex(root, "train", forms=(form,))
    return sample


def test_a_single_choice_has_options_without_letters_and_a_reason(tmp_path: Path) -> None:
    sample = only(tmp_path, "single_choice", choices=CHOICES)
    assert (sample.kind, sample.answer, sample.options) == ("choice", "left", ("left", "right", "both"))
    assert (sample.rationale, sample.group, sample.id) == ("The angle is blunted.", "10046166", "single_choice-1")
    assert sample.extra["visual_locations"] == [[10, 20, 30, 40]]


def test_several_right_choices_are_an_open_question_that_lists_its_options(tmp_path: Path) -> None:
    sample = only(tmp_path, "multi_choice", choices=CHOICES, answer=["A", "C"])
    assert (sample.kind, sample.answer, sample.options) == ("open", "left; both", ())
    assert sample.question == "Which side? Name every right option.\nA. left\nB. right\nC. both"


def test_open_and_closed_questions(tmp_path: Path) -> None:
    assert only(tmp_path, "open_ended", answer="On the left.").answer == "On the left."
    assert only(tmp_path, "closed_ended", answer="No.").answer == "no"


def test_ids_that_repeat_over_files_stay_apart(tmp_path: Path) -> None:
    only(tmp_path, "open_ended"), only(tmp_path, "closed_ended", answer="Yes.")
    report = LoadReport()
    samples = list(load_gemex(tmp_path, "all", forms=("open_ended", "closed_ended"), report=report))
    assert {sample.id for sample in samples} == {"open_ended-1", "closed_ended-1"}
    assert report.kept == 2


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"choices": ["B: left", "A: right"]}, "letters of the options do not follow"),
        ({"choices": CHOICES, "answer": "D"}, "answer is no letter of the 3 options"),
        ({"choices": CHOICES, "image_path": "p11/p10046166/s50051329/a.jpg"}, "image_path is not"),
        ({"choices": CHOICES, "image_path": "../p10046166/s50051329/a.jpg"}, "image_path is not"),
    ],
)
def test_unusable_records(tmp_path: Path, change: dict[str, Any], text: str) -> None:
    with pytest.raises(SampleError, match=text):
        only(tmp_path, "single_choice", **change)


def test_all_four_files_are_expected_and_forms_are_known(tmp_path: Path) -> None:
    only(tmp_path, "open_ended")
    with pytest.raises(FileNotFoundError, match="closed_ended_question"):
        load_gemex(tmp_path, "train")
    with pytest.raises(ValueError, match="did you mean 'open_ended'"):
        load_gemex(tmp_path, "train", forms="open_end")
