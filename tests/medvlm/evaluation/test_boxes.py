"""Several boxes: read, matched, scored; by hand, by enumeration, and by what must not change it."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest

from medvlm.evaluation.boxes import match_boxes, read_boxes, soft_box_f1
from medvlm.evaluation.metrics import box_iou

LEFT, RIGHT, HALF = (0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 1.0, 1.0), (0.0, 0.0, 0.5, 0.5)


def some_boxes(seed: int, count: int) -> list[Any]:
    corners = np.sort(np.random.default_rng(seed).uniform(size=(count, 2, 2)), axis=1)
    return [(float(a[0]), float(a[1]), float(b[0]), float(b[1])) for a, b in corners]


@pytest.mark.parametrize("seed", range(5))
def test_the_matching_is_the_best_of_all(seed: int) -> None:
    given, wanted = some_boxes(seed, 3), some_boxes(seed + 100, 4)
    best = max(
        sum(box_iou(box, wanted[place]) for box, place in zip(given, places, strict=True))
        for places in permutations(range(4), 3)
    )
    assert sum(overlap for _, _, overlap in match_boxes(given, wanted)) == pytest.approx(best)


def test_soft_f1_by_hand() -> None:
    # one pair of IoU .5, nothing unmatched: P = .5/.5 = 1, R = .5/1; 2*.5/1.5
    assert soft_box_f1([HALF], [LEFT]) == pytest.approx(2 / 3)
    # a right box and a stray one: P = 1/2, R = 1
    assert soft_box_f1([LEFT, RIGHT], [LEFT]) == pytest.approx(2 / 3)
    # one of two found: P = 1, R = 1/2
    assert soft_box_f1([LEFT], [LEFT, RIGHT]) == pytest.approx(2 / 3)


def test_the_order_of_boxes_does_not_count() -> None:
    given, wanted = some_boxes(1, 4), some_boxes(2, 3)
    assert soft_box_f1(given[::-1], wanted) == pytest.approx(soft_box_f1(given, wanted[::-1]))


def test_no_box_where_there_is_none_is_right() -> None:
    """RadVLM-GRPO gives 0 where either list is empty, so that "no finding" is never rewarded."""
    assert [soft_box_f1([], []), soft_box_f1([LEFT], []), soft_box_f1([], [LEFT])] == [1.0, 0.0, 0.0]


def test_fifty_copies_are_49_too_many() -> None:
    assert soft_box_f1([LEFT] * 50, [LEFT]) == pytest.approx(2 / 51)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("[0, 0, 0.5, 1]", 1),
        ("0 0 0.5 1", 1),
        ("0 0 0.5 1; 0.5 0 1 1", 2),
        ("0 0 0.5 1\n0.5 0 1 1", 2),
        ("[[0,0,0.5,1],[0.5,0,1,1]]", 2),
        ('{"boxes": [[0,0,0.5,1]]}', 1),
        ("none", 0),
        ("No abnormality.", 0),
        ("[]", 0),
    ],
)
def test_boxes_are_read(text: str, count: int) -> None:
    found = read_boxes(text)
    assert found is not None
    assert len(found) == count


@pytest.mark.parametrize(
    "text", ["", "left", "0.1 0.2 0.3", "[0.5, 0, 0.1, 1]", "[0,0,1,1] [2,2,3,3]", "[10, 20, 50, 60]"]
)
def test_what_is_no_box_is_none(text: str) -> None:
    assert read_boxes(text) is None
