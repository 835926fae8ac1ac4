"""A score as a table of text."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from medvlm.evaluation.sections.section import Section
from medvlm.evaluation.statistics import Difference, Interval

if TYPE_CHECKING:
    from medvlm.evaluation.scoring import Score


def score_text(score: Score, width: int) -> str:
    """Header, table, shares of unusable answers, notes, further tables.

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
    for section in score.sections:
        _print_section(console, section)
    return console.export_text()


def _print_section(console: Console, section: Section) -> None:
    """Title, what it is, the table, notes."""
    console.print(f"\n{section.title}", highlight=False, markup=False)
    console.print(section.about, highlight=False, markup=False, style="dim")
    table = Table(box=None, pad_edge=False)
    for index, name in enumerate(section.columns):
        table.add_column(name, justify="right" if index else "left", overflow="fold")
    for cells in section.texts():
        table.add_row(*map(Text, cells))
    console.print(table)
    for line in section.notes:
        console.print(line, highlight=False, markup=False)


def _table(score: Score) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("part", "metric", "value", "95 % interval", "n", "clusters"):
        # a signature that is cut off says nothing: it goes on in the next line
        table.add_column(name, justify="left" if name in ("part", "metric") else "right", overflow="fold")
    for cells in _rows(score):
        table.add_row(*map(Text, cells))
    return table


def _rows(score: Score) -> Iterator[list[str]]:
    if score.accuracy:
        yield ["all", "accuracy", *_cells(score.accuracy)]
    signed = {metric.name.partition("[")[0]: metric.name for metric in score.corpus}
    with_interval = {signed.get(row.metric, row.metric) for row in score.rows if row.part == "report"}
    for row in score.rows:
        name = signed.get(row.metric, row.metric) if row.part == "report" else row.metric
        yield [row.part, name, *_cells(row.interval)]
    for metric in score.corpus:
        if metric.name not in with_interval:  # the row of the same score that has an interval stands for both
            yield ["report", metric.name, f"{metric.value:.3f}", "", str(metric.n), ""]
    for other in score.comparisons:
        p = f"p={other.difference.p:.4f}"
        if other.p_holm is not None and len(score.comparisons) > 1:
            p += f" ({other.p_holm:.4f} after Holm)"
        changed = f"{p}, {other.changed:.0%} of answers change"
        yield [f"baseline: {other.name}", other.metric, *_cells(other.accuracy)]
        yield [f"  model - {other.name}", changed, *_cells(other.difference, sign="+")]


def _cells(interval: Interval | Difference, sign: str = "") -> list[str]:
    """Value, interval, n and clusters as text."""
    low, high = interval.low, interval.high
    ends = "none (one cluster)" if math.isnan(low) else f"{low:{sign}.3f} to {high:{sign}.3f}"
    return [f"{interval.value:{sign}.3f}", ends, str(interval.n), str(interval.clusters)]
