"""Many sums resampled at once: a section draws its clusters once, and each of its cells is a function of the sums."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from medvlm.evaluation.statistics import Difference, Floats, Interval, cluster_sums, draw_clusters, percentiles

RESAMPLES = 2000
_CELLS = 200_000
"""Cells of a block of counts: one that stays in the cache of a core is several times as fast as one that does not."""


def drawn_counts(clusters: int, resamples: int, seed: int) -> Iterator[Floats]:
    """How often each cluster was drawn in each resample, ``(block, clusters)`` at a time.

    Args:
        clusters: How many there are.
        resamples: Bootstrap resamples.
        seed: Seed of the resampling; the same clusters are drawn as in `medvlm.evaluation.statistics`.
    """
    rows = max(1, _CELLS // clusters)
    for drawn in draw_clusters(clusters, resamples, seed):
        for start in range(0, len(drawn), rows):
            index = drawn[start : start + rows]
            places = index + clusters * np.arange(len(index))[:, None]
            yield np.bincount(places.ravel(), minlength=index.size).reshape(index.shape).astype(np.float64)


def resampled_sums(
    columns: Floats, clusters: Sequence[Hashable], *, resamples: int = RESAMPLES, seed: int = 0
) -> Floats:
    """The sum of every column in each resample of the clusters, ``(resamples, columns)``.

    Args:
        columns: One row a sample, ``(samples, columns)``.
        clusters: The image or patient of each sample.
        resamples: Bootstrap resamples.
        seed: Seed of the resampling.
    """
    sums = cluster_sums(columns, clusters)
    return np.concatenate([counts @ sums for counts in drawn_counts(len(sums), resamples, seed)])


def ratio(above: NDArray[np.float64], below: NDArray[np.float64]) -> Floats:
    """Quotients, NaN where the divisor is 0.

    Args:
        above: Numerators.
        below: Denominators.
    """
    quotient: Floats = np.divide(above, below, out=np.full(np.broadcast(above, below).shape, np.nan), where=below > 0)
    return quotient


def interval_of(value: float, drawn: Floats, n: int, clusters: int, *, centred: bool = False) -> Interval | None:
    """The percentile interval of resampled values; those that are NaN are left out.

    Args:
        value: The estimate; None is returned where it is NaN.
        drawn: The same of each resample, ``(resamples,)``.
        n: Samples behind it.
        clusters: Clusters behind it.
        centred: Whether the resamples are first moved so that their mean is the estimate, and cut at 0. An absolute
            value (a calibration error, a distance) is larger in resamples than in the sample; their plain percentiles
            may lie wholly above the estimate.
    """
    if not np.isfinite(value):
        return None
    low, high = _ends(value, drawn, clusters, centred=centred)
    return Interval(float(value), low, high, n, clusters)


def difference_of(value: float, drawn: Floats, n: int, clusters: int) -> Difference | None:
    """A difference of two parts with its percentile interval and p-value, as `paired_difference` has them.

    Args:
        value: The estimate; None is returned where it is NaN.
        drawn: The same of each resample, ``(resamples,)``.
        n: Samples behind it.
        clusters: Clusters behind it.
    """
    if not np.isfinite(value):
        return None
    low, high = _ends(value, drawn, clusters, centred=False)
    kept = drawn[np.isfinite(drawn)]
    extreme = int((np.abs(kept - value) >= abs(value) - 1e-12).sum()) if clusters > 1 else len(kept)
    return Difference(float(value), low, high, (1 + extreme) / (1 + len(kept)), n, clusters)


def _ends(value: float, drawn: Floats, clusters: int, *, centred: bool) -> tuple[float, float]:
    kept = drawn[np.isfinite(drawn)]
    if not len(kept):
        return np.nan, np.nan
    if not centred:
        return percentiles(kept, 0.95, clusters)
    low, high = percentiles(kept - kept.mean() + value, 0.95, clusters)
    return max(low, 0.0) if low == low else low, high
