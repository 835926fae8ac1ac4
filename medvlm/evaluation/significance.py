"""Is one run better than another: McNemar's exact test, Holm over many, and what difference could have been seen."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from medvlm.evaluation.statistics import cluster_sums


def mcnemar_exact(only_first: int, only_second: int) -> float:
    """Two-sided exact McNemar test: the binomial test of the pairs in which one side alone is right (McNemar 1947).

    Clusters do not enter: questions count as independent.

    Args:
        only_first: Questions that the first alone has right.
        only_second: Questions that the second alone has right.

    Raises:
        ValueError: If a count is negative.

    Examples:
        >>> mcnemar_exact(0, 5), mcnemar_exact(3, 3)
        (0.0625, 1.0)
    """
    if min(only_first, only_second) < 0:
        raise ValueError(f"counts {only_first} and {only_second}; expected none below 0")
    pairs = only_first + only_second
    tail, term = 0, 1
    for count in range(min(only_first, only_second) + 1):
        tail += term
        term = term * (pairs - count) // (count + 1)
    return min(1.0, 2 * tail / (1 << pairs))


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for their number, in the order given (Holm 1979).

    Args:
        p_values: One a comparison.

    Raises:
        ValueError: If one is not between 0 and 1.

    Examples:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    if wrong := [p for p in p_values if not 0 <= p <= 1]:
        raise ValueError(f"p-values {wrong}; expected numbers between 0 and 1")
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda place: p_values[place])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted


def detectable_difference(
    gains: ArrayLike, clusters: Sequence[Hashable], *, level: float = 0.95, power: float = 0.8
) -> float:
    """The smallest true mean difference that a test of this size would find with the given power.

    ``(z(1 - alpha/2) + z(power))`` standard errors of the mean gain, the errors by cluster as in a linear model
    (Liang and Zeger 1986, with the factor C / (C - 1)); NaN with fewer than two clusters or without any spread.

    Args:
        gains: First minus second, one a sample.
        clusters: The image or patient of each sample.
        level: One minus alpha.
        power: Chance to find it.

    Raises:
        ValueError: If there are no gains, or the clusters do not match them.

    Examples:
        >>> round(detectable_difference([1, 0, 0, -1], ["a", "b", "c", "d"]), 3)
        1.144
    """
    data = np.asarray(gains, dtype=np.float64)
    if data.ndim != 1 or not data.size:
        raise ValueError(f"expected a non-empty list of numbers, got shape {data.shape}")
    sums = cluster_sums((data - data.mean())[:, None], clusters)[:, 0]
    if len(sums) < 2 or not sums.any():
        return math.nan
    error = math.sqrt(len(sums) / (len(sums) - 1) * float((sums**2).sum())) / len(data)
    normal = NormalDist()
    return (normal.inv_cdf((1 + level) / 2) + normal.inv_cdf(power)) * error
