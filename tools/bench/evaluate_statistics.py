"""Cluster bootstrap of many answers: medvlm's intervals beside ``scipy.stats.bootstrap`` on the same work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy.stats import bootstrap  # type: ignore[import-untyped]

from medvlm.evaluation.statistics import Floats, cluster_sums, mean_interval, paired_difference
from tools.bench.machine import Clock, Spent, medians

LIMIT = 5.0
"""CPU seconds that an interval of 10,000 resamples of 10,000 answers may take."""


@dataclass(frozen=True, slots=True)
class Answers:
    """Right or wrong of two runs on the same questions, and whose they are."""

    first: Floats
    second: Floats
    clusters: list[str]


def draw_answers(answers: int, clusters: int) -> Answers:
    """Answers of two runs, about 60 and 55 % right.

    Args:
        answers: Questions.
        clusters: Patients or images.
    """
    draw = np.random.default_rng(0)
    names = [f"patient {number}" for number in draw.integers(0, clusters, answers)]
    return Answers((draw.random(answers) < 0.6).astype(float), (draw.random(answers) < 0.55).astype(float), names)


def scipy_interval(values: Floats, clusters: list[str], resamples: int) -> tuple[float, float]:
    """The same percentile interval by scipy: sums and counts of a cluster are drawn together.

    Args:
        values: One a question.
        clusters: Whose it is.
        resamples: Drawn.
    """
    sums = cluster_sums(np.stack([values, np.ones_like(values)], axis=1), clusters)

    def ratio(above: Floats, below: Floats, axis: int = -1) -> Floats:
        found: Floats = above.sum(axis=axis) / below.sum(axis=axis)
        return found

    done = bootstrap(
        (sums[:, 0], sums[:, 1]),
        ratio,
        paired=True,
        vectorized=True,
        n_resamples=resamples,
        batch=max(1, 4_000_000 // len(sums)),
        method="percentile",
        rng=np.random.default_rng(0),
    )
    return float(done.confidence_interval.low), float(done.confidence_interval.high)


def measure(answers: int, clusters: int, resamples: int, rounds: int) -> dict[str, Any]:
    """CPU seconds of a mean and of a paired difference on both sides, in turn, and how far their ends are apart.

    Args:
        answers: Questions.
        clusters: Patients or images.
        resamples: Drawn.
        rounds: Timed ones.
    """
    data = draw_answers(answers, clusters)
    gain = data.first - data.second
    work: dict[str, tuple[Callable[[], Any], Callable[[], tuple[float, float]]]] = {
        "mean": (
            partial(mean_interval, data.first, data.clusters, resamples=resamples),
            partial(scipy_interval, data.first, data.clusters, resamples),
        ),
        "difference": (
            partial(paired_difference, data.first, data.second, data.clusters, resamples=resamples),
            partial(scipy_interval, gain, data.clusters, resamples),
        ),
    }
    found: dict[str, Any] = {}
    for name, (ours, theirs) in work.items():
        spent: dict[str, list[Spent]] = {"ours": [], "scipy": []}
        for _ in range(rounds):
            clock = Clock()
            mine = ours()
            spent["ours"].append(clock.stop())
            clock = Clock()
            ends = theirs()
            spent["scipy"].append(clock.stop())
        sides = {side: medians(times) for side, times in spent.items()}
        apart = max(abs(mine.low - ends[0]), abs(mine.high - ends[1]))
        found[name] = {**sides, "ratio_cpu": sides["scipy"]["cpu_s"] / sides["ours"]["cpu_s"], "ends_apart": apart}
    return found | {"answers": answers, "clusters": clusters, "resamples": resamples}
