"""Cluster bootstrap against scipy, by hand, and by what must not change it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats  # type: ignore[import-untyped]

from medvlm.evaluation.statistics import mean_interval, paired_difference, ratio_interval

RNG = np.random.default_rng(3)
HITS = (RNG.random(200) < 0.6).astype(float)
SINGLE = list(range(200))


def test_singleton_clusters_give_the_interval_of_scipy() -> None:
    ours = mean_interval(HITS, SINGLE, resamples=9999)
    theirs = stats.bootstrap((HITS,), np.mean, n_resamples=9999, method="percentile", rng=1).confidence_interval
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.006)
    assert ours.value == pytest.approx(HITS.mean())


def test_a_ratio_gives_the_interval_of_scipy() -> None:
    below = RNG.random(200) + 0.5
    theirs = stats.bootstrap(
        (HITS, below),
        lambda a, b, axis: a.sum(axis) / b.sum(axis),
        n_resamples=5000,
        paired=True,
        method="percentile",
        rng=1,
    ).confidence_interval
    ours = ratio_interval(HITS, below, SINGLE, resamples=5000)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.01)


def test_copies_within_a_cluster_change_nothing() -> None:
    once = mean_interval(HITS, SINGLE)
    tenfold = mean_interval(np.repeat(HITS, 10), np.repeat(SINGLE, 10).tolist())
    assert (tenfold.low, tenfold.high) == pytest.approx((once.low, once.high))
    assert (tenfold.n, tenfold.clusters) == (2000, 200)
    apart = mean_interval(np.repeat(HITS, 10), list(range(2000)))
    assert apart.high - apart.low < 0.5 * (once.high - once.low)


def test_names_and_scale_of_the_values_do_not_matter() -> None:
    named = mean_interval(HITS * 100, [f"patient {index}" for index in SINGLE])
    plain = mean_interval(HITS, SINGLE)
    assert (named.low, named.high) == pytest.approx((plain.low * 100, plain.high * 100))


def test_the_seed_decides() -> None:
    assert mean_interval(HITS, SINGLE, seed=1) == mean_interval(HITS, SINGLE, seed=1)
    assert mean_interval(HITS, SINGLE, seed=1) != mean_interval(HITS, SINGLE, seed=2)


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    covered = 0
    for seed in range(200):
        values = (np.random.default_rng(seed).random(80) < 0.5).astype(float)
        interval = mean_interval(values, list(range(80)), resamples=400, seed=seed)
        covered += interval.low <= 0.5 <= interval.high
    assert 178 <= covered <= 199


def test_one_cluster_has_no_interval() -> None:
    interval = mean_interval([1, 0, 1, 1], ["a"] * 4)
    assert interval.value == 0.75
    assert math.isnan(interval.low)
    assert math.isnan(interval.high)


def test_the_paired_difference_of_equal_systems_is_none() -> None:
    same = paired_difference(HITS, HITS, SINGLE)
    assert (same.value, same.low, same.high, same.p) == (0.0, 0.0, 0.0, 1.0)


def test_swapping_the_systems_changes_the_sign_only() -> None:
    other = (RNG.random(200) < 0.5).astype(float)
    there, back = paired_difference(HITS, other, SINGLE), paired_difference(other, HITS, SINGLE)
    assert there.value == -back.value
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))
    assert there.p == back.p


def test_p_is_never_zero_and_close_to_that_of_a_t_test() -> None:
    assert paired_difference(np.ones(50), np.zeros(50), list(range(50)), resamples=999).p == 0.001
    first, second = RNG.normal(0.2, 1, 200), RNG.normal(0, 1, 200)
    expected = stats.ttest_rel(first, second).pvalue
    assert paired_difference(first, second, SINGLE, resamples=5000).p == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize(
    ("values", "clusters", "message"),
    [
        ([], [], "non-empty"),
        ([1.0, math.nan], ["a", "b"], "finite"),
        ([[1.0]], ["a"], "shape"),
        ([1.0, 0.0], ["a"], "1 cluster names for 2 values"),
    ],
)
def test_bad_values_are_refused(values: list[float], clusters: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mean_interval(values, clusters)


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="resamples"):
        mean_interval([1.0], ["a"], resamples=0)
    with pytest.raises(ValueError, match="level"):
        mean_interval([1.0, 0.0], ["a", "b"], level=95)
    with pytest.raises(ValueError, match="denominators"):
        ratio_interval([1.0], [0.0], ["a"])
    with pytest.raises(ValueError, match="pairs"):
        paired_difference([1.0], [1.0, 0.0], ["a"])
