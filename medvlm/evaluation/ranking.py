"""How well scores rank: AUROC of a finding, and where the own partner stands in a retrieval."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medvlm.evaluation.statistics import Interval, draw_clusters, percentiles

Floats = NDArray[np.float64]


def auroc(scores: ArrayLike, labels: ArrayLike) -> float:
    """Probability that a positive scores higher than a negative, ties counting half (Mann-Whitney).

    Args:
        scores: One number a case.
        labels: Whether each case is positive.

    Raises:
        ValueError: If lengths differ, a score is not finite, or one of the two classes is absent.

    Examples:
        >>> auroc([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
        0.75
    """
    values, positive = np.asarray(scores, float), np.asarray(labels, bool)
    if values.shape != positive.shape or values.ndim != 1 or not np.isfinite(values).all():
        raise ValueError(f"scores of shape {values.shape}, labels {positive.shape}; expected finite pairs")
    hits, misses = int(positive.sum()), int((~positive).sum())
    if not hits or not misses:
        raise ValueError(f"{hits} positive and {misses} negative cases; AUROC needs both")
    negatives = np.sort(values[~positive])
    beaten = (negatives.searchsorted(values[positive], side) for side in ("left", "right"))
    return float(sum(counts.sum() for counts in beaten) / (2 * hits * misses))


def mean_auroc(
    scores: ArrayLike,
    labels: ArrayLike,
    clusters: Sequence[Hashable],
    *,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Interval:
    """Mean AUROC over findings, with the percentile interval of a cluster bootstrap.

    Args:
        scores: ``(findings, cases)``.
        labels: Whether each case is positive, of the same shape.
        clusters: The image or patient of each case.
        level: Confidence level.
        resamples: Bootstrap resamples; one in which a finding has cases of one class only is left out.
        seed: Seed of the resampling.

    Raises:
        ValueError: If shapes differ, a score is not finite, or a finding has cases of one class only.
    """
    values, positive = np.atleast_2d(np.asarray(scores, float)), np.atleast_2d(np.asarray(labels, bool))
    if values.shape != positive.shape or values.shape[1] != len(clusters):
        raise ValueError(f"scores {values.shape}, labels {positive.shape}, {len(clusters)} clusters; expected one each")
    value = float(np.mean([auroc(row, own) for row, own in zip(values, positive, strict=True)]))
    places = {cluster: place for place, cluster in enumerate(dict.fromkeys(clusters))}
    index, drawn = np.array([places[cluster] for cluster in clusters]), []
    for draws in draw_clusters(len(places), resamples, seed):
        counts = np.stack([np.bincount(draw, minlength=len(places)) for draw in draws]).astype(float)[:, index]
        drawn.append(np.mean([_resampled(row, own, counts) for row, own in zip(values, positive, strict=True)], axis=0))
    means = np.concatenate(drawn)
    low, high = percentiles(means[np.isfinite(means)], level, len(places))
    return Interval(value, low, high, values.shape[1], len(places), level)


def _resampled(scores: Floats, labels: NDArray[np.bool_], counts: Floats) -> Floats:
    """AUROC of each resample; cases count as often as they were drawn, NaN where a class is absent.

    Args:
        scores: ``(cases,)``.
        labels: ``(cases,)``.
        counts: ``(resamples, cases)``.
    """
    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(scores[order]) > 0])
    hits, misses = (np.add.reduceat((counts * own)[:, order], starts, axis=1) for own in (labels, ~labels))
    beaten = (hits * (misses.cumsum(1) - misses / 2)).sum(1)
    pairs = hits.sum(1) * misses.sum(1)
    found: Floats = np.divide(beaten, pairs, out=np.full(len(counts), np.nan), where=pairs > 0)
    return found


def found_at(similarity: ArrayLike, k: int) -> NDArray[np.bool_]:
    """Whether the own column of each row (the diagonal) is among the ``k`` most similar; a tie counts against it.

    Args:
        similarity: ``(N, N)``.
        k: How many are looked at.

    Raises:
        ValueError: If the matrix is not square, or ``k`` is not between 1 and its side.
    """
    values = np.asarray(similarity, float)
    if values.ndim != 2 or values.shape[0] != values.shape[1] or not 1 <= k <= len(values):
        raise ValueError(f"k={k} of similarities of shape {values.shape}; expected a square, and k up to its side")
    own = np.diagonal(values)[:, None]
    return np.asarray((values >= own).sum(1) - 1 < k)


def recall_at(similarity: ArrayLike, k: int) -> float:
    """Share of rows that `found_at` finds.

    Args:
        similarity: ``(N, N)``.
        k: How many are looked at.

    Raises:
        ValueError: See `found_at`.

    Examples:
        >>> recall_at([[0.9, 0.1], [0.8, 0.2]], 1)
        0.5
    """
    return float(found_at(similarity, k).mean())
