"""What a score's page says first: one number, and whether it is more than baselines get."""

from __future__ import annotations

from typing import Any

from medvlm.evaluation.charts import whisker_span
from medvlm.evaluation.contrasts import WORDS, Comparison
from medvlm.evaluation.markdown import interval_text
from medvlm.evaluation.score_charts import draw_bar
from medvlm.evaluation.scoring import Score
from medvlm.evaluation.sections.section import cell_text
from medvlm.evaluation.statistics import Interval


def summary(score: Score) -> dict[str, Any]:
    """The headline, what it beats, and the table of baselines.

    Args:
        score: The score.
    """
    clusters = score.provenance.get("resampled by", "group")
    shares = f"Unparsed {score.unparsed:.1%}, cut off {score.truncated:.1%}, not asked {score.errors} of {score.n:,}."
    return {
        "headline": _headline(score),
        "shares": shares,
        "clusters": f"{clusters}s",
        "verdicts": [_verdict(other) for other in score.comparisons],
        **_baselines(score),
    }


def _headline(score: Score) -> dict[str, str]:
    """The one number: accuracy, else the first row, else the first corpus score."""
    if score.accuracy is None and not score.rows:
        first = score.corpus[0] if score.corpus else None
        text = ("no score", "-", f"{score.n:,} questions")
        name, value, said = text if first is None else (first.name, cell_text(first.value), f"{first.n:,} reports")
        return {"name": name, "value": value, "ends": "", "said": said}
    name = "Accuracy" if score.accuracy else f"{score.rows[0].metric} ({score.rows[0].part})"
    interval = score.accuracy or score.rows[0].interval
    said = f"{interval.n:,} questions in {interval.clusters:,} clusters, resampled whole"
    ends = f"95 % interval {interval_text(interval)}"
    return {"name": name, "value": cell_text(interval.value), "ends": ends, "said": said}


def _verdict(other: Comparison, alpha: float = 0.05) -> dict[str, str]:
    gap, p = other.difference, _adjusted(other)
    word = "ties"
    if p <= alpha and (gap.low > 0 or gap.high < 0):
        word = "beats" if gap.value > 0 else "loses"
    preposition = {"beats": "", "loses": "to ", "ties": "with "}[word]
    said = f"{gap.value:+.3f} ({interval_text(gap, '+')}), p = {p:.4f}"
    return {"word": word, "name": preposition + WORDS.get(other.name, other.name), "said": said}


def _adjusted(other: Comparison) -> float:
    """The p-value after Holm; that of the comparison alone where nothing was adjusted."""
    return other.difference.p if other.p_holm is None else other.p_holm


def _baselines(score: Score) -> dict[str, Any]:
    """The model and each baseline on one axis, which shows the part of 0..1 that they need."""
    if not score.comparisons:
        return {"baselines": [], "span": ("0", "1"), "metric": ""}
    intervals = [*([score.accuracy] if score.accuracy else []), *(other.accuracy for other in score.comparisons)]
    span = whisker_span([number for one in intervals for number in (one.value, one.low, one.high)])
    empty = dict.fromkeys(("words", "difference", "gap", "p", "mcnemar", "seen", "changed"), "")
    rows: list[dict[str, Any]] = []
    if score.accuracy:
        rows.append({"name": "the model", "main": True, **empty, **interval_cells(score.accuracy, span)})
    rows += [_baseline(other, span) for other in score.comparisons]
    return {"baselines": rows, "span": tuple(f"{end:g}" for end in span), "metric": score.comparisons[0].metric}


def _baseline(other: Comparison, span: tuple[float, float]) -> dict[str, Any]:
    return {
        "name": other.name,
        "words": WORDS.get(other.name, ""),
        "main": False,
        "difference": f"{other.difference.value:+.3f}",
        "gap": interval_text(other.difference, "+"),
        "p": f"{_adjusted(other):.4f}",
        "mcnemar": "-" if other.mcnemar is None else f"{other.mcnemar:.2g}",
        "seen": cell_text(other.detectable),
        "changed": f"{other.changed:.0%}",
        **interval_cells(other.accuracy, span),
    }


def interval_cells(interval: Interval, span: tuple[float, float] = (0.0, 1.0)) -> dict[str, Any]:
    """A value and its interval as text and as a bar.

    Args:
        interval: The interval.
        span: Where the axis of the bar starts and ends.
    """
    return {
        "value": cell_text(interval.value),
        "ends": interval_text(interval),
        "n": f"{interval.n:,}",
        "bar": draw_bar(interval.value, interval.low, interval.high, span),
    }
