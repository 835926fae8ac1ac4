"""Geometry of a score's page: curves with named axes in an SVG, bars and intervals as shares of a row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from medvlm.evaluation.charts import Point, Tick, short, thin, ticks
from medvlm.evaluation.sections.section import Curve

WIDTH, HEIGHT = 340.0, 240.0
LEFT, RIGHT, TOP, BOTTOM = 52.0, 14.0, 12.0, 46.0
MOST_POINTS, MOST_DOTS = 300, 40


@dataclass(frozen=True, slots=True)
class Plot:
    """A curve on its axes, in units of the SVG's view box (``WIDTH`` by ``HEIGHT``).

    Attributes:
        name: What is drawn.
        x: Name of the horizontal axis.
        y: Name of the vertical axis.
        path: SVG path of the line.
        dots: Points to mark; none where there are many.
        diagonal: SVG path of the ideal; empty where there is none.
        x_ticks: Marks under the plot.
        y_ticks: Marks left of it.
        said: The curve in words, for those who cannot see it.
    """

    name: str
    x: str
    y: str
    path: str
    dots: tuple[Point, ...]
    diagonal: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    said: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A value with its interval on an axis, in percent of the axis.

    Attributes:
        at: The value.
        low: Lower end.
        width: From the lower to the upper end.
    """

    at: float
    low: float
    width: float


def draw_bar(value: float, low: float, high: float, span: Point = (0.0, 1.0)) -> Bar | None:
    """Place a value and its interval on an axis; None if the value lies outside of it.

    Args:
        value: The value.
        low: Lower end; NaN if there is none.
        high: Upper end.
        span: Where the axis starts and ends.

    Examples:
        >>> draw_bar(0.5, 0.25, 0.75), draw_bar(1.5, 1.0, 2.0)
        (Bar(at=50.0, low=25.0, width=50.0), None)
    """
    if not span[0] <= value <= span[1]:
        return None
    known = math.isfinite(low) and math.isfinite(high)
    at, start, end = (_percent(number, span) for number in (value, *((low, high) if known else (value, value))))
    return Bar(at, start, round(end - start, 2))


def draw_curve(curve: Curve) -> Plot | None:
    """Lay out a curve; None if no point is finite.

    Args:
        curve: What to draw. One with a diagonal is shown on axes from 0 to 1.
    """
    points = [(float(x), float(y)) for x, y in curve.points if math.isfinite(x) and math.isfinite(y)]
    if not points:
        return None
    shown = thin(points, MOST_POINTS)
    x_marks, y_marks = (_marks([point[side] for point in shown], unit=curve.diagonal) for side in (0, 1))
    x_span, y_span = (x_marks[0], x_marks[-1]), (y_marks[0], y_marks[-1])
    place = [(_x(x, x_span), _y(y, y_span)) for x, y in shown]
    (first_x, first_y), (last_x, last_y) = shown[0], shown[-1]
    return Plot(
        name=curve.name,
        x=curve.x,
        y=curve.y,
        path="M" + " L".join(f"{x} {y}" for x, y in place),
        dots=tuple(place) if len(place) <= MOST_DOTS else (place[-1],),
        diagonal=f"M{_x(0, x_span)} {_y(0, y_span)} L{_x(1, x_span)} {_y(1, y_span)}" if curve.diagonal else "",
        x_ticks=tuple(Tick(_x(value, x_span), short(value)) for value in x_marks),
        y_ticks=tuple(Tick(_y(value, y_span), short(value)) for value in y_marks),
        said=f"{curve.name}: {curve.y} {short(first_y)} at {curve.x} {short(first_x)}, "
        f"{short(last_y)} at {short(last_x)}",
    )


def _marks(values: Sequence[float], *, unit: bool) -> list[float]:
    """Round numbers that hold all values; 0 to 1 where the values are shares and the ideal is drawn."""
    low, high = min(values), max(values)
    if unit and low >= 0 and high <= 1:
        return [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    if low == high and 0 <= low <= 1:
        return [0.0, 0.5, 1.0]
    marks = ticks(low, high, 4)
    return marks if marks[-1] > marks[0] else [low - 0.5, low + 0.5]


def _percent(value: float, span: Point) -> float:
    """Where a value lies on an axis, its ends being the nearest."""
    return round(100 * min(max((value - span[0]) / (span[1] - span[0]), 0.0), 1.0), 2)


def _x(value: float, span: Point) -> float:
    return round(LEFT + (value - span[0]) / (span[1] - span[0]) * (WIDTH - LEFT - RIGHT), 1)


def _y(value: float, span: Point) -> float:
    return round(HEIGHT - BOTTOM - (value - span[0]) / (span[1] - span[0]) * (HEIGHT - TOP - BOTTOM), 1)
