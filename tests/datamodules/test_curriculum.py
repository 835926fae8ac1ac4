"""Easy first or hard first: every level in turn, the same whoever resumes and however many processes share it."""

from __future__ import annotations

import json
from collections import Counter
from itertools import chain, islice, pairwise
from pathlib import Path
from typing import Any

import pytest

from medvlm.datamodules.curriculum import CurriculumSampler, by_difficulty
from medvlm.datamodules.data import StudyData
from medvlm.datamodules.difficulty import Difficulty
from medvlm.study import Sample, SampleError


def group(*names: str) -> list[Sample]:
    return [Sample(name, (), "?", "yes", "closed") for name in names]


def indices(sampler: CurriculumSampler, steps: int) -> list[list[int]]:
    return [[index for _, index in sampler.draws(step)] for step in range(steps)]


def test_groups_lie_by_the_mean_rate_of_their_questions() -> None:
    groups, rates = [group("a", "b"), group("c"), group("d")], {"a": 0.0, "b": 1.0, "c": 0.9, "d": 0.1}
    assert [found[0].id for found in by_difficulty(groups, rates, "easy_first", "r")] == ["c", "a", "d"]
    assert [found[0].id for found in by_difficulty(groups, rates, "hard_first", "r")] == ["d", "a", "c"]
    with pytest.raises(SampleError, match="r: 2 of 3 groups have no question with a rate"):
        by_difficulty(groups, {"c": 0.5}, "easy_first", "r")


@pytest.mark.parametrize(("items", "batch", "steps"), [(100, 4, 10), (10, 4, 50), (7, 2, 3), (3, 8, 5), (1, 1, 1)])
def test_levels_follow_each_other_and_batches_are_full(items: int, batch: int, steps: int) -> None:
    drawn = indices(CurriculumSampler(items, batch, steps, seed=1), steps)
    assert {len(found) for found in drawn} == {batch}
    means = [sum(found) / batch for found in drawn]
    levels = max(1, min(steps, items // batch))
    spread = items / levels
    assert all(later > earlier - spread for earlier, later in pairwise(means))
    if items // batch >= steps:
        assert max(Counter(chain(*drawn)).values()) == 1  # nothing twice while there are others


def test_all_groups_are_drawn_where_there_are_steps_enough() -> None:
    times = Counter(chain(*indices(CurriculumSampler(10, 2, 40), 40)))
    assert times == dict.fromkeys(range(10), 8)


def test_a_step_depends_on_the_seed_and_the_step_alone() -> None:
    first, again, other = (CurriculumSampler(50, 4, 6, seed=seed) for seed in (3, 3, 4))
    assert again.draws(5) == [first.draws(step) for step in range(6)][5]
    assert other.draws(5) != first.draws(5)
    assert CurriculumSampler(50, 4, 6, seed=3).draws(9) != first.draws(5)  # past the end: the last level goes on


def test_ranks_divide_every_step() -> None:
    whole = CurriculumSampler(30, 4, 5, seed=2)
    halves = [CurriculumSampler(30, 4, 5, seed=2, rank=rank, world_size=2) for rank in (0, 1)]
    for step in range(7):
        assert sorted(halves[0].draws(step) + halves[1].draws(step)) == sorted(whole.draws(step))


def study(tmp_path: Path, **options: Any) -> StudyData:
    records = [{"id": str(index), "images": [], "question": "?", "answer": "yes"} for index in range(12)]
    (tmp_path / "data.jsonl").write_text("\n".join(map(json.dumps, records)))
    (tmp_path / "rates.json").write_text(json.dumps({str(index): index / 11 for index in range(12)}))
    difficulty = Difficulty(tmp_path / "rates.json", **options)
    data = StudyData("jsonl", tmp_path, collate=ids, batch_size=2, difficulty=difficulty, steps=5)
    data.setup("fit")
    return data


def ids(drawn: Any) -> list[str]:
    return [sample.id for item in drawn for sample in item.samples]


def test_a_single_set_is_filtered_and_ordered_by_its_rates(tmp_path: Path) -> None:
    data = study(tmp_path, order="easy_first")
    assert data.reports["train"].skipped == {"pass rate 0 or less": 1, "pass rate 1 or more": 1}
    batches = list(islice(data.train_dataloader(), 5))
    assert [set(batch) for batch in batches] == [{"10", "9"}, {"8", "7"}, {"6", "5"}, {"4", "3"}, {"2", "1"}]
    assert list(islice(data.train_dataloader(start_step=3), 2)) == batches[3:]
    kept = study(tmp_path, low=0.5, high=0.95)
    assert [sample.id for sample in kept.samples["train"]] == ["6", "7", "8", "9", "10"]


def test_rates_of_another_set_are_refused_with_counts(tmp_path: Path) -> None:
    study(tmp_path)
    (tmp_path / "other.json").write_text('{"x": 0.5}')
    data = StudyData("jsonl", tmp_path, collate=ids, difficulty=Difficulty(tmp_path / "other.json"))
    with pytest.raises(SampleError, match=r"none of 12 samples has a rate: it has 1; its ids look like 'x'"):
        data.setup("fit")
    with pytest.raises(SampleError, match=r"none of 12 samples with a rate lies between 0\.99 and 1"):
        study(tmp_path, low=0.99)
    with pytest.raises(ValueError, match="expected 0 <= low < high <= 1"):
        Difficulty(tmp_path / "rates.json", low=0.5, high=0.5)
