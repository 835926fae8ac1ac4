"""A score as Markdown: the twin of its page, with tables that render where code is hosted."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from medvlm.evaluation.sections.section import Section, cell_text

if TYPE_CHECKING:
    from medvlm.evaluation.scoring import Score
    from medvlm.evaluation.statistics import Difference, Interval

MOST_ROWS = 400
BANNER = "Research only. Not for clinical use."


def score_markdown(score: Score, name: str = "") -> str:
    """Headline, baselines, all rows, report metrics, sections, notes, provenance.

    Args:
        score: The score.
        name: What the model is called.
    """
    protocol = score.provenance.get("protocol") or score.header.partition(" | ")[0]
    title = " on ".join(escape(part) for part in (name, protocol) if part) or "Score"
    parts = [f"# {title}", f"> {BANNER}", _headline(score), *_baselines(score), *_rows(score), *_corpus(score)]
    for section in score.sections:
        parts += _section(section)
    if score.notes:
        parts += ["## Notes", "\n".join(f"- {escape(note)}" for note in score.notes)]
    parts += _provenance(score)
    return "\n\n".join(parts) + "\n"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, words: int = 1) -> str:
    r"""A table whose first columns are words and whose others are aligned to the right.

    Args:
        columns: Names of the columns.
        rows: Cells as text, escaped here.
        words: How many columns are words.

    Examples:
        >>> print(table(["part", "n"], [["a|b", "2"]]))
        | part | n |
        | :--- | ---: |
        | a\|b | 2 |
    """
    lines = [[escape(cell) for cell in row] for row in (columns, *rows)]
    lines.insert(1, [*[":---"] * words, *["---:"] * (len(columns) - words)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def escape(text: str) -> str:
    r"""Words on one line that Markdown and HTML show as they are.

    Args:
        text: Any text.

    Examples:
        >>> escape("a_b <b>|x|")
        'a\\_b &lt;b>\\|x\\|'
    """
    plain = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"([\\`*_\[\]|#~])", r"\\\1", plain)


def interval_text(interval: Interval | Difference, sign: str = "") -> str:
    """Both ends of an interval, or that there is none.

    Args:
        interval: With ``low`` and ``high``.
        sign: ``+`` shows the sign of positive numbers.
    """
    low, high = interval.low, interval.high
    return "none (one cluster)" if math.isnan(low) else f"{low:{sign}.3f} to {high:{sign}.3f}"


def _headline(score: Score) -> str:
    shares = f"Unparsed {score.unparsed:.1%}, cut off {score.truncated:.1%}, not asked {score.errors} of {score.n}."
    if score.accuracy is None:
        return shares
    accuracy = score.accuracy
    return f"**Accuracy {accuracy.value:.3f}** (95 % interval {interval_text(accuracy)}). {shares}"


def _baselines(score: Score) -> Iterator[str]:
    if not score.comparisons:
        return
    yield "## Baselines"
    yield table(
        (
            "baseline",
            "n",
            "score",
            "95 % interval",
            "model minus it",
            "95 % interval",
            "p",
            "p (Holm)",
            "other answers",
        ),
        (
            (
                other.name,
                f"{other.accuracy.n:,}",
                f"{other.accuracy.value:.3f}",
                interval_text(other.accuracy),
                f"{other.difference.value:+.3f}",
                interval_text(other.difference, "+"),
                f"{other.difference.p:.4f}",
                "-" if other.p_holm is None else f"{other.p_holm:.4f}",
                f"{other.changed:.0%}",
            )
            for other in score.comparisons
        ),
    )


def _rows(score: Score) -> Iterator[str]:
    if not score.rows:
        return
    yield "## Scores"
    yield table(
        ("part", "metric", "value", "95 % interval", "n", "clusters"),
        (
            (
                row.part,
                row.metric,
                cell_text(row.interval.value),
                interval_text(row.interval),
                str(row.interval.n),
                str(row.interval.clusters),
            )
            for row in score.rows[:MOST_ROWS]
        ),
        words=2,
    )
    if len(score.rows) > MOST_ROWS:
        yield f"{len(score.rows) - MOST_ROWS} more rows are in `score.json`."


def _corpus(score: Score) -> Iterator[str]:
    if score.corpus:
        yield "## Report metrics"
        yield table(
            ("metric and signature", "value", "n"),
            ((metric.name, cell_text(metric.value), str(metric.n)) for metric in score.corpus),
        )


def _section(section: Section) -> Iterator[str]:
    yield f"## {escape(section.title)}"
    if section.about:
        yield escape(section.about)
    if section.rows:
        yield table(section.columns, section.texts()[:MOST_ROWS])
    if len(section.rows) > MOST_ROWS:
        yield f"{len(section.rows) - MOST_ROWS} more rows are in `score.json`."
    if section.notes:
        yield "\n".join(f"- {escape(note)}" for note in section.notes)


def _provenance(score: Score) -> Iterator[str]:
    if fields := score.provenance:
        yield "## Provenance"
        yield table(("field", "value"), fields.items(), words=2)
    if score.header:
        yield f"Header: {escape(score.header)}"
