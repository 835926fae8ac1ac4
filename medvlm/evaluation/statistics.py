"""Intervals and paired tests that resample whole clusters: the questions of one image or patient stay together."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

_CELLS = 4_000_000


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean or ratio with its bootstrap percentile interval.

    Attributes:
        value: The estimate.
        low: Lower end; NaN with fewer than two clusters, from which no interval can be had.
        high: Upper end; NaN likewise.
        n: Samples.
        clusters: Images or patients that were resampled.
        level: Confidence level.
    """

    value: float
    low: float
    high: float
    n: int
    clusters: int
    level: float = 0.95


@dataclass(frozen=True, slots=True)
class Difference:
    """The difference of two paired means, its interval, and a two-sided p-value.

    Attributes:
        value: Mean of the first minus mean of the second.
        low: Lower end of the percentile interval.
        high: Upper end.
        p: ``(1 + c) / (1 + resamples)``, where c resamples lie at least as far from the estimate as 0 does; 1 with
            fewer than two clusters, which say nothing.
        n: Sample pairs.
        clusters: Images or patients that were resampled.
    """

    value: float
    low: float
    high: float
    p: float
    n: int
    clusters: int


def mean_interval(
    values: ArrayLike, clusters: Sequence[Hashable], *, level: float = 0.95, resamples: int = 2000, seed: int = 0
) -> Interval:
    """The mean with the percentile interval of a cluster bootstrap.

    Args:
        values: One number a sample.
        clusters: The image or patient of each sample.
        level: Confidence level.
        resamples: Bootstrap resamples.
        seed: Seed of the resampling.

    Raises:
        ValueError: If there are no values, one is not finite, or the clusters do not match them.

    Examples:
        >>> mean_interval([1, 0, 1, 1], ["a", "a", "b", "c"]).value
        0.75
    """
    data = _vector(values)
    return ratio_interval(data, np.ones_like(data), clusters, level=level, resamples=resamples, seed=seed)


def ratio_interval(
    numerators: ArrayLike,
    denominators: ArrayLike,
    clusters: Sequence[Hashable],
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """The ratio of two sums (a mean, a micro F1) with the percentile interval of a cluster bootstrap.

    Args:
        numerators: One number a sample.
        denominators: One number a sample; their sum must be positive. A resample whose sum is 0 is left out.
        clusters: The image or patient of each sample.
        level: Confidence level.
        resamples: Bootstrap resamples.
        seed: Seed of the resampling.

    Raises:
        ValueError: If there are no values, one is not finite, the lengths differ, or the denominators sum to 0.

    Examples:
        >>> ratio_interval([2, 2], [2, 4], ["a", "b"]).value
        0.6666666666666666
    """
    above, below = _vector(numerators), _vector(denominators)
    sums = cluster_sums(np.stack([above, below], axis=1), clusters)
    if not below.sum() > 0:
        raise ValueError(f"the denominators sum to {below.sum()}; expected more than 0")
    drawn = drawn_sums(sums, resamples, seed)
    drawn = drawn[drawn[:, 1] > 0]
    low, high = percentiles(drawn[:, 0] / drawn[:, 1], level, len(sums))
    return Interval(float(above.sum() / below.sum()), low, high, len(above), len(sums), level)


def sums_interval(
    columns: ArrayLike,
    function: Callable[[Floats], Floats],
    clusters: Sequence[Hashable],
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Any function of sums over samples (a macro F1 of its counts) with its cluster bootstrap interval.

    Args:
        columns: One row a sample, ``(samples, columns)``.
        function: From sums, ``(resamples, columns)``, to one finite number each, ``(resamples,)``.
        clusters: The image or patient of each sample.
        level: Confidence level.
        resamples: Bootstrap resamples.
        seed: Seed of the resampling.

    Raises:
        ValueError: If there are no samples, a number is not finite, or the lengths differ.

    Examples:
        >>> sums_interval([[1, 2], [2, 2]], lambda sums: sums[:, 0] / sums[:, 1], ["a", "b"]).value
        0.75
    """
    rows = np.asarray(columns, dtype=np.float64)
    if rows.ndim != 2 or not rows.size or not np.isfinite(rows).all():
        raise ValueError(f"expected rows of finite numbers, got shape {rows.shape}; drop or repair the others")
    sums = cluster_sums(rows, clusters)
    drawn = np.concatenate([function(sums[index].sum(axis=1)) for index in draw_clusters(len(sums), resamples, seed)])
    low, high = percentiles(drawn, level, len(sums))
    return Interval(float(function(sums.sum(axis=0, keepdims=True))[0]), low, high, len(rows), len(sums), level)


def paired_difference(
    first: ArrayLike,
    second: ArrayLike,
    clusters: Sequence[Hashable],
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Difference:
    """Mean of the first minus mean of the second on the same samples, by a paired cluster bootstrap.

    Args:
        first: One number a sample.
        second: One number for each of the same samples.
        clusters: The image or patient of each sample.
        level: Confidence level.
        resamples: Bootstrap resamples.
        seed: Seed of the resampling.

    Raises:
        ValueError: If there are no values, one is not finite, or the lengths differ.

    Examples:
        >>> paired_difference([1, 1, 1], [0, 0, 0], ["a", "b", "c"], resamples=999).p
        0.001
    """
    gain = _vector(first)
    other = _vector(second)
    if len(gain) != len(other):
        raise ValueError(f"{len(gain)} values of the first and {len(other)} of the second; expected pairs")
    gain = gain - other
    sums = cluster_sums(np.stack([gain, np.ones_like(gain)], axis=1), clusters)
    drawn = drawn_sums(sums, resamples, seed)
    means, value = drawn[:, 0] / drawn[:, 1], float(gain.mean())
    extreme = int((np.abs(means - value) >= abs(value) - 1e-12).sum()) if len(sums) > 1 else resamples
    low, high = percentiles(means, level, len(sums))
    return Difference(value, low, high, (1 + extreme) / (1 + resamples), len(gain), len(sums))


def _vector(values: ArrayLike) -> Floats:
    data = np.asarray(values, dtype=np.float64)
    if data.ndim != 1 or not data.size or not np.isfinite(data).all():
        raise ValueError(
            f"expected a non-empty list of finite numbers, got shape {data.shape}; drop or repair the others"
        )
    return data


def cluster_sums(columns: Floats, clusters: Sequence[Hashable]) -> Floats:
    """Sum of each column over each cluster, clusters in order of first appearance: ``(clusters, columns)``.

    Args:
        columns: One row a sample, ``(samples, columns)``.
        clusters: The image or patient of each sample.

    Raises:
        ValueError: If the clusters do not match the rows.
    """
    if len(clusters) != len(columns):
        raise ValueError(f"{len(clusters)} cluster names for {len(columns)} values; expected one each")
    place: dict[Hashable, int] = {}
    index = [place.setdefault(cluster, len(place)) for cluster in clusters]
    sums = np.zeros((len(place), columns.shape[1]))
    np.add.at(sums, index, columns)
    return sums


def draw_clusters(clusters: int, resamples: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Cluster indices of each resample, ``(chunk, clusters)`` at a time so that memory stays bounded.

    Raises:
        ValueError: If there is no resample to draw.
    """
    if resamples < 1:
        raise ValueError(f"{resamples} resamples; expected at least 1")
    generator, chunk = np.random.default_rng(seed), max(1, _CELLS // clusters)
    for start in range(0, resamples, chunk):
        yield generator.integers(0, clusters, (min(chunk, resamples - start), clusters))


def drawn_sums(sums: Floats, resamples: int, seed: int) -> Floats:
    """Sums over the clusters of each resample, ``(resamples, columns)``.

    Whole numbers are summed column by column, four times as fast; in any order the sum is the same.

    Args:
        sums: Of each cluster, ``(clusters, columns)``.
        resamples: Drawn.
        seed: Of the draws.
    """
    indices = draw_clusters(len(sums), resamples, seed)
    if not np.array_equal(sums, np.rint(sums)):
        return np.concatenate([sums[index].sum(axis=1) for index in indices])
    columns = [np.ascontiguousarray(column) for column in sums.T]
    return np.concatenate([np.stack([column[index].sum(axis=1) for column in columns], axis=1) for index in indices])


def percentiles(drawn: Floats, level: float, clusters: int) -> tuple[float, float]:
    """Both ends of the percentile interval of resampled values; NaN with fewer than two clusters.

    Raises:
        ValueError: If the level is not between 0 and 1.
    """
    if not 0 < level < 1:
        raise ValueError(f"confidence level {level}; expected a number between 0 and 1, such as 0.95")
    if clusters < 2:
        return math.nan, math.nan
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
