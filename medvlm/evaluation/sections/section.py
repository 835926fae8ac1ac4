"""A further table of a score: what it is, its cells, its curves; text, Markdown, JSON and the page draw the same."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from medvlm.evaluation.statistics import Difference, Interval

Cell = str | int | float | Interval | Difference | None
"""A cell of a section: words, a count, a number, a number with its interval, or nothing to say."""


@dataclass(frozen=True, slots=True)
class Curve:
    """A line to draw.

    Attributes:
        name: What it shows.
        x: Name of the horizontal axis.
        y: Name of the vertical axis.
        points: ``(x, y)`` in the order of x.
        diagonal: Whether the ideal is the line from (0, 0) to (1, 1), as of a calibration plot.
    """

    name: str
    x: str
    y: str
    points: tuple[tuple[float, float], ...]
    diagonal: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """A table beside the results of a run.

    Attributes:
        name: One word that no other section of a score has, such as ``calibration``.
        title: What is written over it.
        about: How it is computed and read, in a sentence or two, its source included.
        columns: Names of the columns.
        rows: Cells, as many a row as there are columns.
        curves: Lines to draw beside it.
        notes: What a reader must know of these numbers.
    """

    name: str
    title: str
    about: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    curves: tuple[Curve, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(
                    f"section {self.name!r}: a row has {len(row)} cells {row}, expected one for each of the "
                    f"{len(self.columns)} columns {', '.join(self.columns)}"
                )

    def texts(self) -> list[list[str]]:
        """The cells as they are printed."""
        return [[cell_text(cell) for cell in row] for row in self.rows]


def cell_text(cell: Cell) -> str:
    """A cell as it is printed: three decimals, an interval behind its value, a dash for what is not known.

    Args:
        cell: A cell.

    Examples:
        >>> cell_text(Interval(0.5, 0.25, 0.75, 4, 2))
        '0.500 (0.250 to 0.750)'
        >>> cell_text(None)
        '-'
    """
    if cell is None or (isinstance(cell, float) and not math.isfinite(cell)):
        return "-"
    if isinstance(cell, Interval | Difference):
        sign = "+" if isinstance(cell, Difference) else ""
        ends = "" if math.isnan(cell.low) else f" ({cell.low:{sign}.3f} to {cell.high:{sign}.3f})"
        return f"{cell.value:{sign}.3f}{ends}"
    return f"{cell:.3f}" if isinstance(cell, float) else str(cell)


def find_section(sections: Sequence[Section], name: str) -> Section | None:
    """The section of a name; None where a score has none.

    Args:
        sections: Those of a score.
        name: Its name.
    """
    return next((section for section in sections if section.name == name), None)
