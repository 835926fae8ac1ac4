"""Mixtures: shares by weight, temperature and cap; an order that resumes and divides; difficulty."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest

from medvlm.datamodules.data import Drawn, StudyData
from medvlm.datamodules.difficulty import read_rates
from medvlm.datamodules.mixture import Mixture, MixtureSampler, Part, epoch_shares
from medvlm.datamodules.sets import LoadReport
from medvlm.study import SampleError


def write(root: Path, name: str, images: int, questions: int = 2) -> Path:
    lines = []
    for n in range(images):
        (root / f"{name}{n}.png").touch()
        for q in range(questions):
            record = {"id": f"{n}-{q}", "images": [f"{name}{n}.png"], "question": "q?", "answer": "yes"}
            lines.append(json.dumps(record))
    (root / f"{name}.jsonl").write_text("\n".join(lines))
    return root / f"{name}.jsonl"


def collate(batch: Sequence[Drawn]) -> list[tuple[int, tuple[str, ...]]]:
    return [(drawn.epoch, tuple(sample.id for sample in drawn.samples)) for drawn in batch]


def study(mixture: Mixture, num_workers: int = 0) -> StudyData:
    data = StudyData("mixture", "", collate=collate, mixture=mixture, batch_size=4, seed=3, num_workers=num_workers)
    data.setup("fit")
    return data


@pytest.fixture
def mixture(tmp_path: Path) -> Mixture:
    return Mixture((Part("jsonl", write(tmp_path, "a", 9), "a"), Part("jsonl", write(tmp_path, "b", 3), "b", 3.0)))


def items(sampler: MixtureSampler, epochs: int) -> list[tuple[int, int]]:
    steps = range(epochs * sum(sampler.shares))
    return [pair for step in steps for pair in sampler.draws(step)]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0, 5.0])
def test_shares_follow_the_formula(temperature: float) -> None:
    sizes, weights = [5000, 700, 3], [1.0, 2.0, 0.5]
    p = np.array([w * n ** (1 / temperature) for n, w in zip(sizes, weights, strict=True)])
    shares = epoch_shares(sizes, weights, temperature=temperature)
    assert np.abs(np.array(shares) - np.maximum(1, 5703 * p / p.sum())).max() <= 1


def test_an_endless_temperature_gives_equal_shares_and_a_cap_shortens_the_epoch() -> None:
    assert epoch_shares([1000, 10], [1, 1], temperature=1e9) == [505, 505]
    assert epoch_shares([1000, 10], [1, 1], caps=[100, None]) == [100, 10]


def test_with_equal_weights_an_epoch_is_every_item_once() -> None:
    sampler = MixtureSampler((5, 3), (5, 3), 1, seed=1)
    assert sorted(item for _, item in items(sampler, 1)) == list(range(8))
    assert [item for _, item in items(sampler, 1)] != [item for _, item in items(sampler, 2)[8:]]


def test_no_item_comes_twice_before_every_other_of_its_part_came_once() -> None:
    drawn = items(MixtureSampler((7, 2), (3, 6), 1, seed=2), 20)
    for part, size, share in ((range(7), 7, 3), (range(7, 9), 2, 6)):
        order = [(times, item) for times, item in drawn if item in part]
        assert len(order) == share * 20
        for start in range(0, len(order) - size, size):
            stretch = order[start : start + size]
            assert sorted(item for _, item in stretch) == list(part)
            assert {times for times, _ in stretch} == {start // size}


def test_shares_hold_in_every_epoch_and_parts_are_interleaved() -> None:
    sampler = MixtureSampler((50, 50), (30, 10), 40, seed=0)
    for step in range(5):
        parts = [item >= 50 for _, item in sampler.draws(step)]
        assert Counter(parts) == {False: 30, True: 10}
        assert sum(a != b for a, b in pairwise(parts)) > 1


def test_ranks_divide_every_step() -> None:
    whole = MixtureSampler((9, 3), (7, 5), 4, seed=5)
    halves = [MixtureSampler((9, 3), (7, 5), 4, seed=5, rank=rank, world_size=2) for rank in (0, 1)]
    for step in range(12):
        assert halves[0].draws(step) + halves[1].draws(step) == whole.draws(step)


def test_a_step_does_not_depend_on_those_before() -> None:
    whole = MixtureSampler((9, 3), (7, 5), 4, seed=5)
    expected = [whole.draws(step) for step in range(30)]
    assert [MixtureSampler((9, 3), (7, 5), 4, seed=5).draws(step) for step in (29, 0, 13)] == [
        expected[29],
        expected[0],
        expected[13],
    ]


def test_a_resumed_loader_goes_on_and_workers_change_nothing(mixture: Mixture) -> None:
    whole = list(islice(study(mixture).train_dataloader(), 9))
    assert list(islice(study(mixture).train_dataloader(start_step=5), 4)) == whole[5:]
    assert list(islice(study(mixture, num_workers=2).train_dataloader(), 9)) == whole
    assert {name.partition(":")[0] for batch in whole for _, ids in batch for name in ids} == {"a", "b"}


def test_samples_say_where_they_are_from_and_the_report_counts_all(mixture: Mixture) -> None:
    data = study(mixture)
    assert {sample.categories["set"] for sample in data.samples["train"]} == {"a", "b"}
    assert data.reports["train"].kept == 24
    assert len(data.drawn()) == 12


def test_questions_that_are_always_or_never_answered_are_left_out(tmp_path: Path) -> None:
    rates = {"0-0": 0.0, "0-1": 0.25, "1-0": 1.0, "1-1": 0.5}
    (tmp_path / "rates.json").write_text(json.dumps(rates))
    data = study(Mixture((Part("jsonl", write(tmp_path, "a", 3), rates=tmp_path / "rates.json"),)))
    assert [sample.id for sample in data.samples["train"]] == ["jsonl:0-1", "jsonl:1-1"]
    report = data.reports["train"]
    assert report.skipped == {"pass rate 0 or less": 1, "pass rate 1 or more": 1, "no pass rate": 2}
    assert report.kept == 2


def test_the_rollouts_of_an_earlier_run_are_rates(tmp_path: Path) -> None:
    folder = tmp_path / "rollouts"
    folder.mkdir()
    rollouts = [("own:0-0", 1.0), ("own:0-0", 0.0), ("own:0-1", 1.0), ("own:1-0", None), ("own:1-1", 0.0)]
    for step in (1, 2):
        lines = [json.dumps({"sample": name, "parts": {"accuracy": value}}) for name, value in rollouts]
        (folder / f"step-{step:06d}.jsonl").write_text("\n".join(lines))
    assert read_rates(folder) == {"own:0-0": 0.5, "own:0-1": 1.0, "own:1-1": 0.0}
    data = study(Mixture((Part("jsonl", write(tmp_path, "a", 2), "own", rates=folder),)))
    assert [sample.id for sample in data.samples["train"]] == ["own:0-0"]
    (folder / "step-000003.jsonl").write_text(
        '{"sample": "own:0-0", "parts": {"accuracy": 1}}\n{"sample": "own:0-0", "pa'
    )
    assert read_rates(folder)["own:0-0"] == 0.6  # 3 of 5; the line that a kill cut off is none
    (folder / "step-000003.jsonl").write_text('{"sample": "x", "parts": {"format": 1}}')
    with pytest.raises(SampleError, match=r"step-000003\.jsonl line 1: no rollout with an accuracy"):
        read_rates(folder)


def test_rates_of_other_questions_and_wrong_rates_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "rates.json"
    part = Part("jsonl", write(tmp_path, "a", 1), rates=path)
    path.write_text('{"other": 0.5}')
    with pytest.raises(SampleError, match="'other', those of the samples like '0-1'"):
        study(Mixture((part,)))
    for text, message in (("[1]", "found list"), ('{"a": 2}', "'a' is 2"), ("{", "no valid JSON")):
        path.write_text(text)
        with pytest.raises(SampleError, match=message):
            read_rates(path)


def test_impossible_mixtures_are_refused() -> None:
    with pytest.raises(ValueError, match="a name of its own"):
        Mixture((Part("jsonl", "a"), Part("jsonl", "b")))
    with pytest.raises(ValueError, match="temperature=0"):
        Mixture((Part("jsonl", "a"),), temperature=0)
    for wrong in ({"weight": 0.0}, {"cap": 0}, {"low": 0.5, "high": 0.5}, {"name": "a:b"}):
        with pytest.raises(ValueError, match="part '"):
            Part("jsonl", "a", **wrong)


def test_a_part_without_a_test_split_only_trains(tmp_path: Path) -> None:
    both, alone = (write(tmp_path, name, 2) for name in ("a", "b"))
    record = {"id": "t", "images": [], "question": "?", "answer": "yes", "split": "test"}
    both.write_text(f"{both.read_text()}\n{json.dumps(record)}")
    report = LoadReport()
    mixed = Mixture((Part("jsonl", both, "a"), Part("jsonl", alone, "b")))
    assert [sample.id for sample in mixed.load("test", report, {})] == ["a:t"]
    assert report.notes == ["b: nothing of the test split"]
    with pytest.raises(SampleError, match=r"none of the parts \['b'\] has anything of 'test'"):
        Mixture((Part("jsonl", alone, "b"),)).load("test", LoadReport(), {})
