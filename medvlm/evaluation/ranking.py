"""How well scores rank: AUROC of a finding, and where the own partner stands in a retrieval."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


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


def recall_at(similarity: ArrayLike, k: int) -> float:
    """Share of rows whose own column (the diagonal) is among the ``k`` most similar; a tie counts against it.

    Args:
        similarity: ``(N, N)``.
        k: How many are looked at.

    Raises:
        ValueError: If the matrix is not square, or ``k`` is not between 1 and its side.

    Examples:
        >>> recall_at([[0.9, 0.1], [0.8, 0.2]], 1)
        0.5
    """
    values = np.asarray(similarity, float)
    if values.ndim != 2 or values.shape[0] != values.shape[1] or not 1 <= k <= len(values):
        raise ValueError(f"k={k} of similarities of shape {values.shape}; expected a square, and k up to its side")
    own = np.diagonal(values)[:, None]
    better = (values >= own).sum(1) - 1
    return float((better < k).mean())
