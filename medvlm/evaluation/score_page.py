"""A score on one page: headline, baselines, categories, sections, examples, provenance; one HTML file, nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from jinja2 import Environment, StrictUndefined

from medvlm.evaluation.charts import whisker_span
from medvlm.evaluation.compat import MODES
from medvlm.evaluation.contrasts import WORDS, Comparison
from medvlm.evaluation.markdown import BANNER, interval_text
from medvlm.evaluation.records import Record
from medvlm.evaluation.score_cards import example_view
from medvlm.evaluation.score_charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, draw_bar, draw_curve
from medvlm.evaluation.score_examples import make_card, pick, shorten
from medvlm.evaluation.score_images import show_images
from medvlm.evaluation.score_page_template import TEMPLATE
from medvlm.evaluation.scoring import Row, Score
from medvlm.evaluation.sections.section import Section, cell_text
from medvlm.evaluation.statistics import Interval
from medvlm.study import Sample

MOST_EXAMPLES, MOST_TEXTS, MOST_ROWS, MOST_BARS = 24, 60, 200, 40
_FRAME = {
    "width": WIDTH, "height": HEIGHT, "left": LEFT, "right": WIDTH - RIGHT, "top": TOP, "bottom": HEIGHT - BOTTOM,
}  # fmt: skip


def score_page(
    score: Score,
    records: Sequence[Record],
    samples: Iterable[Sample] = (),
    *,
    name: str = "",
    images: int = MOST_EXAMPLES,
    seed: int = 0,
    banner: str = BANNER,
) -> str:
    """The page as HTML: the same score and records give the same text.

    Args:
        score: What is shown.
        records: One for each question, of which examples are picked; none shows no examples.
        samples: The questions, for their images; none shows none.
        name: What the model is called.
        images: Most examples with images.
        seed: Picks the examples.
        banner: The warning at the top; it cannot be empty.

    Raises:
        ValueError: If the banner is empty.
    """
    if not banner.strip():
        raise ValueError("the banner of a page cannot be empty: a reader must know what the model is not for")
    known = {sample.id: sample for sample in samples if sample.images}
    most = images if known else MOST_TEXTS
    picked = pick(records, most, seed=seed)
    pictures = show_images([known[record.id] for record in picked if record.id in known])
    cards = [make_card(record, pictures.get(record.id)) for record in picked]
    protocol = score.provenance.get("protocol") or score.header.partition(" | ")[0]
    view: dict[str, Any] = {
        "title": shorten(" on ".join(part for part in (name, protocol) if part) or "Score", 200),
        "subtitle": score.header,
        "banner": banner,
        "notes": score.notes,
        "fields": list(score.provenance.items()) or [("header", score.header)],
        "size": _FRAME,
        **_summary(score),
        **_tables(score),
        **example_view(cards, records, seed),
    }
    view["contents"] = list(_contents(view))
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(TEMPLATE).render(**view).lstrip()


def _summary(score: Score) -> dict[str, Any]:
    """The headline and what it beats."""
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
    empty = dict.fromkeys(("words", "difference", "p", "mcnemar", "seen", "changed"), "")
    rows: list[dict[str, Any]] = []
    if score.accuracy:
        rows.append({"name": "the model", "main": True, **empty, **_cells(score.accuracy, span)})
    rows += [_baseline(other, span) for other in score.comparisons]
    return {"baselines": rows, "span": tuple(f"{end:g}" for end in span), "metric": score.comparisons[0].metric}


def _baseline(other: Comparison, span: tuple[float, float]) -> dict[str, Any]:
    return {
        "name": other.name,
        "words": WORDS.get(other.name, ""),
        "main": False,
        "difference": f"{other.difference.value:+.3f} ({interval_text(other.difference, '+')})",
        "p": f"{_adjusted(other):.4f}",
        "mcnemar": "-" if other.mcnemar is None else f"{other.mcnemar:.2g}",
        "seen": cell_text(other.detectable),
        "changed": f"{other.changed:.0%}",
        **_cells(other.accuracy, span),
    }


def _cells(interval: Interval, span: tuple[float, float] = (0.0, 1.0)) -> dict[str, Any]:
    return {
        "value": cell_text(interval.value),
        "ends": interval_text(interval),
        "n": f"{interval.n:,}",
        "bar": draw_bar(interval.value, interval.low, interval.high, span),
    }


def _tables(score: Score) -> dict[str, Any]:
    """Rows by what they are, categories as bars, sections."""
    modes = [row for row in score.rows if row.part in MODES]
    bars = [row for row in score.rows if _is_category(row)]
    other = [row for row in score.rows if row not in modes and row not in bars]
    papers = "Each by the rules of the paper it is named after, faults included; not to be compared with accuracy."
    signed = "Over all reports at once; each name carries what is needed to compute it again."
    parts = [
        _part("scores", "Scores", "By kind of answer.", other),
        _part("papers", "As papers scored", papers, modes),
        _corpus(score, signed),
    ]
    return {
        "parts": [part for part in parts if part["rows"]],
        "categories": list(_categories(bars)),
        "whole": None if score.accuracy is None else round(100 * score.accuracy.value, 2),
        "sections": [_section(section) for section in score.sections],
    }


def _is_category(row: Row) -> bool:
    return "=" in row.part and row.metric == "accuracy" and 0 <= row.interval.value <= 1


def _part(name: str, title: str, about: str, rows: Sequence[Row]) -> dict[str, Any]:
    if len(rows) > MOST_ROWS:
        about += f" The first {MOST_ROWS} of {len(rows)} rows; all are in score.json."
    cells = [
        (row.part, row.metric, *(_cells(row.interval)[name] for name in ("value", "ends", "n")), row.interval.clusters)
        for row in rows[:MOST_ROWS]
    ]
    columns = ("part", "metric", "value", "95 % interval", "n", "clusters")
    return {"id": name, "title": title, "about": about, "columns": columns, "rows": cells, "words": (0, 1)}


def _corpus(score: Score, about: str) -> dict[str, Any]:
    rows = [(metric.name, cell_text(metric.value), metric.n) for metric in score.corpus]
    columns = ("metric and signature", "value", "n")
    return {"id": "reports", "title": "Report metrics", "about": about, "columns": columns, "rows": rows, "words": (0,)}


def _categories(rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """Bars by the name of the category; of very many those with the most questions."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.part.partition("=")[0], []).append(row)
    for place, (name, group) in enumerate(groups.items()):
        if place == MOST_BARS:
            break
        shown = sorted(group, key=lambda row: -row.interval.n)[:MOST_BARS]
        left = f"{len(shown)} of {len(group)} values, those with the most questions; all are in score.json."
        bars = [
            {"label": shorten(row.part.partition("=")[2], 80), **_cells(row.interval)}
            for row in group
            if len(group) <= MOST_BARS or row in shown
        ]
        yield {"name": shorten(name, 80), "rows": bars, "left": left if len(group) > len(shown) else ""}


def _is_words(section: Section, place: int) -> bool:
    """Whether a column holds words; the first one always does, as it names its row."""
    return place == 0 or any(isinstance(row[place], str) for row in section.rows)


def _section(section: Section) -> dict[str, Any]:
    notes = list(section.notes)
    if len(section.rows) > MOST_ROWS:
        notes.append(f"the first {MOST_ROWS} of {len(section.rows)} rows; all are in score.json")
    return {
        "id": section.name,
        "title": section.title,
        "about": section.about,
        "columns": section.columns,
        "rows": section.texts()[:MOST_ROWS],
        "words": [place for place in range(len(section.columns)) if _is_words(section, place)],
        "plots": [plot for curve in section.curves if (plot := draw_curve(curve))],
        "notes": notes,
    }


def _contents(view: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What the page holds, as links within it."""
    if view["baselines"]:
        yield "baselines", "Baselines"
    yield from ((part["id"], part["title"]) for part in view["parts"])
    if view["categories"]:
        yield "categories", "Categories"
    yield from ((f"section-{section['id']}", section["title"]) for section in view["sections"])
    if view["cards"]:
        yield "examples", "Examples"
    yield "provenance", "Provenance"
