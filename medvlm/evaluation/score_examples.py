"""Which questions a page shows, and each as it is shown: nobody picks them, a seed does."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from medvlm.evaluation.boxes import read_boxes
from medvlm.evaluation.metrics import Box
from medvlm.evaluation.records import Record
from medvlm.evaluation.score_images import Shown

OUTCOMES = ("right", "wrong", "unparsed", "not scored")
LONGEST, MOST_OPTIONS = 3000, 40
_FINDINGS = {"hits": "findings agree", "extra": "extra", "missed": "missed"}
_THOUGHT = re.compile(r"\s*<think>(.*?)(?:</think>|$)(.*)$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Choice:
    """One option of a question.

    Attributes:
        letter: A, B, ...; a number beyond Z.
        text: What it says.
        wanted: Whether it is the reference.
        chosen: Whether the answer was read as it.
        share: Its probability among the options, in percent; empty where it was not asked for.
    """

    letter: str
    text: str
    wanted: bool
    chosen: bool
    share: str


@dataclass(frozen=True, slots=True)
class Card:
    """A question as a page shows it.

    Attributes:
        record: What came of it.
        outcome: One of `OUTCOMES`.
        why: Why it is unparsed; empty otherwise.
        options: Its options; of very many the first, and the reference.
        thought: What the model wrote between its tags.
        answer: What it wrote after them.
        image: Its image; None if it has none, or images are not shown.
        wanted: Boxes of the reference.
        given: Boxes of the answer.
        facts: Confidence and further scores, in words.
    """

    record: Record
    outcome: str
    why: str
    options: tuple[Choice, ...]
    thought: str
    answer: str
    image: Shown | None
    wanted: tuple[Box, ...]
    given: tuple[Box, ...]
    facts: str


def outcome_of(record: Record) -> str:
    """What came of a question, as the filters name it.

    Args:
        record: Of the question.
    """
    if record.value is None:
        return "unparsed"
    return "not scored" if record.correct is None else "right" if record.correct else "wrong"


def pick(records: Iterable[Record], most: int, *, seed: int = 0) -> list[Record]:
    """Records that stand for all: of each outcome equally many while they last, the kinds of answer in turn.

    Within an outcome and kind the order is that of the SHA-256 of seed and id: the same records are picked in whatever
    order they come, and no person has a say.

    Args:
        records: One for each question.
        most: Most records.
        seed: Another one picks others.
    """
    piles: dict[str, dict[str, list[Record]]] = {}
    for record in sorted(records, key=lambda record: _lot(record.id, seed)):
        piles.setdefault(outcome_of(record), {}).setdefault(record.kind, []).append(record)
    queues = {name: _in_turn([kinds[kind] for kind in sorted(kinds)], most) for name, kinds in piles.items()}
    return _in_turn([queues[name] for name in OUTCOMES if name in queues], most)


def _in_turn(queues: Sequence[Sequence[Record]], most: int) -> list[Record]:
    """The first of each, the second of each, ..."""
    longest = max(map(len, queues), default=0)
    turns = (queue[place] for place in range(min(longest, most)) for queue in queues if place < len(queue))
    return [record for record, _ in zip(turns, range(most), strict=False)]


def _lot(name: str, seed: int) -> str:
    return hashlib.sha256(f"{seed} {name}".encode("utf-8", "backslashreplace")).hexdigest()


def make_card(record: Record, image: Shown | None = None) -> Card:
    """A record as it is shown.

    Args:
        record: What came of a question.
        image: Its image.
    """
    thought = _THOUGHT.match(record.text)
    outcome = outcome_of(record)
    why = (f"no answer: {record.error}" if record.error else record.reason) if outcome == "unparsed" else ""
    return Card(
        record=record,
        outcome=outcome,
        why=shorten(why, 300),
        options=tuple(_options(record)),
        thought=shorten(thought[1].strip()) if thought else "",
        answer=shorten((thought[2] if thought else record.text).strip()),
        image=image,
        wanted=_boxes(record, record.reference),
        given=_boxes(record, record.value or ""),
        facts=", ".join(_facts(record)),
    )


def _options(record: Record) -> Iterable[Choice]:
    for place, text in enumerate(record.options):
        if place >= MOST_OPTIONS and text != record.reference:
            continue
        letter = ascii_uppercase[place] if place < len(ascii_uppercase) else str(place + 1)
        share = record.probabilities.get(letter)
        yield Choice(
            letter,
            shorten(text, 500),
            wanted=text == record.reference,
            chosen=letter == record.value,
            share="" if share is None else f"{share:.0%}",
        )


def _boxes(record: Record, text: str) -> tuple[Box, ...]:
    return tuple(read_boxes(text) or ()) if record.kind == "box" else ()


def _facts(record: Record) -> Iterable[str]:
    names: Mapping[str, str] = {"iou": "IoU", "token_f1": "token F1", "token_recall": "token recall"}
    for name, value in record.scores.items():
        if name in names and math.isfinite(value):
            yield f"{names[name]} {value:.2f}"
    if "hits" in record.scores:
        yield ", ".join(f"{int(record.scores[name])} {words}" for name, words in _FINDINGS.items())
    if record.kind == "closed":
        yield from (f"P({name}) {share:.0%}" for name, share in record.probabilities.items())
    if record.confidence is not None and math.isfinite(record.confidence):
        yield f"mean token probability {record.confidence:.0%}"
    if not record.finished:
        yield "cut off"
    if record.drafts:
        yield f"of {len(record.drafts)} drafts"


def shorten(text: str, longest: int = LONGEST) -> str:
    """A text of at most so many characters, which says how many it lost.

    Args:
        text: Any text.
        longest: Most characters.

    Examples:
        >>> shorten("abcdef", 4)
        'abcd … (2 more characters)'
    """
    return text if len(text) <= longest else f"{text[:longest]} … ({len(text) - longest} more characters)"
