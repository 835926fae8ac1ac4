"""Selective accuracy: how right the surest answers are when the others are left to a reader."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medvlm.evaluation.protocols import Protocol
from medvlm.evaluation.records import Record
from medvlm.evaluation.sections.confidence import Population, populations
from medvlm.evaluation.sections.resampling import RESAMPLES, drawn_counts, interval_of
from medvlm.evaluation.sections.section import Cell, Curve, Section
from medvlm.evaluation.statistics import Floats

COVERAGES = (1.0, 0.9, 0.8, 0.7, 0.5)
_POINTS = 100
_CELLS = 200_000
_ABOUT = (
    "The least sure answers are left to a reader, unread ones first. AURC is the mean share of wrong answers over all "
    "coverages (Geifman and El-Yaniv 2017), its part above the best order what a better confidence could gain. Ties "
    "count as the mean over their orders."
)


def selective(records: Sequence[Record], protocol: Protocol, seed: int) -> Section | None:
    """Accuracy at some coverages and the area under the risk-coverage curve, with the curve.

    Args:
        records: Of one run.
        protocol: How they are scored.
        seed: Seed of the intervals.
    """
    found = [part for part in populations(records) if len(set(part.confidence[np.isfinite(part.confidence)])) > 1]
    if not found:
        return None
    names = [f"accuracy of the surest {coverage:.0%}" for coverage in COVERAGES]
    names[0] = "accuracy of all"
    names += ["AURC", "AURC above the best order"]
    cells = [_cells(part, seed) for part in found]
    return Section(
        "selective",
        "Selective accuracy",
        _ABOUT,
        ("by", *(part.name for part in found)),
        tuple((name, *values) for name, *values in zip(names, *cells, strict=True)),
        tuple(_curve(part) for part in found),
    )


def risks(right: Floats, counts: Floats, coverages: Sequence[float] = COVERAGES) -> Floats:
    """Accuracy at each coverage, AURC, and AURC less that of the best order, of each row of counts.

    At coverage c the ``ceil(c N)`` surest of N answers are kept, at least one. Answers of one confidence are in random
    order: what is given is the mean over all their orders.

    Args:
        right: Right answers of each confidence in each row, the highest first, ``(rows, confidences)``.
        counts: Answers of each confidence in each row, ``(rows, confidences)``; whole numbers.
        coverages: Shares of the answers that are kept.

    Returns:
        ``(rows, coverages + 2)``.

    Examples:
        >>> risks(np.array([[1.0, 0.0, 1.0, 0.0]]), np.ones((1, 4)), (0.5,)).round(4).tolist()
        [[0.5, 0.3333, 0.125]]
    """
    ends, hits = counts.cumsum(axis=1), right.cumsum(axis=1)
    total, rows = ends[:, -1], np.arange(len(counts))
    flat = (ends + rows[:, None] * (total.max() + 1)).ravel()
    found = []
    for coverage in coverages:
        kept = np.maximum(np.ceil(coverage * total - 1e-9), 1)
        place = np.searchsorted(flat, kept + rows * (total.max() + 1)) - rows * counts.shape[1]
        share = right[rows, place] / counts[rows, place]
        found.append((hits[rows, place] - (ends[rows, place] - kept) * share) / kept)
    return np.column_stack([*found, *_areas(right, counts, ends, hits)])


def _areas(right: Floats, counts: Floats, ends: Floats, hits: Floats) -> tuple[Floats, Floats]:
    """AURC and its excess; sums of 1 / k within a run of ties are differences of harmonic numbers."""
    total = ends[:, -1]
    harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, int(total.max()) + 1))])
    share = np.divide(counts - right, counts, out=np.zeros_like(counts), where=counts > 0)
    before = ends - counts
    wrong = before - hits + right
    at = harmonic[ends.astype(np.intp)]
    steps = np.diff(at, axis=1, prepend=0.0)
    area = ((counts - right) + (wrong - before * share) * steps).sum(axis=1) / total
    good = hits[:, -1]
    oracle = (total - good - good * (at[:, -1] - harmonic[good.astype(np.intp)])) / total
    return area, area - oracle


def _cells(part: Population, seed: int) -> list[Cell]:
    """The estimates with their intervals: records count as often as their cluster was drawn."""
    names = [record.cluster for record in part.records]
    number = {name: place for place, name in enumerate(dict.fromkeys(names))}
    order, starts = _ranked(part)
    cluster, right = np.array([number[name] for name in names])[order], part.right[order]
    value = risks(*_grouped(right[None], np.ones((1, len(right))), starts))[0]
    block, drawn = max(1, _CELLS // len(order)), []
    for counts in drawn_counts(len(number), RESAMPLES, seed):
        for first in range(0, len(counts), block):
            weights = counts[first : first + block, cluster]
            drawn.append(risks(*_grouped(weights * right, weights, starts)))
    columns = np.concatenate(drawn)
    return [interval_of(float(one), columns[:, k], len(names), len(number)) for k, one in enumerate(value)]


def _ranked(part: Population) -> tuple[np.ndarray[tuple[int], np.dtype[np.intp]], list[int]]:
    """The records from the surest to the least sure, and where each run of equal confidences starts."""
    sure = np.where(np.isfinite(part.confidence), part.confidence, -1.0)
    order = np.argsort(-sure, kind="stable")
    return order, [0, *(np.flatnonzero(np.diff(sure[order])) + 1).tolist()]


def _grouped(right: Floats, counts: Floats, starts: list[int]) -> tuple[Floats, Floats]:
    """Sums over each run of equal confidences."""
    if len(starts) == right.shape[1]:
        return right, counts
    return np.add.reduceat(right, starts, axis=1), np.add.reduceat(counts, starts, axis=1)


def _curve(part: Population) -> Curve:
    """Accuracy by coverage, at most so many points."""
    order, starts = _ranked(part)
    kept = sorted({int(np.ceil(share * len(order))) for share in np.linspace(0, 1, _POINTS + 1)[1:]})
    shares = [number / len(order) for number in kept]
    right, counts = _grouped(part.right[order][None], np.ones((1, len(order))), starts)
    points = risks(right, counts, shares)[0][: len(shares)]
    return Curve(part.name, "coverage", "accuracy", tuple(zip(shares, points.tolist(), strict=True)))
