"""A score as a table of text."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from medvlm.evaluation.statistics import Difference, Interval

if TYPE_CHECKING:
    from medvlm.evaluation.scoring import Score


def score_text(score: Score, width: int) -> str:
    """Header, table, shares of unusable answers, notes.

    Args:
        score: What to print.
        width: Columns of the terminal.
    """
    console = Console(width=width, file=io.StringIO(), record=True, color_system=None)
    shares = f"unparsed {score.unparsed:.1%}, cut off {score.truncated:.1%}, not asked {score.errors} of {score.n}"
    console.print(score.header, highlight=False, markup=False)
    console.print(_table(score))
    for line in (shares, *score.notes):
        console.print(line, highlight=False, markup=False)
    return console.export_text()


def _table(score: Score) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("part", "metric", "value", "95 % interval", "n", "clusters"):
        table.add_column(name, justify="left" if name in ("part", "metric") else "right")
    if score.accuracy:
        table.add_row("all", "accuracy", *_cells(score.accuracy))
    for row in score.rows:
        table.add_row(row.part, row.metric, *_cells(row.interval))
    for metric in score.corpus:
        table.add_row("report", metric.name, f"{metric.value:.3f}", "", str(metric.n), "")
    for other in score.comparisons:
        table.add_row(f"baseline: {other.name}", "accuracy", *_cells(other.accuracy))
        gain = other.difference
        table.add_row(
            f"  model - {other.name}", f"p={gain.p:.4f}, {other.changed:.0%} of answers change", *_cells(gain, sign="+")
        )
    return table


def _cells(interval: Interval | Difference, sign: str = "") -> list[str]:
    """Value, interval, n and clusters as text."""
    low, high = interval.low, interval.high
    ends = "none (one cluster)" if math.isnan(low) else f"{low:{sign}.3f} to {high:{sign}.3f}"
    return [f"{interval.value:{sign}.3f}", ends, str(interval.n), str(interval.clusters)]
