"""PMC-VQA: letters by position, broken labels, both versions and spellings."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from medvlm.datamodules.sets import LoadReport
from medvlm.datamodules.sets.pmc_vqa import load_pmc_vqa
from medvlm.study import Sample, SampleError

FIRST = ["Figure_path", "Question", "Anwser", "Choice A", "Choice B", "Choice C", "Choice D", "Answer_label"]
CHOICES = [" A:Diffuse ", "\xa0B:Focal uptake", " C: None\xa0", 'D:"Mixed"']


def first_version(root: Path, *rows: list[str], header: list[str] = FIRST, name: str = "test.csv") -> Path:
    root.mkdir(exist_ok=True)
    with (root / name).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return root


def only(root: Path) -> Sample:
    (sample,) = load_pmc_vqa(root, "test", version=1)
    return sample


def test_the_letter_counts_positions_for_the_letters_of_the_choices_are_wrong_in_places(
    released: Callable[[str], Path],
) -> None:
    _, second, third = load_pmc_vqa(released("pmc_vqa"), "test")
    assert second.options == ("HE", "PAS", "Gram", "None")
    assert second.answer == "None"
    assert third.answer == "N/A"


def test_version_1_as_first_uploaded(tmp_path: Path) -> None:
    root = first_version(tmp_path, ["PMC1064097_F1.jpg", "q?", "Focal uptake", *CHOICES, "B"])
    sample = only(root)
    assert sample.options == ("Diffuse", "Focal uptake", "None", "Mixed")
    assert (sample.answer, sample.group) == ("Focal uptake", "PMC1064097")
    assert sample.extra["Choice A"] == " A:Diffuse "
    assert sample.images[0].path == root / "images" / "PMC1064097_F1.jpg"


def test_images_that_were_unzipped_into_a_folder_of_the_same_name_are_found(tmp_path: Path) -> None:
    root = first_version(tmp_path, ["PMC1_F1.jpg", "q?", "Diffuse", *CHOICES, "A"])
    (root / "images" / "images").mkdir(parents=True)
    assert only(root).images[0].path == root / "images" / "images" / "PMC1_F1.jpg"


@pytest.mark.parametrize("label", ["'", '"', ""])
def test_a_broken_label_leaves_the_text_to_decide(tmp_path: Path, label: str) -> None:
    assert only(first_version(tmp_path, ["PMC1_F1.jpg", "q?", "None", *CHOICES, label])).answer == "None"


def test_letter_and_text_that_name_two_options_leave_the_record_out(tmp_path: Path) -> None:
    good = ["PMC1_F1.jpg", "q?", "Diffuse", *CHOICES, "A"]
    report = LoadReport()
    root = first_version(tmp_path, good, ["PMC1_F1.jpg", "q?", "None", *CHOICES, "A"])
    assert len(list(load_pmc_vqa(root, "test", version=1, report=report))) == 1
    assert report.skipped == {"letter and text of the answer name two options": 1}


def test_a_table_of_the_other_version_is_refused_by_its_header(tmp_path: Path) -> None:
    root = first_version(tmp_path, ["a.jpg", "q?", "x", *CHOICES, "A"], name="test_2.csv")
    with pytest.raises(SampleError, match="no column 'Answer'"):
        list(load_pmc_vqa(root, "test"))


def test_the_checked_part_and_wrong_options(tmp_path: Path) -> None:
    row = ["PMC1_F1.jpg", "q?", "Diffuse", *CHOICES, "A"]
    root = first_version(tmp_path, row, name="test_clean.csv")
    assert len(list(load_pmc_vqa(root, "test", version=1, clean=True))) == 1
    for options in ({"version": 3}, {"version": 2, "clean": True}):
        with pytest.raises(ValueError, match="expected version 1 or 2"):
            load_pmc_vqa(root, "test", **options)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no validate split, only train, test"):
        load_pmc_vqa(root, "validate")
