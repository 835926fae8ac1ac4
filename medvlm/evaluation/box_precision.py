"""Average precision of boxes as COCO counts it, made free of the order in which boxes and questions stand.

Generated boxes have no score of their own. COCO's tools then rank them by their place in the file, and the same answers
in another order give another number; here boxes of one score are one step of the curve.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np

from medvlm.evaluation.boxes import match_from
from medvlm.evaluation.metrics import Box

RECALLS = np.linspace(0, 1, 101)


def average_precision(
    given: Sequence[Sequence[Box]],
    wanted: Sequence[Sequence[Box]],
    scores: Sequence[Sequence[float]] | None = None,
    *,
    least: float = 0.5,
) -> float | None:
    """COCO's average precision (101 points of recall) of the boxes of many questions about one class.

    Boxes of equal score count as one step: the curve has a point after all of them, and within a question they are
    matched as well as can be. So the order of boxes and questions changes nothing. With scores that all differ it is
    what pycocotools gives; without scores (a language model gives none) all are equal, which leaves one point
    ``(recall, precision)``, where pycocotools depends on the order of the file.

    Args:
        given: Boxes of each answer, none where none could be read.
        wanted: Boxes of each reference.
        scores: How sure each given box is.
        least: IoU from which a box is right.

    Returns:
        None if no reference has a box.

    Raises:
        ValueError: If the numbers of questions or of scores differ.

    Examples:
        >>> left, right = (0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 1.0, 1.0)
        >>> average_precision([[left], [left]], [[left], [right]], [[0.9], [0.1]])
        0.504950495049505
    """
    if scores is None:
        scores = [[1.0] * len(boxes) for boxes in given]
    if len(given) != len(wanted) or [len(one) for one in given] != [len(one) for one in scores]:
        raise ValueError(
            f"boxes of {len(given)} answers, {len(wanted)} references, {sum(map(len, given))} boxes and "
            f"{sum(map(len, scores))} scores; expected as many answers as references and a score for each box"
        )
    total = sum(map(len, wanted))
    if not total:
        return None
    steps = [step for one in zip(given, wanted, scores, strict=True) for step in _steps(*one, least)]
    points, hits, said = [], 0, 0
    for _, group in groupby(sorted(steps, key=lambda step: -step[0]), key=lambda step: step[0]):
        for _, right, count in group:
            hits, said = hits + right, said + count
        points.append((hits / total, hits / said))
    return float(interpolated([recall for recall, _ in points], [precision for _, precision in points]))


def _steps(
    given: Sequence[Box], wanted: Sequence[Box], scores: Sequence[float], least: float
) -> list[tuple[float, int, int]]:
    """Of one question, for each score from the highest on: the score, boxes that are right, boxes."""
    order, free, steps = sorted(range(len(given)), key=lambda place: -scores[place]), list(range(len(wanted))), []
    for score, places in groupby(order, key=lambda place: scores[place]):
        boxes = [given[place] for place in places]
        taken = {free[column] for _, column in match_from(boxes, [wanted[place] for place in free], least)}
        free = [place for place in free if place not in taken]
        steps.append((score, len(taken), len(boxes)))
    return steps


def interpolated(recalls: Sequence[float], precisions: Sequence[float]) -> float:
    """Mean over recalls of 0, 0.01, ..., 1 of the best precision from that recall on (COCO's ``precision``).

    Args:
        recalls: Rising.
        precisions: At each.
    """
    best = np.maximum.accumulate(np.array([*precisions, 0.0])[::-1])[::-1]
    return float(best[np.searchsorted(np.array(recalls), RECALLS, side="left")].mean())
