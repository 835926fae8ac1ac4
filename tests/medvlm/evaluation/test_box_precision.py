"""Average precision against torchmetrics with pycocotools, and what must not change it."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torchmetrics.detection import MeanAveragePrecision

from medvlm.evaluation.box_precision import average_precision
from medvlm.evaluation.metrics import Box

LEFT, RIGHT = (0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 1.0, 1.0)
Boxes = list[list[Box]]


def boxes(draw: np.random.Generator, count: int) -> list[Box]:
    corners = np.sort(draw.uniform(size=(count, 2, 2)), axis=1)
    return [(float(a[0]), float(a[1]), float(b[0]), float(b[1])) for a, b in corners]


def moved(draw: np.random.Generator, box: Box) -> Box:
    x0, y0, x1, y1 = np.clip(np.array(box) + draw.normal(0, 0.05, 4), 0, 1)
    return float(min(x0, x1)), float(min(y0, y1)), float(max(x0, x1)), float(max(y0, y1))


def questions(seed: int, n: int = 30) -> tuple[Boxes, Boxes, list[list[float]]]:
    draw = np.random.default_rng(seed)
    wanted = [boxes(draw, int(draw.integers(0, 4))) for _ in range(n)]
    given = [[moved(draw, box) for box in some] + boxes(draw, int(draw.integers(0, 2))) for some in wanted]
    return given, wanted, [list(map(float, draw.uniform(size=len(some)))) for some in given]


def by_coco(given: Boxes, wanted: Boxes, scores: list[list[float]]) -> float:
    def tensor(some: list[Box]) -> torch.Tensor:
        return torch.tensor(some, dtype=torch.float64).reshape(-1, 4) * 1000

    said = [
        {"boxes": tensor(a), "scores": torch.tensor(s, dtype=torch.float64), "labels": torch.zeros(len(a)).long()}
        for a, s in zip(given, scores, strict=True)
    ]
    meant = [{"boxes": tensor(b), "labels": torch.zeros(len(b)).long()} for b in wanted]
    recalls = [float(point) for point in np.linspace(0, 1, 101)]  # its own are rounded to single precision
    metric = MeanAveragePrecision(iou_thresholds=[0.5], rec_thresholds=recalls, backend="pycocotools")
    metric.update(said, meant)
    return float(metric.compute()["map_50"])


@pytest.mark.parametrize("seed", range(5))
def test_with_scores_it_is_that_of_pycocotools(seed: int) -> None:
    given, wanted, scores = questions(seed)
    assert average_precision(given, wanted, scores) == pytest.approx(by_coco(given, wanted, scores), abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_without_scores_the_order_of_boxes_and_questions_does_not_count(seed: int) -> None:
    given, wanted, _ = questions(seed)
    places = random.Random(seed).sample(range(len(given)), len(given))
    again = average_precision([given[place][::-1] for place in places], [wanted[place][::-1] for place in places])
    assert average_precision(given, wanted) == pytest.approx(again, abs=1e-12)


def test_pycocotools_depends_on_the_order_where_scores_are_equal() -> None:
    """Two images of one box: a right answer and a wrong one; the wrong one first costs half there."""
    given, wanted = [[LEFT], [LEFT]], [[LEFT], [RIGHT]]
    ones = [[1.0], [1.0]]
    assert by_coco(given, wanted, ones) != pytest.approx(by_coco(given[::-1], wanted[::-1], ones), abs=0.01)
    assert average_precision(given, wanted) == average_precision(given[::-1], wanted[::-1])


def test_equally_sure_boxes_are_one_point_of_the_curve() -> None:
    """Three given, two right, of four wanted: precision 2/3 for the recalls 0 to 0.50, 51 of 101."""
    given, wanted = [[LEFT], [LEFT], [LEFT]], [[LEFT], [LEFT, RIGHT], [RIGHT]]
    assert average_precision(given, wanted) == pytest.approx(2 / 3 * 51 / 101)


def test_fifty_copies_of_a_right_box_do_not_help() -> None:
    assert average_precision([[LEFT] * 50], [[LEFT]]) == pytest.approx(1 / 50)


def test_nothing_to_find_and_nothing_found() -> None:
    assert average_precision([[], [LEFT]], [[], []]) is None
    assert average_precision([[]], [[LEFT]]) == 0.0
    assert average_precision([[LEFT], [LEFT]], [[LEFT], []]) == pytest.approx(0.5)


def test_answers_and_scores_must_pair() -> None:
    with pytest.raises(ValueError, match="a score for each box"):
        average_precision([[LEFT]], [[LEFT]], [[0.5, 0.5]])
    with pytest.raises(ValueError, match="as many answers as references"):
        average_precision([[LEFT]], [])
