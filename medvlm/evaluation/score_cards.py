"""Examples as the template of a score's page takes them: filters, boxes, the words beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from medvlm.evaluation.metrics import Box
from medvlm.evaluation.records import Record
from medvlm.evaluation.score_examples import OUTCOMES, Card, outcome_of, shorten
from medvlm.evaluation.score_images import Shown

_SIGNS = {"right": "✓", "wrong": "✗", "unparsed": "?", "not scored": "-"}
_TALLEST = 420
MOST_TAGS = 20


def example_view(cards: Sequence[Card], records: Sequence[Record], seed: int) -> dict[str, Any]:
    """Examples, what they can be filtered by, and the rule by which they were picked.

    Args:
        cards: The examples.
        records: All, of which they were picked.
        seed: Picked them.
    """
    tags = sorted({tag for card in cards for tag in _tags(card.record)})
    place = {tag: index for index, tag in enumerate(tags)}
    counts = Counter(outcome_of(record) for record in records)
    there = ", ".join(f"{counts[name]:,} {name}" for name in OUTCOMES if counts[name])
    return {
        "cards": [_card(card, place) for card in cards],
        "outcomes": [name for name in OUTCOMES if any(card.outcome == name for card in cards)],
        "kinds": sorted({card.record.kind for card in cards}),
        "tags": tags,
        "rule": (
            f"{len(cards)} of {len(records):,} questions ({there}). Of each outcome equally many while they last, "
            f"kinds of answer in turn, in an order drawn by seed {seed}: nobody picked them. Filters act on them alone."
        ),
    }


def _tags(record: Record) -> list[str]:
    pairs = list(record.categories.items())[:MOST_TAGS]
    return list(dict.fromkeys(shorten(" ".join(f"{name}={value}".split()), 80) for name, value in pairs))


def _card(card: Card, place: Mapping[str, int]) -> dict[str, Any]:
    record, image = card.record, card.image or Shown()
    boxes = [_box(box, "wanted-box") for box in card.wanted] + [_box(box, "given-box") for box in card.given]
    tags = _tags(record)
    read = "" if record.value is None or record.value == card.answer else record.value
    return {
        "card": card,
        "sign": _SIGNS[card.outcome],
        "question": shorten(record.question),
        "reference": shorten(record.reference),
        "read": shorten(read, 120) if record.kind not in ("report", "open") else "",
        "boxes": boxes,
        "said": f"{len(card.wanted)} reference and {len(card.given)} answered boxes",
        "width": round(_TALLEST * image.width / image.height) if image.height > image.width else _TALLEST,
        "tags": [place[tag] for tag in tags],
        "words": ", ".join([shorten(record.id, 120), *tags]),
    }


def _box(box: Box, style: str) -> dict[str, Any]:
    x0, y0, x1, y1 = box
    return {"x": x0, "y": y0, "width": round(x1 - x0, 6), "height": round(y1 - y0, 6), "style": style}
