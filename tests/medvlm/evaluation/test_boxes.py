"""Several boxes: read, matched, scored; by hand, by enumeration, and by what must not change it."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest

from medvlm.evaluation.boxes import box_scores, count_hits, match_boxes, read_boxes, soft_box_f1
from medvlm.evaluation.metrics import box_iou
from medvlm.evaluation.parser import parse_answer
from medvlm.evaluation.records import grade
from medvlm.study import Sample, SampleError

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


# --- scores of an answer ---------------------------------------------------------------------------------------------


def test_one_box_is_scored_by_its_iou() -> None:
    for seed in range(5):
        (a,), (b,) = some_boxes(seed, 1), some_boxes(seed + 50, 1)
        assert box_scores([a], [b]).iou == box_iou(a, b)
    assert box_scores([HALF], [LEFT]).hits == (1, 1, 0)


def test_scores_of_several_by_hand() -> None:
    """Of two wanted one is found whole and one by half; a stray third is left over."""
    found = box_scores([HALF, RIGHT, (0.9, 0.9, 1.0, 1.0)], [LEFT, RIGHT])
    assert found.iou == pytest.approx(1.5 / 3)
    assert found.hits == (2, 2, 1)
    assert found.pointing == 1.0
    assert found == box_scores([(0.9, 0.9, 1.0, 1.0), RIGHT, HALF], [RIGHT, LEFT])


def test_the_centre_points() -> None:
    """A box around all points at the gap between two; a box in the wrong half points there."""
    narrow = [(0.0, 0.0, 0.2, 1.0), (0.8, 0.0, 1.0, 1.0)]
    assert box_scores([(0.0, 0.0, 1.0, 1.0)], narrow).pointing == 0.0
    assert box_scores([LEFT, RIGHT], [LEFT]).pointing == 0.5


def test_phrases_without_a_box() -> None:
    none, stray = box_scores([], []), box_scores([LEFT], [])
    missed, unread = box_scores([], [LEFT]), box_scores(None, [])
    assert [one.iou for one in (none, stray, missed, unread)] == [1.0, 0.0, 0.0, 0.0]
    assert [one.pointing for one in (none, stray, missed, unread)] == [1.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize("seed", range(5))
def test_hits_are_the_most_of_all_matchings(seed: int) -> None:
    given, wanted = some_boxes(seed, 4), some_boxes(seed + 100, 4)
    most = max(
        sum(box_iou(box, wanted[place]) >= 0.1 for box, place in zip(given, places, strict=True))
        for places in permutations(range(4))
    )
    assert count_hits(given, wanted, 0.1) == most


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("<answer>[0,0,0.5,1] [0.5,0,1,1]</answer>", "0 0 0.5 1; 0.5 0 1 1"),
        ("<think>[0,0,1,1]</think>[[0, 0, 0.5, 1]]", "0 0 0.5 1"),
        ("No finding.", "none"),
        ("[0, 0, 0.5, 1]\r\n[0.5, 0, 1, 1]", "0 0 0.5 1; 0.5 0 1 1"),
        ("\uff3b0, 0, 0.5, 1\uff3d", "0 0 0.5 1"),
        ("没有", None),
        ("", None),
        ("[nan, 0, 0.5, 1]", None),
        ("[0.5, 0, 0.1, 1]", None),
        ("[10%, 20%, 50%, 60%]", None),
        ("[102, 20, 510, 600]", None),
        ("[0, 0, 0.5, 1] [50, 60, 70, 80]", None),
    ],
)
def test_lists_of_boxes_are_read_from_answers(text: str, value: str | None) -> None:
    """Boxes in pixels or percent, inverted or not finite are no boxes in shares, and are never guessed to be."""
    assert parse_answer(text, "box", several=True).value == value


def box_sample(answer: str) -> Sample:
    return Sample("1", (), "Locate it.", answer, "box")


@pytest.mark.parametrize(
    ("answer", "text", "right"),
    [
        ("0 0 0.5 1; 0.5 0 1 1", "[0.5,0,1,1], [0,0,0.5,1]", True),
        ("0 0 0.5 1; 0.5 0 1 1", "[0,0,0.5,1]", False),
        ("0 0 0.5 1; 0.5 0 1 1", "[0,0,0.5,1] [0,0,0.5,1]", False),
        ("none", "There is nothing to see at [0,0,1,1]", False),
        ("none", "No finding", True),
        ("0 0 0.5 1", "[0,0,0.5,1] [0.5,0,1,1]", False),
        ("0 0 0.5 1", "none", False),
    ],
)
def test_an_answer_of_several_boxes_is_right_when_each_has_one(answer: str, text: str, right: bool) -> None:
    record = grade(box_sample(answer), text, run="r", cluster="c")
    assert record.correct is right
    assert (record.scores["iou"] == 1.0) is right


def test_a_reference_that_is_no_box_is_refused() -> None:
    with pytest.raises(SampleError, match="is no box"):
        grade(box_sample("left lung"), "[0,0,1,1]", run="r", cluster="c")
