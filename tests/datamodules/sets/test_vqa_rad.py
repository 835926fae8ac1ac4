"""VQA-RAD, on the released files and on small broken ones. Counts are those measured on the release."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from medvlm.datamodules.sets import LoadReport, load_set
from medvlm.datamodules.sets.vqa_rad import load_vqa_rad
from medvlm.study import SampleError


def images(root: Path, split: str, **options: Any) -> set[str]:
    return {sample.group for sample in load_vqa_rad(root, split, **options)}


def small(root: Path, *records: dict[str, Any]) -> Path:
    (root / "VQA_RAD Image Folder").mkdir()
    whole = {
        "phrase_type": "freeform",
        "image_name": "a.jpg",
        "question": "q?",
        "answer": "No",
        "answer_type": "CLOSED",
    }
    text = json.dumps([{"qid": n, **whole, **record} for n, record in enumerate(records)])
    (root / "VQA_RAD Dataset Public.json").write_text(text, encoding="utf-8")
    return root


def test_every_record_of_the_release_is_kept_and_every_image_found(vqa_rad: Path) -> None:
    report = LoadReport()
    samples = list(load_vqa_rad(vqa_rad, "all", report=report))
    assert len({sample.id for sample in samples}) == 2248
    assert (report.records, report.kept, report.absent_images) == (2248, 2248, 0)
    assert not report.skipped


def test_the_official_test_has_451_questions(vqa_rad: Path) -> None:
    assert len(list(load_vqa_rad(vqa_rad, "train"))) == 1797
    assert len(list(load_vqa_rad(vqa_rad, "test"))) == 451


def test_the_official_split_shares_202_of_203_test_images_and_says_so(vqa_rad: Path) -> None:
    test, train = images(vqa_rad, "test"), images(vqa_rad, "train")
    assert (len(test), len(train), len(test & train)) == (203, 313, 202)
    report = LoadReport()
    list(load_vqa_rad(vqa_rad, "test", report=report))
    assert "202 of the 203" in report.notes[0]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_image_split_shares_no_image_and_keeps_the_share_of_test_questions(vqa_rad: Path, seed: int) -> None:
    test = list(load_vqa_rad(vqa_rad, "test", split_by="image", seed=seed))
    train = list(load_vqa_rad(vqa_rad, "train", split_by="image", seed=seed))
    assert not {s.images for s in test} & {s.images for s in train}
    assert len(test) + len(train) == 2248
    assert 0.15 < len(test) / 2248 < 0.25


def test_the_image_split_is_the_same_every_time_and_another_for_another_seed(vqa_rad: Path) -> None:
    assert images(vqa_rad, "test", split_by="image") == images(vqa_rad, "test", split_by="image")
    assert images(vqa_rad, "test", split_by="image") != images(vqa_rad, "test", split_by="image", seed=1)


def test_closed_answers_are_yes_or_no_and_the_other_closed_keep_their_type(vqa_rad: Path) -> None:
    test = list(load_vqa_rad(vqa_rad, "test"))
    assert {s.answer for s in test if s.kind == "closed"} == {"yes", "no"}
    released = Counter((s.categories["answer_type"], s.kind) for s in test)
    assert released == {("closed", "closed"): 251, ("closed", "open"): 21, ("open", "open"): 179}


def test_dirty_fields_are_cleaned_and_the_record_is_kept_as_it_was(vqa_rad: Path) -> None:
    samples = {sample.id: sample for sample in load_vqa_rad(vqa_rad, "all")}
    assert samples["1511"].answer == "4"
    assert samples["1511"].extra["answer"] == 4
    assert samples["2156"].categories["answer_type"] == "closed"
    assert samples["2156"].extra["answer_type"] == "CLOSED "
    assert "0" in samples
    types = {sample.categories["question_type"] for sample in samples.values()}
    assert not types & {"ATRIB", "PRSE", "Other", "POS, PRES, "}
    assert "POS, PRES" in types
    assert "PRES, POS" not in types


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"answer": "NULL"}, "no answer"),
        ({"answer": ["No"]}, "answer is list, expected text"),
        ({"question": " "}, "no question"),
        ({"image_name": None}, "no image_name"),
        ({"image_name": "../../secret.jpg"}, "image path leads out of the set's folder"),
        ({"answer_type": "MAYBE"}, "answer_type is not CLOSED or OPEN"),
        ({"qid": 0}, "id used twice"),
    ],
)
def test_an_unusable_record_is_counted_with_its_reason(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    report = LoadReport()
    kept = list(load_vqa_rad(small(tmp_path, {}, change), "train", report=report))
    assert [sample.id for sample in kept] == ["0"]
    assert report.skipped == {reason: 1}


def test_a_set_without_one_usable_record_names_the_record_and_the_reason(tmp_path: Path) -> None:
    with pytest.raises(SampleError, match=r"no usable sample.*no answer \(0\)"):
        list(load_vqa_rad(small(tmp_path, {"answer": ""}), "train"))


def test_an_absent_image_is_counted_and_left_out_only_on_request(tmp_path: Path) -> None:
    report = LoadReport()
    assert len(list(load_vqa_rad(small(tmp_path, {}), "train", report=report))) == 1
    assert report.absent_images == 1
    with pytest.raises(SampleError, match="image absent"):
        list(load_vqa_rad(tmp_path, "train", absent="skip"))


def test_a_missing_folder_and_a_missing_file_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere does not exist; set data\.root"):
        load_set("vqa_rad", tmp_path / "nowhere", "train")
    with pytest.raises(FileNotFoundError, match="keep the file names of the release"):
        load_set("vqa_rad", tmp_path, "train")


@pytest.mark.parametrize("text", ["", "{", "{}", '"x"', "[1, 2"])
def test_a_file_that_is_no_list_of_records_is_refused_by_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "VQA_RAD Dataset Public.json").write_text(text)
    with pytest.raises(SampleError, match=r"VQA_RAD Dataset Public\.json: expected a JSON list"):
        list(load_vqa_rad(tmp_path, "train"))


def test_an_empty_list_and_a_list_of_other_things_are_no_set(tmp_path: Path) -> None:
    (tmp_path / "VQA_RAD Dataset Public.json").write_text("[]")
    with pytest.raises(SampleError, match="0 records"):
        list(load_vqa_rad(tmp_path, "train"))
    (tmp_path / "VQA_RAD Dataset Public.json").write_text("[1, null]")
    with pytest.raises(SampleError, match="record is int, expected an object"):
        list(load_vqa_rad(tmp_path, "train"))
