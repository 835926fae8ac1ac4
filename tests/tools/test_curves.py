"""Curves of the benches: where points lie, and what has no place on an axis."""

from __future__ import annotations

import math
import re

import pytest

from tools.bench.curves import Axis, Point, draw_curves, legend


def test_equal_ratios_are_equally_far_apart_on_a_logarithmic_axis() -> None:
    axis = Axis(64, 1024, 0, 400, log=True)
    assert [axis.place(value) for value in (64, 128, 256, 1024)] == [0, 100, 200, 400]
    assert Axis(0, 1, 100, 0, log=False).place(0.25) == 75


def test_every_point_and_every_interval_is_drawn() -> None:
    curves = {"a": [Point(64, 0.5, 0.4, 0.6), Point(256, 0.7)], "b": [Point(64, 0.5, 0.45, 0.55)]}
    drawn = draw_curves(curves, x_label="tokens", y_label="accuracy", floor=("guess", 0.3))
    assert len(re.findall("<circle", drawn)) == 3
    assert len(re.findall('opacity="0.45"', drawn)) == 2
    assert "guess" in drawn
    across = [float(found) for found in re.findall('cx="([0-9.]+)"', drawn)]
    assert across[0] != across[2]  # curves at one x lie beside each other


@pytest.mark.parametrize(
    ("curves", "log_y"), [({}, False), ({"a": [Point(0, 1)]}, False), ({"a": [Point(1, 0)]}, True)]
)
def test_what_has_no_place_is_refused(curves: dict[str, list[Point]], log_y: bool) -> None:
    with pytest.raises(ValueError, match="all positive where an axis is logarithmic"):
        draw_curves(curves, x_label="x", y_label="y", log_y=log_y)


def test_a_single_value_and_a_name_with_signs_are_drawn() -> None:
    assert "nan" not in draw_curves({"a": [Point(5, 2.0, math.nan, math.nan)]}, x_label="<x>", y_label="y", log_y=True)
    assert "&lt;b&gt;" in legend(["<b>"])
