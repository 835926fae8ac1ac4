"""Pairs: what is refused, the file and its way back, pairs of held-out samples, and pairs by corruption."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from medvlm.datamodules.sets.jsonl import load_jsonl
from medvlm.preferences.build import ALL, corrupted_pairs
from medvlm.preferences.pairs import Pair, attach, pair_of, pairs_of, read_pairs, write_pairs
from medvlm.study import ImageRef, Region, Sample, SampleError

TEXTS = ("Large left effusion.", "Clear lungs. No nodule.", "Small right nodule. No effusion.")


@pytest.fixture
def reports() -> list[Sample]:
    images = (ImageRef(Path("/a.png")), ImageRef(Path("/b"), volume=True, modality="CT"))
    slide = ImageRef(Path("/c.svs"), region=Region((0, 0, 8, 8), (4, 4)))
    shown = [images[:1], images[1:], (slide,)]
    return [
        Sample(f"p{index}", shown[index], "Report?", text, "report", group=f"g{index}", rationale="effusion left")
        for index, text in enumerate(TEXTS)
    ]


@pytest.mark.parametrize(
    ("chosen", "rejected", "message"),
    [(" ", "a", "the chosen answer is empty"), ("a", "", "the rejected answer is empty"), ("a  b", "a b\n", "same")],
)
def test_a_pair_needs_two_answers(chosen: str, rejected: str, message: str) -> None:
    with pytest.raises(SampleError, match=f"'p1'.*{message}"):
        Pair("p1", chosen, rejected, "reward")


def test_a_file_comes_back(tmp_path: Path, reports: list[Sample]) -> None:
    pairs = [*corrupted_pairs(reports, each=2), Pair("p1", "a", "b", "reward", {"chosen": 1.0, "rejected": 0.5})]
    path = tmp_path / "pairs.jsonl"
    assert write_pairs(path, reports, pairs) == len(pairs)
    assert read_pairs(path) == pairs


def test_a_file_is_a_set_of_its_own(tmp_path: Path, reports: list[Sample]) -> None:
    path = tmp_path / "pairs.jsonl"
    pairs = corrupted_pairs(reports, each=2)
    write_pairs(path, reports, pairs)
    found = list(load_jsonl(path, "train"))
    assert [pair_of(sample.extra) for sample in found] == pairs
    known = {sample.id: sample for sample in reports}
    for sample in found:
        original = known[str(sample.extra["sample"])]
        assert (sample.images, sample.answer, sample.group) == (original.images, original.answer, original.group)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2"),
        ('{"sample": "p0", "chosen": "a"}', "line 2: no pair: rejected missing"),
        ('{"sample": "p0", "chosen": "a", "rejected": 3}', "rejected missing or no text"),
        ('{"sample": "p0", "chosen": "a", "rejected": "a"}', "both answers are the same"),
        ("[1]", "sample, chosen, rejected missing"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text(json.dumps({"sample": "p0", "chosen": "a", "rejected": "b"}) + "\n" + line, encoding="utf-8")
    with pytest.raises(SampleError, match=message):
        read_pairs(path)


def test_nothing_to_read_or_write_is_said(tmp_path: Path, reports: list[Sample]) -> None:
    path = tmp_path / "pairs.jsonl"
    with pytest.raises(FileNotFoundError, match="does not exist"):
        read_pairs(path)
    with pytest.raises(SampleError, match="no pair is left"):
        write_pairs(path, reports, [])
    with pytest.raises(SampleError, match="'p9', which the set does not have"):
        write_pairs(path, reports, [Pair("p9", "a", "b", "reward")])
    assert not path.exists()
    path.write_text("\n", encoding="utf-8")
    with pytest.raises(SampleError, match="holds no pair"):
        read_pairs(path)


def test_pairs_find_their_samples(reports: list[Sample]) -> None:
    pairs = [Pair("p1", "a", "b", "reward"), Pair("p1", "a", "b", "reward"), Pair("p1", "a", "c", "reward")]
    found = attach(reports, pairs)
    assert [len(pairs_of(sample)) for sample in found] == [0, 2, 0]
    assert found[0] is reports[0]


def test_pairs_of_other_splits_are_refused(reports: list[Sample]) -> None:
    with pytest.raises(SampleError, match="'t1', a held-out sample"):
        attach(reports, [Pair("t1", "a", "b", "reward")], held_out=["t1"])
    with pytest.raises(SampleError, match=r"'t2', which is no training sample; their ids look like 'p0'"):
        attach(reports, [Pair("t2", "a", "b", "reward")], held_out=["t1"])


def test_corrupted_pairs_do_not_depend_on_the_order(reports: list[Sample]) -> None:
    forth = corrupted_pairs(reports, ALL[:4], each=2)
    back = corrupted_pairs(reports[::-1], ALL[:4][::-1], each=2)
    assert sorted(map(str, forth)) == sorted(map(str, back))
    assert {pair.how for pair in forth} <= set(ALL)
    assert all(pair.chosen.split() != pair.rejected.split() for pair in forth)
    assert corrupted_pairs(reports, ALL[:4], each=2, seed=1) != forth


def test_a_rationale_follows_its_report(reports: list[Sample]) -> None:
    (pair,) = corrupted_pairs(reports[:1], ["side"], reasoning=True)
    assert pair.chosen == "<think>effusion left</think><answer>Large left effusion.</answer>"
    assert pair.rejected == "<think>effusion right</think><answer>Large right effusion.</answer>"


def test_a_random_report_is_of_another_group(reports: list[Sample]) -> None:
    same = [replace(sample, group="one") for sample in reports]
    with pytest.raises(SampleError, match="None of the 3 reports could be made wrong by other"):
        corrupted_pairs(same, ["other"])
    assert [pair.rejected != pair.chosen for pair in corrupted_pairs(reports, ["other"])] == [True] * 3


def test_what_cannot_be_corrupted_is_said(reports: list[Sample]) -> None:
    with pytest.raises(SampleError, match="there are side, added"):
        corrupted_pairs(reports, ["sides"])  # type: ignore[list-item]
    with pytest.raises(SampleError, match="None of the 1 samples is a report"):
        corrupted_pairs([replace(reports[0], kind="open")])
    with pytest.raises(SampleError, match="could be made wrong by side"):
        corrupted_pairs(reports[1:2], ["side"])
