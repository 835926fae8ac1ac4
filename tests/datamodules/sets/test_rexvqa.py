"""ReXVQA, on fixtures written in its documented form."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from medvlm.datamodules.sets import LoadReport
from medvlm.datamodules.sets.rexvqa import load_rexvqa
from medvlm.study import SampleError

Write = Callable[..., Path]


def test_a_record_becomes_a_choice_over_all_images_of_its_study(rexvqa: Write) -> None:
    root = rexvqa({})
    (sample,) = load_rexvqa(root, "test")
    assert (sample.kind, sample.answer, sample.group, sample.split) == ("choice", "Pneumothorax", "p1", "test")
    assert sample.options == ("Pleural effusion", "Pneumothorax", "Cardiomegaly", "No finding")
    assert [image.path for image in sample.images] == [
        root / "deid_png/p1/a" / name for name in ("front.png", "side.png")
    ]
    assert sample.categories["task"] == "presence_assessment"
    assert sample.rationale.startswith("A thin line")
    assert sample.extra["ImageViewPosition"] == ["PA", "LATERAL"]


@pytest.mark.parametrize("answer", ["B", "B.", "(B)", "B. Pneumothorax", "B) Pneumothorax", "Pneumothorax"])
def test_the_answer_may_be_a_letter_a_text_or_both(rexvqa: Write, answer: str) -> None:
    assert next(iter(load_rexvqa(rexvqa({"correct_answer": answer}), "test"))).answer == "Pneumothorax"


@pytest.mark.parametrize("options", [["(A) x", "(B) y"], ["A) x", "B) y"], ["A: x", "B: y"], ["x", "y"]])
def test_letters_of_any_form_are_taken_off_the_options(rexvqa: Write, options: list[str]) -> None:
    assert next(iter(load_rexvqa(rexvqa({"options": options}), "test"))).options == ("x", "y")


def test_an_option_that_only_looks_lettered_keeps_its_text(rexvqa: Write) -> None:
    (sample,) = load_rexvqa(rexvqa({"options": ["T. spine", "Rib"], "correct_answer": "Rib"}), "test")
    assert sample.options == ("T. spine", "Rib")


def test_the_folder_of_the_archive_is_cut_as_a_prefix_only(rexvqa: Write) -> None:
    root = rexvqa({"ImagePath": ["../deid_png/.deid/p.png"]})
    (sample,) = load_rexvqa(root, "test")
    assert sample.images[0].path == root / "deid_png/.deid/p.png"


def test_the_images_may_lie_elsewhere(rexvqa: Write, tmp_path: Path, png: Write) -> None:
    png("elsewhere/p1/a/front.png"), png("elsewhere/p1/a/side.png")
    report = LoadReport()
    list(load_rexvqa(rexvqa({}), "test", images=tmp_path / "elsewhere", report=report))
    assert report.absent_images == 0
    with pytest.raises(FileNotFoundError, match="nowhere does not exist"):
        load_rexvqa(rexvqa({}), "test", images=tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"correct_answer": "E"}, "answer is none of the options"),
        ({"correct_answer": "Nodule"}, "answer is none of the options"),
        ({"correct_answer": None}, "no correct_answer"),
        ({"options": ["A. x", "C. y"]}, "letters of the options do not follow their positions"),
        ({"options": ["A. x", "B. x"]}, "the same option twice"),
        ({"options": ["A. x"], "correct_answer": "A"}, "choice with 1 options, expected two or more"),
        ({"options": [], "correct_answer": "x"}, "choice with 0 options, expected two or more"),
        ({"options": "A. x"}, "options: expected a list of texts"),
        ({"ImagePath": []}, "no images: ImagePath is no list of paths"),
        ({"ImagePath": ["../../etc/passwd"]}, "image path leads out of the set's folder"),
        ({"PatientID": ""}, "no PatientID"),
        ({"question": None}, "no question"),
    ],
)
def test_an_unusable_record_is_counted_with_its_reason(rexvqa: Write, change: dict[str, Any], reason: str) -> None:
    report = LoadReport()
    kept = list(load_rexvqa(rexvqa({}, change), "test", report=report))
    assert [sample.id for sample in kept] == ["q0"]
    (found,) = report.skipped
    assert found.startswith(reason)


def test_validate_is_the_file_named_valid(rexvqa: Write) -> None:
    (sample,) = load_rexvqa(rexvqa({}, file="valid_vqa_data.json"), "validate")
    assert sample.split == "validate"
    with pytest.raises(FileNotFoundError, match="train_vqa_data"):
        load_rexvqa(rexvqa({}), "train")


@pytest.mark.parametrize("chunk", [1, 7, 1 << 20])
def test_the_file_is_read_in_pieces_of_any_size(rexvqa: Write, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr("medvlm.datamodules.sets.stream.CHUNK", chunk)
    assert [sample.id for sample in load_rexvqa(rexvqa({}, {}, {}), "test")] == ["q0", "q1", "q2"]


@pytest.mark.parametrize("text", ["", "[]", '{"q0": {"question": "q', '{"q0" {}}', '{"q0": {} "q1": {}}', "{1: {}}"])
def test_a_file_that_is_cut_off_or_no_object_is_refused_by_name(rexvqa: Write, text: str) -> None:
    root = rexvqa({})
    (root / "metadata" / "test_vqa_data.json").write_text(text)
    with pytest.raises(SampleError, match=r"test_vqa_data\.json"):
        list(load_rexvqa(root, "test"))


def test_samples_before_the_cut_are_given_first(rexvqa: Write) -> None:
    root = rexvqa({}, {})
    path = root / "metadata" / "test_vqa_data.json"
    path.write_text(path.read_text()[:-40])
    samples = load_rexvqa(root, "test")
    assert next(samples).id == "q0"
    with pytest.raises(SampleError, match="after q0"):
        next(samples)
