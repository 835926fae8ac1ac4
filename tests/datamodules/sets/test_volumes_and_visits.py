"""TemMed-Bench, M3D, DeepTumorVQA and LLaVA-Med: pairs of visits, volumes and conversations."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from medvlm.datamodules.sets import LoadReport
from medvlm.datamodules.sets.deeptumor import load_deeptumor, split_choices
from medvlm.datamodules.sets.llava_med import load_llava_med
from medvlm.datamodules.sets.m3d_cap import load_m3d_cap
from medvlm.datamodules.sets.m3d_vqa import load_m3d_vqa
from medvlm.datamodules.sets.temmed import load_temmed
from medvlm.study import SampleError

Released = Callable[[str], Path]


def test_temmed_shows_the_last_visit_first_as_png(released: Released) -> None:
    first, second = load_temmed(released("temmed"), "test")
    assert [image.path.parts[-3:] for image in first.images] == [
        ("patient00000", f"study{visit}", "view1_frontal.png") for visit in (1, 2)
    ]
    assert (first.group, second.group, first.answer, first.kind) == ("patient00000", "patient00001", "yes", "closed")


def test_temmed_reports_and_pairs(released: Released) -> None:
    root = released("temmed")
    folder = root / "Get_Data"
    with pytest.raises(SampleError, match="no condition_changes_report"):
        list(load_temmed(root, "test", task="report"))
    studies = json.loads((folder / "TestSet_VQA_ReportGeneration.json").read_text())
    final = [{**study, "condition_changes_report": "Effusion has grown."} for study in studies]
    for name in ("TestSet_VQA_ReportGeneration_Final.json", "TrainSet_KnowledgeCorpus_Final.json"):
        (folder / name).write_text(json.dumps(final))
    reports = list(load_temmed(root, "all", task="report"))
    assert {(sample.split, sample.kind) for sample in reports} == {("train", "report"), ("test", "report")}
    chosen = {"condition_change": "growth", "option": {"A": 1, "B": 0, "C": 1}, "right_option": "B"}
    (folder / "TestSet_ImagePairSelection.json").write_text(json.dumps([chosen, {**chosen, "right_option": "D"}]))
    (pair,) = load_temmed(root, "test", task="pairs")
    assert (pair.answer, pair.group, len(pair.images)) == ("images 3 and 4", "patient00000", 6)
    with pytest.raises(ValueError, match="no train split"):
        load_temmed(root, "train")


def test_temmed_takes_the_images_from_elsewhere(released: Released, tmp_path: Path) -> None:
    root, report = released("temmed"), LoadReport()
    (root / "PNG").rename(tmp_path / "plus")
    list(load_temmed(root, "test", images=tmp_path / "plus", report=report))
    assert report.absent_images == 1


def test_m3d_takes_slices_where_the_prepared_volume_is_absent(released: Released) -> None:
    root = released("m3d_cap")
    prepared, slices, absent = load_m3d_cap(root, "test")
    assert prepared.images[0].path.suffix == ".npy"
    assert slices.images[0].path == root / "M3D_Cap" / "ct_case" / "000001" / "Axial_non_contrast"
    assert absent.images[0].path.suffix == ".npy"
    assert all(sample.images[0].volume for sample in (prepared, slices, absent))
    assert prepared.answer == "Axial CT. A mass in the liver."
    assert prepared.group == "ct_case/000000"


def test_m3d_letters_count_the_choices_that_are_not_there(released: Released) -> None:
    first, second = load_m3d_vqa(released("m3d_vqa"), "test")
    assert (second.options, second.answer) == (("Portal", "Arterial"), "Arterial")
    assert (first.categories["question_type"], second.extra["Choice B"]) == ("plane", "NA")


def test_m3d_without_choices_and_yes_no(released: Released) -> None:
    root = released("m3d_vqa")
    assert {(sample.kind, sample.options) for sample in load_m3d_vqa(root, "test", form="open")} == {("open", ())}
    header = ["Image Path", "Question Type", "Question", "Answer"]
    rows = [["a/b/c.npy", "4", "Is there a mass?", "Yes"], ["a/b/c.npy", "4", "Is there?", "left"]]
    with (root / "M3D_VQA_yn_train.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    (sample,) = load_m3d_vqa(root, "train", form="yes_no")
    assert (sample.kind, sample.answer) == ("closed", "yes")
    with pytest.raises(FileNotFoundError, match=r"M3D_VQA_test5k\.csv"):
        load_m3d_vqa(root, "test", small=True)


def test_deeptumor_takes_choices_out_of_the_question(released: Released) -> None:
    root = released("deeptumor")
    first, second = load_deeptumor(root, "test")
    assert first.question == "How would you classify it?"
    assert first.options == ("Normal (no splenomegaly)", "Moderate", "Severe", "Mild")
    assert (first.answer, second.answer) == ("Normal (no splenomegaly)", "Mild")
    assert first.images[0].path == root / "benchmark" / "ct" / "BDMAP_00008446" / "ct.nii.gz"
    (picture, *_) = load_deeptumor(root, "test", view="picture")
    assert picture.images[0].path == root / "benchmark" / "images_2d" / "whole" / "BDMAP_00008446.png"
    assert not picture.images[0].volume


def test_deeptumor_tables_with_other_names_of_fields(released: Released) -> None:
    root = released("deeptumor")
    (root / "train").mkdir()
    header = ["Image ID", "Question", "Answer", "Question Type", "MC Question", "Correct Option"]
    row = ["BDMAP_1", "How large is the liver?", "1543.2", "measurement", "How large? A. 1 B. 1543.2", "B"]
    with (root / "train" / "train_qa.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, row])
    (choice,) = load_deeptumor(root, "train")
    assert (choice.answer, choice.categories["question_type"]) == ("1543.2", "measurement")
    assert choice.extra == dict(zip(header, row, strict=True))
    (number,) = load_deeptumor(root, "train", form="open")
    assert (number.kind, number.answer, number.options) == ("number", "1543.2", ())


def test_deeptumor_release_1_with_spaces_in_names(tmp_path: Path) -> None:
    record = {
        "question_id": 7,
        "image_id": "BDMAP_1",
        "question": "Is there a lesion?",
        "answer": "Yes",
        "question type": "recognition",
        "multiple_choice_question": "Is there a lesion?\nA) No\nB) Yes",
        "correct_option": "B",
    }
    for form in ("multi_choice", "free_text"):
        (tmp_path / f"val_{form}.jsonl").write_text(json.dumps(record))
    (choice,) = load_deeptumor(tmp_path, "validate", release=1)
    assert (choice.id, choice.options, choice.answer) == ("7", ("No", "Yes"), "Yes")
    (closed,) = load_deeptumor(tmp_path, "validate", release=1, form="open")
    assert (closed.kind, closed.answer, closed.categories["question_type"]) == ("closed", "yes", "recognition")
    with pytest.raises(ValueError, match="no test split"):
        load_deeptumor(tmp_path, "test", release=1)


def test_a_question_without_choices_keeps_its_text() -> None:
    assert split_choices("Is vitamin B: present?") == ("Is vitamin B: present?", ())


def test_llava_med_reads_the_misspelt_key_and_takes_the_placeholder_out(released: Released) -> None:
    root = released("llava_med")
    first, second, third = load_llava_med(root, "train")
    assert (first.question, first.answer, first.kind) == ("What is shown?", "A CT scan of the chest.", "open")
    assert (second.answer, second.kind, second.group) == ("yes", "closed", "1")
    assert first.categories == {"domain": "ct_scan"}
    assert [sample.id for sample in (first, second, third)] == ["1_F2-0", "1_F2-1", "2_F1-0"]
    assert len(list(load_llava_med(root, "train", turns="first"))) == 2
    with pytest.raises(ValueError, match="did you mean '60k'"):
        load_llava_med(root, "train", part="61k")
