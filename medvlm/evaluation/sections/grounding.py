"""Grounding: how boxes overlap and point, what COCO's precision makes of them, and how many could not be read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from medvlm.evaluation.box_precision import RECALLS, average_precision
from medvlm.evaluation.boxes import THRESHOLDS, BoxScores, box_scores, read_boxes
from medvlm.evaluation.metrics import Box
from medvlm.evaluation.protocols import Protocol
from medvlm.evaluation.records import Record
from medvlm.evaluation.sections.resampling import interval_of, ratio, resampled_sums
from medvlm.evaluation.sections.section import Cell, Section
from medvlm.evaluation.statistics import Floats, Interval

CLASSES = ("category", "finding", "class", "region")
"""Categories that name what a box is of; the first that every question has divides them into classes for mAP."""
MOST = 64
"""Classes beyond which there is one mAP over all boxes and none by class."""
_ABOUT = (
    "Boxes without +1. A question's IoU is the sum over boxes matched one to one (Hungarian) by the larger number of "
    "boxes; none where there is none to find is 1. An answer without a readable box is IoU 0 and a parse failure. "
    "Accuracy: every box has one of its own from that IoU on and none is left over. Pointing: the centre of a given "
    "box lies in a reference box. AP50 as COCO (101 points), boxes of one score being one step, so that order does not "
    "count."
)


def grounding(records: Sequence[Record], protocol: Protocol, seed: int) -> Section | None:
    """The section of box questions; None where there are none.

    Args:
        records: One for each question.
        protocol: Not used.
        seed: Seed of the intervals.
    """
    asked = [record for record in records if record.kind == "box"]
    if not asked:
        return None
    given = [read_boxes(record.value) if record.value is not None else None for record in asked]
    wanted = [read_boxes(record.reference) or [] for record in asked]
    scores = [box_scores(*pair) for pair in zip(given, wanted, strict=True)]
    columns = np.array([[*_row(one), float(boxes is None)] for one, boxes in zip(scores, given, strict=True)])
    rows = _mean_rows(columns, [record.cluster for record in asked], seed)
    found = [boxes or [] for boxes in given]
    rows += _precision_rows(asked, found, wanted, seed)
    return Section(
        "grounding", "Grounding (boxes)", _ABOUT, ("score", "value", "n"), tuple(rows), notes=tuple(_notes(wanted))
    )


def _row(one: BoxScores) -> list[float]:
    exact = [float(hits == one.given == one.wanted) for hits in one.hits]
    if not one.wanted:  # none given where there is none to find is right, an unreadable answer is not
        exact = [one.iou] * len(exact)
    return [one.iou, *exact, one.pointing]


def _mean_rows(columns: NDArray[np.float64], clusters: Sequence[str], seed: int) -> list[tuple[Cell, ...]]:
    accuracy = [f"accuracy, IoU >= {least:g}" for least in THRESHOLDS]
    names = ("mean IoU", *accuracy, "pointing game", "parse failures (share)")
    drawn = resampled_sums(np.column_stack([columns, np.ones(len(columns))]), clusters, seed=seed)
    n, found = len(columns), len(set(clusters))
    return [
        (name, interval_of(float(columns[:, at].mean()), drawn[:, at] / drawn[:, -1], n, found), n)
        for at, name in enumerate(names)
    ]


def _precision_rows(
    records: Sequence[Record], given: Sequence[list[Box]], wanted: Sequence[list[Box]], seed: int
) -> list[tuple[Cell, ...]]:
    """Precision and recall of boxes at IoU 0.5, and mAP50, all boxes equally sure and ranked by confidence."""
    name, classes = _classes(records)
    boxes = sum(map(len, wanted))
    if not boxes:
        return []
    about = f"mAP50, mean of {len(set(classes))} classes ({name})" if name else "AP50, one class"
    rows: list[tuple[Cell, ...]] = [
        (f"{about}, all boxes equally sure", _even(records, given, wanted, classes, seed), boxes)
    ]
    if all(record.confidence is not None for record in records):
        sure = [[record.confidence or 0.0] * len(some) for record, some in zip(records, given, strict=True)]
        found = []
        for one in sorted(set(classes)):
            at = [place for place, other in enumerate(classes) if other == one]
            pick = [given[place] for place in at], [wanted[place] for place in at]
            found.append(average_precision(*pick, [sure[place] for place in at]))
        known = [value for value in found if value is not None]
        rows.append((f"{about}, ranked by confidence", sum(known) / len(known), boxes))
    return rows


def _classes(records: Sequence[Record]) -> tuple[str, list[str]]:
    """The category that divides questions into classes, and the class of each; one class without a category."""
    for name in CLASSES:
        if all(name in record.categories for record in records):
            found = [record.categories[name] for record in records]
            if 1 < len(set(found)) <= MOST:
                return name, found
    return "", ["all"] * len(records)


def _even(
    records: Sequence[Record],
    given: Sequence[list[Box]],
    wanted: Sequence[list[Box]],
    classes: Sequence[str],
    seed: int,
) -> Interval | None:
    """mAP50 of boxes that are all equally sure: of each class it is a function of three sums."""
    names = sorted(set(classes))
    columns = np.zeros((len(records), 3 * len(names)))
    for row, (some, others, one) in enumerate(zip(given, wanted, classes, strict=True)):
        hits = box_scores(some, others).hits[THRESHOLDS.index(0.5)]
        columns[row, 3 * names.index(one) : 3 * names.index(one) + 3] = hits, len(some), len(others)
    clusters = [record.cluster for record in records]
    drawn = _mean_precision(resampled_sums(columns, clusters, seed=seed))
    value = float(_mean_precision(columns.sum(0, keepdims=True))[0])
    return interval_of(value, drawn, len(records), len(set(clusters)))


def _mean_precision(sums: Floats) -> Floats:
    """Mean over classes with a reference of ``precision * (points of recall up to the one reached) / 101``."""
    hits, said, meant = sums[:, 0::3], sums[:, 1::3], sums[:, 2::3]
    reached = np.searchsorted(RECALLS, np.nan_to_num(ratio(hits, meant)), side="right")
    each = np.where(hits > 0, ratio(hits, said) * reached / 101, np.where(meant > 0, 0.0, np.nan))
    known = np.isfinite(each)
    return ratio(np.where(known, each, 0.0).sum(1), known.sum(1).astype(np.float64))


def _notes(wanted: Sequence[list[Box]]) -> list[str]:
    several, none = sum(len(boxes) > 1 for boxes in wanted), sum(not boxes for boxes in wanted)
    notes = ["Generated boxes have no score of their own: mAP50 is given with all boxes equally sure"]
    if several or none:
        notes.append(f"{several} references hold several boxes, {none} none")
    return notes
