"""Geometry of the page's charts: where points, ticks and labels go in an SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

Point = tuple[float, float]

WIDTH, HEIGHT = 340.0, 176.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 12.0, 10.0, 24.0
MOST_POINTS = 300
SMOOTH_FROM = 24
MARK_WIDTH = 1.5
WHISKER_WIDTH = 260.0
_WHISKER_EDGE = 12.0


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis: where, and its words."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A line chart.

    Attributes:
        name: What is drawn.
        raw: SVG path of the points.
        smooth: SVG path of their moving mean; empty where there are too few points.
        x_ticks: Marks under the plot.
        y_ticks: Marks left of it.
        end: Where the line ends.
        first: First value, as text.
        last: Last value (of the moving mean), as text.
        marks: Where on the x axis something is wrong: start and width of each run of steps.
    """

    name: str
    raw: str
    smooth: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    end: Point
    first: str
    last: str
    marks: tuple[Point, ...] = ()


@dataclass(frozen=True, slots=True)
class Whisker:
    """A value with its interval on an axis."""

    at: float
    low: float
    high: float


def draw_chart(name: str, points: Sequence[Point], marks: Sequence[float] = ()) -> Chart | None:
    """Lay out a chart; None if no point is finite.

    Args:
        name: What is drawn.
        points: (step, value), in any order.
        marks: Steps to mark; those outside of the points are left out.
    """
    finite = sorted(point for point in points if all(map(math.isfinite, point)))
    if not finite:
        return None
    shown = thin(finite, MOST_POINTS)
    smooth = moving_mean(shown, max(2, len(shown) // 20)) if len(shown) >= SMOOTH_FROM else []
    x_ticks = ticks(shown[0][0], shown[-1][0], 4, whole=True)
    values = [y for _, y in shown]
    y_ticks = ticks(min(values), max(values), 4)
    x_range, y_range = _range([x for x, _ in shown], []), _range(values, y_ticks)
    place = [(_x(x, x_range), _y(y, y_range)) for x, y in shown]
    line = [(_x(x, x_range), _y(y, y_range)) for x, y in smooth]
    return Chart(
        name=name,
        raw=_path(place),
        smooth=_path(line),
        x_ticks=tuple(Tick(_x(value, x_range), short(value)) for value in x_ticks),
        y_ticks=tuple(Tick(_y(value, y_range), short(value)) for value in y_ticks),
        end=(line or place)[-1],
        first=short(values[0]),
        last=short((smooth or shown)[-1][1]),
        marks=_marks([step for step in marks if x_range[0] <= step <= x_range[1]], x_range),
    )


def whisker_span(values: Sequence[float]) -> Point:
    """The part of 0..1 that an axis shows: all values, out to whole tenths.

    Args:
        values: Every value and interval end.

    Examples:
        >>> whisker_span([0.43, 0.76])
        (0.4, 0.8)
    """
    known = [min(max(value, 0.0), 1.0) for value in values if math.isfinite(value)] or [0.0, 1.0]
    low, high = math.floor(min(known) * 10) / 10, math.ceil(max(known) * 10) / 10
    return (low, high) if high > low else (max(0.0, low - 0.1), min(1.0, high + 0.1))


def whisker_ticks(span: Point) -> tuple[Tick, ...]:
    """The marks of an axis.

    Args:
        span: What it shows.
    """
    inside = [number for number in ticks(*span, 4) if span[0] - 1e-9 <= number <= span[1] + 1e-9]
    return tuple(Tick(_on_whisker(number, span), f"{number:g}") for number in inside)


def draw_whisker(value: float, low: float, high: float, span: Point) -> Whisker:
    """Place a value and its interval on an axis.

    Args:
        value: The value.
        low: Lower end.
        high: Upper end.
        span: What the axis shows.

    Examples:
        >>> draw_whisker(0.5, 0.0, 1.0, (0.0, 1.0))
        Whisker(at=130.0, low=12.0, high=248.0)
    """
    return Whisker(*(_on_whisker(number, span) for number in (value, low, high)))


def thin(points: Sequence[Point], most: int) -> list[Point]:
    """At most so many points: each the mean of a run of neighbours.

    Args:
        points: Points in order.
        most: Most points.

    Examples:
        >>> thin([(0, 1), (1, 3), (2, 5)], 2)
        [(0.5, 2.0), (2.0, 5.0)]
    """
    if len(points) <= most:
        return list(points)
    size = math.ceil(len(points) / most)
    runs = [points[start : start + size] for start in range(0, len(points), size)]
    return [(sum(x for x, _ in run) / len(run), sum(y for _, y in run) / len(run)) for run in runs]


def moving_mean(points: Sequence[Point], width: int) -> list[Point]:
    """Each point with the mean of its neighbours, those that there are.

    Args:
        points: Points in order.
        width: Most neighbours on a side.

    Examples:
        >>> moving_mean([(0, 1), (1, 3), (2, 8)], 1)
        [(0, 2.0), (1, 4.0), (2, 5.5)]
    """
    values = [y for _, y in points]
    means = []
    for index, (x, _) in enumerate(points):
        window = values[max(0, index - width) : index + width + 1]
        means.append((x, sum(window) / len(window)))
    return means


def ticks(low: float, high: float, count: int, *, whole: bool = False) -> list[float]:
    """Round numbers that span a range.

    Args:
        low: Smallest value.
        high: Largest value.
        count: About how many steps.
        whole: Whether only whole numbers inside the range are wanted.

    Examples:
        >>> ticks(0.13, 0.58, 4)
        [0.0, 0.2, 0.4, 0.6]
        >>> ticks(0, 60, 4, whole=True)
        [0.0, 20.0, 40.0, 60.0]
    """
    if high <= low:
        low, high = (low, low) if whole else (low - 0.5, high + 0.5)
    rough = (high - low) / count or 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    step = max(1.0, round(step)) if whole else step
    first, last = (math.ceil(low / step), math.floor(high / step)) if whole else (low // step, math.ceil(high / step))
    return [round(float(index * step), 12) for index in range(int(first), int(last) + 1)]


def short(value: float) -> str:
    """A number in few characters.

    Examples:
        >>> short(0.123456), short(12000.0), short(0.00001)
        ('0.123', '12k', '1e-05')
    """
    return f"{value / 1000:.3g}k" if 10_000 <= abs(value) < 1e6 else f"{value:.3g}"


def _marks(steps: Sequence[float], span: Point) -> tuple[Point, ...]:
    """Start and width of each run of steps that follow each other; a single step is as wide as a line."""
    runs: list[list[float]] = []
    for step in sorted(steps):
        if runs and step - runs[-1][-1] <= 1:
            runs[-1].append(step)
        else:
            runs.append([step])
    places = [(_x(run[0], span), _x(run[-1], span)) for run in runs]
    return tuple((low, round(max(MARK_WIDTH, high - low), 1)) for low, high in places)


def _range(values: Sequence[float], marks: Sequence[float]) -> Point:
    low, high = min([*values, *marks]), max([*values, *marks])
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _x(value: float, span: Point) -> float:
    return round(LEFT + (value - span[0]) / (span[1] - span[0]) * (WIDTH - LEFT - RIGHT), 1)


def _y(value: float, span: Point) -> float:
    return round(HEIGHT - BOTTOM - (value - span[0]) / (span[1] - span[0]) * (HEIGHT - TOP - BOTTOM), 1)


def _path(points: Sequence[Point]) -> str:
    return "M" + " L".join(f"{x} {y}" for x, y in points) if points else ""


def _on_whisker(value: float, span: Point) -> float:
    share = min(max((value - span[0]) / (span[1] - span[0]), 0.0), 1.0)
    return round(_WHISKER_EDGE + share * (WHISKER_WIDTH - 2 * _WHISKER_EDGE), 1)
