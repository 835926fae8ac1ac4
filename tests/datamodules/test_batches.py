"""Grouping by image, and an order of steps that resumes exactly."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from pathlib import Path

import pytest

from medvlm.datamodules.batches import StepSampler, group_by_image
from medvlm.study import ImageRef, Sample


def sample(name: str, *images: str) -> Sample:
    return Sample(name, tuple(ImageRef(Path(image)) for image in images), "q?", "yes", "closed")


def test_questions_on_the_same_images_meet_and_the_order_of_images_counts() -> None:
    samples = [sample("1", "a"), sample("2", "b"), sample("3", "a"), sample("4", "a", "b"), sample("5", "b", "a")]
    assert [[s.id for s in group] for group in group_by_image(samples)] == [["1", "3"], ["2"], ["4"], ["5"]]


def test_a_big_group_is_divided_evenly() -> None:
    groups = group_by_image([sample(str(n), "a") for n in range(7)], max_questions=3)
    assert [len(group) for group in groups] == [2, 2, 3]
    assert [s.id for group in groups for s in group] == [str(n) for n in range(7)]


def test_samples_without_images_are_not_thrown_together() -> None:
    assert len(group_by_image([sample("1"), sample("2")])) == 2


def test_a_limit_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="max_questions=0"):
        group_by_image([], max_questions=0)


@pytest.mark.parametrize("start", [0, 1, 3, 50])
def test_a_resumed_order_equals_the_uninterrupted_one(start: int) -> None:
    whole = list(islice(StepSampler(7, 3, seed=5), 60))
    assert list(islice(StepSampler(7, 3, seed=5, start_step=start), 10)) == whole[start : start + 10]


def test_every_epoch_sees_every_item_once_and_batches_run_over_its_end() -> None:
    batches = list(islice(StepSampler(7, 3, seed=1), 7))
    assert {len(batch) for batch in batches} == {3}
    order = [index for batch in batches for index in batch]
    assert [sorted(order[i : i + 7]) for i in (0, 7, 14)] == [list(range(7))] * 3
    assert order[:7] != order[7:14]


def test_a_batch_may_be_larger_than_the_set() -> None:
    assert Counter(StepSampler(2, 6, seed=0).batch(4)) == {0: 3, 1: 3}


def test_another_seed_is_another_order() -> None:
    assert list(islice(StepSampler(20, 4, seed=0), 5)) != list(islice(StepSampler(20, 4, seed=1), 5))


@pytest.mark.parametrize("world", [2, 3, 7])
def test_the_shares_of_all_ranks_one_after_another_are_the_batch(world: int) -> None:
    for step in range(4):
        parts = [StepSampler(9, 4, seed=2, rank=rank, world_size=world).draws(step) for rank in range(world)]
        assert [draw for part in parts for draw in part] == StepSampler(9, 4, seed=2).draws(step)
        assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("bad", [{"n_items": 0}, {"batch_size": 0}, {"seed": -1}, {"start_step": -1}, {"rank": 1}])
def test_impossible_settings_are_refused(bad: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="expected"):
        StepSampler(**{"n_items": 4, "batch_size": 2, **bad})
