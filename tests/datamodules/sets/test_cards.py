"""Cards and counts: what a release holds is asserted, on the real files where they are at hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from medvlm.datamodules.sets import SETS, LoadReport, load_set
from medvlm.datamodules.sets.cards import check_counts
from medvlm.study import Sample, SampleError


@pytest.mark.parametrize("split", ["train", "test", "all"])
def test_the_real_vqa_rad_has_the_counts_of_its_card(vqa_rad: Path, split: str) -> None:
    assert list(load_set("vqa_rad", vqa_rad, split, strict_counts=True))


@pytest.mark.parametrize("split", ["train", "validate", "test", "all"])
def test_the_real_slake_has_the_counts_of_its_card(slake: Path, split: str) -> None:
    assert list(load_set("slake", slake, split, strict_counts=True))


def test_an_option_that_chooses_records_switches_the_count_off(slake: Path) -> None:
    report = LoadReport()
    list(load_set("slake", slake, "test", languages=("zh",), strict_counts=True, report=report))
    assert not [note for note in report.notes if "records, the release has" in note]


def test_one_record_less_is_said_with_both_numbers(vqa_rad: Path, tmp_path: Path) -> None:
    name = "VQA_RAD Dataset Public.json"
    (tmp_path / name).write_text(json.dumps(json.loads((vqa_rad / name).read_text(encoding="utf-8"))[:-1]))
    report = LoadReport()
    list(load_set("vqa_rad", tmp_path, "all", report=report))
    assert report.notes[-1] == "VQA-RAD: 2,247 all records, the release has 2,248"
    with pytest.raises(SampleError, match="complete the download, or load without strict_counts"):
        list(load_set("vqa_rad", tmp_path, "all", strict_counts=True))


def test_a_report_that_counted_another_split_before_is_no_matter() -> None:
    card, report = replace(SETS["slake"], counts={"test": 1}), LoadReport(records=7)

    def samples() -> Iterator[Sample]:
        report.records += 1
        yield Sample(id="1", images=(), question="q", answer="a", kind="open")

    assert len(list(check_counts(samples(), card, "test", report, strict=True))) == 1


def test_all_is_the_sum_and_an_unknown_count_is_none() -> None:
    card = SETS["slake"]
    assert (card.expected("all"), card.expected("test")) == (7033, 1061)
    assert replace(card, counts={}).expected("all") is None
    assert SETS["vqa_rad"].expected("validate") is None
