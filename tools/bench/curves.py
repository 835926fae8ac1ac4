"""Several curves in one SVG chart: logarithmic axes, intervals as bars, each curve named where the legend stands."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 520.0, 320.0
LEFT, RIGHT, TOP, BOTTOM = 56.0, 16.0, 14.0, 44.0
BESIDE = 4.0  # pixels between curves at the same x, so that one interval does not hide another
COLOURS = ("#14181f", "#2563c9", "#d9730d", "#1d7f4c", "#b3372f", "#7b4fc9", "#0f8b8d", "#8a6d3b")


@dataclass(frozen=True, slots=True)
class Point:
    """A measured value; ``low`` and ``high`` are the ends of its interval, NaN without one."""

    x: float
    y: float
    low: float = math.nan
    high: float = math.nan


@dataclass(frozen=True, slots=True)
class Axis:
    """From where to where an axis reaches, on which pixels, and whether equal ratios are equally long."""

    first: float
    last: float
    start: float
    end: float
    log: bool

    def place(self, value: float) -> float:
        """Pixels of a value.

        Examples:
            >>> Axis(10, 1000, 0, 200, log=True).place(100)
            100.0
        """
        low, high, at = (math.log(number) if self.log else number for number in (self.first, self.last, value))
        return round(self.start + (at - low) / ((high - low) or 1.0) * (self.end - self.start), 1)


def draw_curves(
    curves: Mapping[str, Sequence[Point]],
    *,
    x_label: str,
    y_label: str,
    log_y: bool = False,
    floor: tuple[str, float] | None = None,
) -> str:
    """An SVG with one curve a name over a logarithmic x axis.

    Args:
        curves: Points by name; x must be positive, and y too where ``log_y``.
        x_label: Words under the x axis.
        y_label: Words at the top of the y axis.
        log_y: Whether equal ratios of y are equally high.
        floor: Words and value of a dashed line across.

    Raises:
        ValueError: If there is no point, or one has no place on a logarithmic axis.
    """
    points = [point for found in curves.values() for point in found]
    if not points or min(point.x for point in points) <= 0 or (log_y and min(point.y for point in points) <= 0):
        raise ValueError(f"got {len(points)} points; expected some, all positive where an axis is logarithmic")
    x = _axis([point.x for point in points], LEFT + 12, WIDTH - RIGHT - 12, log=True)
    values = [value for point in points for value in (point.y, point.low, point.high) if math.isfinite(value)]
    y = _axis([*values, *([floor[1]] if floor else [])], HEIGHT - BOTTOM, TOP + 14, log=log_y)
    parts = [_grid(y), _marks(x, sorted({point.x for point in points})), _words(x_label, y_label)]
    parts += [_floor(y, *floor)] if floor else []
    apart = [BESIDE * (index - (len(curves) - 1) / 2) for index in range(len(curves))]
    parts += [
        _curve(x, y, found, colour, beside)
        for found, colour, beside in zip(curves.values(), _colours(len(curves)), apart, strict=True)
    ]
    return f'<svg viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img">{"".join(parts)}</svg>'


def legend(names: Sequence[str]) -> str:
    """HTML that names the curves by their colours, in the order in which they are drawn."""
    colours = _colours(len(names))
    items = (
        f'<span><i style="background:{colour}"></i>{escape(name)}</span>'
        for colour, name in zip(colours, names, strict=True)
    )
    return f'<p class="legend">{"".join(items)}</p>'


def _colours(count: int) -> list[str]:
    return [COLOURS[index % len(COLOURS)] for index in range(count)]


def _axis(values: Sequence[float], start: float, end: float, *, log: bool) -> Axis:
    low, high = min(values), max(values)
    if log:
        return Axis(low, high, start, end, log=True) if high > low else Axis(low / 2, high * 2, start, end, log=True)
    step = _step(high - low)
    return Axis(math.floor(low / step) * step, math.ceil(high / step) * step, start, end, log=False)


def _step(span: float) -> float:
    """A round distance of about a fifth of the span."""
    power = 10.0 ** math.floor(math.log10(span / 5 or 0.1))
    return next((power * factor for factor in (1, 2, 5) if power * factor >= span / 5), power * 10)


def _levels(axis: Axis) -> list[float]:
    if axis.log:
        tens = range(math.floor(math.log10(axis.first)), math.ceil(math.log10(axis.last)) + 1)
        found = [10.0**ten * factor for ten in tens for factor in (1, 2, 5)]
        return [level for level in found if axis.first * 0.999 <= level <= axis.last * 1.001]
    step = _step(axis.last - axis.first)
    return [axis.first + index * step for index in range(round((axis.last - axis.first) / step) + 1)]


def _grid(axis: Axis) -> str:
    lines = []
    for level in _levels(axis):
        at = axis.place(level)
        lines.append(f'<line class="grid" x1="{LEFT:g}" x2="{WIDTH - RIGHT:g}" y1="{at}" y2="{at}"/>')
        lines.append(f'<text x="{LEFT - 8:g}" y="{at + 4}" text-anchor="end">{level:.4g}</text>')
    return "".join(lines)


def _marks(axis: Axis, values: Sequence[float]) -> str:
    bottom = HEIGHT - BOTTOM + 18
    return "".join(
        f'<text x="{axis.place(value)}" y="{bottom:g}" text-anchor="middle">{value:g}</text>' for value in values
    )


def _words(x_label: str, y_label: str) -> str:
    middle = (LEFT + WIDTH - RIGHT) / 2
    return (
        f'<text class="name" x="{middle:g}" y="{HEIGHT - 6:g}" text-anchor="middle">{escape(x_label)}</text>'
        f'<text class="name" x="{LEFT - 44:g}" y="{TOP:g}">{escape(y_label)}</text>'
    )


def _floor(axis: Axis, words: str, value: float) -> str:
    at = axis.place(value)
    return (
        f'<line class="floor" x1="{LEFT:g}" x2="{WIDTH - RIGHT:g}" y1="{at}" y2="{at}"/>'
        f'<text x="{WIDTH - RIGHT:g}" y="{at - 5}" text-anchor="end">{escape(words)}</text>'
    )


def _curve(x: Axis, y: Axis, points: Sequence[Point], colour: str, beside: float) -> str:
    ordered = sorted(points, key=lambda point: point.x)
    places = [(round(x.place(point.x) + beside, 1), y.place(point.y)) for point in ordered]
    path = "M" + " L".join(f"{across} {up}" for across, up in places)
    bars = "".join(
        f'<line x1="{across}" x2="{across}" y1="{y.place(point.low)}" y2="{y.place(point.high)}"'
        f' stroke="{colour}" opacity="0.45" stroke-width="2"/>'
        for point, (across, _) in zip(ordered, places, strict=True)
        if math.isfinite(point.low) and math.isfinite(point.high)
    )
    dots = "".join(f'<circle cx="{across}" cy="{up}" r="3.5" fill="{colour}"/>' for across, up in places)
    return f'{bars}<path d="{path}" fill="none" stroke="{colour}" stroke-width="2"/>{dots}'
