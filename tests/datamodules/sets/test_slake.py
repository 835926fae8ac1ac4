"""SLAKE, on the released question files; counts are those of the release."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from medvlm.datamodules.sets import LoadReport
from medvlm.datamodules.sets.slake import load_slake
from medvlm.study import SampleError

ENGLISH = {"train": (4919, 450), "validate": (1053, 96), "test": (1061, 96)}
BOTH = {"train": (9835, 586), "validate": (2099, 174), "test": (2094, 180)}


@pytest.mark.parametrize(("languages", "table"), [(("en",), ENGLISH), (("en", "zh"), BOTH)])
@pytest.mark.parametrize("split", ["train", "validate", "test"])
def test_counts_are_those_of_the_release(
    slake: Path, split: str, languages: tuple[str, ...], table: dict[str, tuple[int, int]]
) -> None:
    report = LoadReport()
    samples = list(load_slake(slake, split, languages=languages, report=report))
    assert (report.records, len({sample.group for sample in samples})) == table[split]
    assert report.kept == len(samples) == report.records - (split == "train")


def test_the_one_record_without_answer_is_counted_by_name(slake: Path) -> None:
    report = LoadReport()
    list(load_slake(slake, "train", report=report))
    assert (report.skipped, report.examples) == ({"no answer": 1}, {"no answer": ["1622"]})


def test_ids_are_unique_over_all_splits_and_both_languages(slake: Path) -> None:
    assert len({sample.id for sample in load_slake(slake, "all", languages=("en", "zh"))}) == 14_027


def test_english_splits_share_no_image_and_both_together_share_142(slake: Path) -> None:
    def groups(split: str, *languages: str) -> set[str]:
        return {sample.group for sample in load_slake(slake, split, languages=languages)}

    assert not groups("train", "en") & groups("test", "en")
    assert len(groups("train", "en", "zh") & groups("test", "en", "zh")) == 142
    report = LoadReport()
    list(load_slake(slake, "test", languages=("en", "zh"), report=report))
    assert "142" in report.notes[0]


def test_absent_images_are_counted_and_their_samples_given(slake: Path) -> None:
    report = LoadReport()
    samples = list(load_slake(slake, "test", report=report))
    absent = sum(not image.path.exists() for sample in samples for image in sample.images)
    assert report.absent_images == absent
    assert len(samples) == 1061


def test_chinese_yes_and_no_become_one_form_and_the_release_text_is_kept(slake: Path) -> None:
    samples = list(load_slake(slake, "test", languages=("zh",)))
    closed = [sample for sample in samples if sample.kind == "closed"]
    assert {sample.answer for sample in closed} == {"yes", "no"}
    words = {sample.extra["answer"] for sample in closed if sample.answer == "no"}
    assert words == {"不是", "不包含", "没有", "不可以", "否"}


def test_closed_questions_of_the_english_test_split(slake: Path) -> None:
    kinds = Counter((sample.categories["answer_type"], sample.kind) for sample in load_slake(slake, "test"))
    assert kinds == {("closed", "closed"): 355, ("closed", "open"): 61, ("open", "open"): 645}


def test_both_spellings_of_the_second_file_and_the_parent_folder_are_found(tmp_path: Path, slake: Path) -> None:
    (tmp_path / "Slake1.0").mkdir()
    shutil.copy(next(slake.rglob("validate.json")), tmp_path / "Slake1.0" / "validation.json")
    assert len(list(load_slake(tmp_path, "validate"))) == 1053
    assert len(list(load_slake(tmp_path / "Slake1.0", "validate"))) == 1053


def test_an_image_lies_below_imgs(tmp_path: Path, png: Callable[..., Path]) -> None:
    png("imgs/xmlab1/source.jpg")
    record = {"qid": 1, "img_name": "xmlab1/source.jpg", "question": "q?", "answer": "CT", "answer_type": "OPEN"}
    (tmp_path / "test.json").write_text(json.dumps([{**record, "q_lang": "en"}]))
    report = LoadReport()
    (sample,) = load_slake(tmp_path, "test", report=report)
    assert report.absent_images == 0
    assert sample.images[0].path == tmp_path / "imgs" / "xmlab1" / "source.jpg"


def test_an_unknown_language_a_lone_name_and_none(slake: Path) -> None:
    with pytest.raises(ValueError, match="language 'cn' is unknown"):
        load_slake(slake, "test", languages=("cn",))
    with pytest.raises(ValueError, match="languages is empty"):
        load_slake(slake, "test", languages=())
    assert len(list(load_slake(slake, "test", languages="zh"))) == 1033


def test_a_record_without_language_is_counted_not_lost(tmp_path: Path) -> None:
    (tmp_path / "test.json").write_text(
        json.dumps([{"qid": 5, "img_name": "a", "question": "q", "answer": "b", "answer_type": "OPEN"}])
    )
    with pytest.raises(SampleError, match=r"no q_lang \(5\)"):
        list(load_slake(tmp_path, "test"))
