"""Tissue, farthest points and shares: against hand numbers and brute force."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from medvlm.datamodules.readers.tissue import farthest_points, grid_of, otsu, shares, tissue_mask


def test_stains_are_tissue_glass_ink_and_black_are_not() -> None:
    colors = {(245, 245, 245): False, (230, 150, 190): True, (110, 70, 150): True, (160, 110, 70): True,
              (40, 160, 90): False, (40, 80, 220): False, (5, 5, 5): False}  # fmt: skip
    picture = np.array([list(colors)], np.uint8)
    assert tissue_mask(picture)[0].tolist() == list(colors.values())


def test_a_slide_of_tissue_only_stays_tissue() -> None:
    picture = np.random.default_rng(0).normal((210, 130, 180), 12, (80, 80, 3)).clip(0, 255).astype(np.uint8)
    assert tissue_mask(picture).mean() > 0.99


def test_otsu_splits_two_heaps() -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(2, 0.3, 500), rng.normal(6, 0.3, 900)])
    assert otsu(values) == pytest.approx(4, abs=0.6)


def test_shares_equal_the_mean_of_each_box() -> None:
    mask = np.random.default_rng(1).random((40, 50)) > 0.6
    rows, columns = np.array([0.0, 7.0, 32.0]), np.array([3.0, 20.0, 40.0])
    wanted = [mask[int(y) : int(y) + 8, int(x) : int(x) + 10].mean() for y, x in zip(rows, columns, strict=True)]
    assert shares(mask, rows, columns, 8, 10) == pytest.approx(wanted)


def test_a_grid_covers_its_line() -> None:
    grid = grid_of(1000, 300)
    assert (grid[0], grid[-1] + 300) == (0, 1000)
    assert (np.diff(grid) <= 300).all()
    assert grid_of(50, 300).tolist() == [0]


def test_farthest_points_spread_better_than_half_of_the_best() -> None:
    points = np.random.default_rng(2).random((12, 2))

    def gap(chosen: tuple[int, ...]) -> float:
        return min(float(np.hypot(*(points[a] - points[b]))) for a, b in itertools.combinations(chosen, 2))

    best = max(gap(chosen) for chosen in itertools.combinations(range(12), 4))
    for seed in range(5):
        assert gap(tuple(farthest_points(points, np.ones(12), 4, seed))) >= best / 2  # Gonzalez 1985, theorem 2.2


def test_no_point_is_chosen_twice() -> None:
    points = np.zeros((5, 2))
    assert sorted(farthest_points(points, np.ones(5), 9)) == [0, 1, 2, 3, 4]
    assert farthest_points(np.zeros((0, 2)), np.ones(0), 3) == []
