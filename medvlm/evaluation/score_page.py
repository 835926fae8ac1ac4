"""A score on one page: headline, baselines, categories, sections, examples, provenance; one HTML file, nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from jinja2 import Environment, StrictUndefined

from medvlm.evaluation.compat import MODES
from medvlm.evaluation.markdown import BANNER
from medvlm.evaluation.records import Record
from medvlm.evaluation.score_cards import example_view
from medvlm.evaluation.score_charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, draw_curve
from medvlm.evaluation.score_examples import make_card, pick, shorten
from medvlm.evaluation.score_images import show_images
from medvlm.evaluation.score_page_template import TEMPLATE
from medvlm.evaluation.score_summary import interval_cells, summary
from medvlm.evaluation.scoring import Row, Score
from medvlm.evaluation.sections.section import Section, cell_text
from medvlm.identity import PHANTOM_SETS
from medvlm.study import Sample

MOST_EXAMPLES, MOST_TEXTS, MOST_ROWS, MOST_BARS = 24, 60, 200, 40
PHANTOM = "Tested on computed phantoms: this is not medicine."
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
    banner: str | None = None,
) -> str:
    """The page as HTML: the same score and records give the same text.

    Args:
        score: What is shown.
        records: One for each question, of which examples are picked; none shows no examples.
        samples: The questions, for their images; none shows none.
        name: What the model is called.
        images: Most examples with images.
        seed: Picks the examples.
        banner: The warning at the top; it cannot be empty. `BANNER` if not given, which names phantoms as such.

    Raises:
        ValueError: If the banner is empty.
    """
    protocol = score.provenance.get("protocol") or score.header.partition(" | ")[0]
    if banner is None:
        banner = f"{PHANTOM} {BANNER}" if protocol.partition(" ")[0] in PHANTOM_SETS else BANNER
    if not banner.strip():
        raise ValueError("the banner of a page cannot be empty: a reader must know what the model is not for")
    known = {sample.id: sample for sample in samples if sample.images}
    most = images if known else MOST_TEXTS
    picked = pick(records, most, seed=seed)
    pictures = show_images([known[record.id] for record in picked if record.id in known])
    cards = [make_card(record, pictures.get(record.id)) for record in picked]
    view: dict[str, Any] = {
        "title": shorten(" on ".join(part for part in (name, protocol) if part) or "Score", 200),
        "subtitle": score.header,
        "banner": banner,
        "notes": score.notes,
        "fields": list(score.provenance.items()) or [("header", score.header)],
        "size": _FRAME,
        **summary(score),
        **_tables(score),
        **example_view(cards, records, seed),
    }
    view["contents"] = list(_contents(view))
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(TEMPLATE).render(**view).lstrip()


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
        (
            row.part,
            row.metric,
            *(interval_cells(row.interval)[name] for name in ("value", "ends", "n")),
            row.interval.clusters,
        )
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
            {"label": shorten(row.part.partition("=")[2], 80), **interval_cells(row.interval)}
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
