"""Findings as structured items: what was asked of each, and what the text of the report says, side by side.

The text is read by the rule labeler of `medvlm.evaluation.labeler`; side and size come from the clause that names the
finding. Where question and text contradict each other the item says so: a reader must see it, and nobody decides it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from medvlm.evaluation.labeler import FINDINGS, label_report, mentions
from medvlm.reporting.report import Finding, Presence, Sentence, Side

LABELS: Mapping[str, str] = {
    "effusion": "Pleural Effusion",
    "pneumothorax": "Pneumothorax",
    "consolidation": "Consolidation",
    "cardiomegaly": "Cardiomegaly",
    "nodule": "Lung Lesion",
}
"""The labeler's name of each finding that is asked for."""

_CLAUSE = re.compile(r"[,;:]|\b(?:but|and no|with no|without|however|while)\b")
_OF_THE_PICTURE = re.compile(r"\b(?:left|right)(?: side)? of the (?:image|picture|film)\b")
_SIDE = re.compile(r"\b(?:(?P<both>bilateral\w*|both|left and right|right and left)|(?P<one>left|right)(?:-?sided)?)\b")
_SIZE = re.compile(
    r"\b(?:tiny|trace|minimal|small|mild(?:ly)?|moderate(?:ly)?|moderate-sized|large|massive|severe(?:ly)?|marked(?:ly)?)\b"
)
_EXTENT = re.compile(r"\b(\d+(?:\.\d+)?)(?:\s*(?:x|by)\s*(\d+(?:\.\d+)?))?\s*(mm|cm|millimet\w+|centimet\w+)\b")


@dataclass(frozen=True, slots=True)
class Said:
    """What a report's text says of one finding: where, on which side, how large."""

    presence: Presence
    sentence: int
    side: Side = ""
    size: str = ""
    size_mm: float | None = None


def said_of(name: str, sentences: Sequence[Sentence]) -> Said | None:
    """What the text says of a finding; of several sentences the strongest counts, then the first.

    Args:
        name: A key of `LABELS`.
        sentences: Those of the report; technique and comparison are left out.

    Examples:
        >>> said_of("nodule", [Sentence("findings", "8 mm right upper lobe nodule, left lung clear.")])
        Said(presence='present', sentence=0, side='right', size='', size_mm=8.0)
    """
    return _strongest(LABELS[name], sentences)


def _strongest(label: str, sentences: Sequence[Sentence]) -> Said | None:
    rank = {"absent": 0, "uncertain": 1, "present": 2}
    found = [said for index, one in enumerate(sentences) for said in _in_sentence(label, one, index)]
    return max(found, key=lambda said: (rank[said.presence], -said.sentence), default=None)


def named_beside(asked: Iterable[str], sentences: Sequence[Sentence]) -> Iterator[Finding]:
    """Findings that the text states or suspects and that nobody asked for, by the labeler's names.

    Their certainty is the confidence of the sentence that names them.

    Args:
        asked: Keys of `LABELS` that were asked for.
        sentences: Those of the report.

    Examples:
        >>> [one.name for one in named_beside((), [Sentence("findings", "Rib fracture. No edema.")])]
        ['fracture']
    """
    known = {LABELS[name] for name in asked}
    for label in FINDINGS:
        said = None if label in known else _strongest(label, sentences)
        if said is not None and said.presence != "absent":
            sure = sentences[said.sentence].confidence or 0.0
            yield replace(merge(Finding(label.lower(), said.presence, sure), said), agrees=None)


def _in_sentence(label: str, sentence: Sentence, index: int) -> Iterator[Said]:
    if sentence.section in ("technique", "comparison"):
        return
    flat = " ".join(sentence.text.lower().split())
    spans = [(state, start, end) for found, state, start, end in mentions(flat) if found == label]
    for state, start, end in spans:
        side, size, extent = _describe(flat, start, end)
        yield Said(state, index, side, size, extent) if state != "absent" else Said(state, index)
    stated = label_report(sentence.text).get(label)
    if not spans and stated is not None:  # a normal heart has no mention
        yield Said(stated, index)


def _describe(sentence: str, start: int, end: int) -> tuple[Side, str, float | None]:
    """Side, size in words and largest extent in millimetres, of the clause around a mention."""
    breaks = [match.span() for match in _CLAUSE.finditer(sentence)]
    first = max((stop for begin, stop in breaks if stop <= start), default=0)
    last = min((begin for begin, _ in breaks if begin >= end), default=len(sentence))
    clause = _OF_THE_PICTURE.sub("", sentence[first:last])
    size = _SIZE.search(clause)
    return _side(clause), size[0].removesuffix("ly") if size else "", _extent(clause)


def _side(clause: str) -> Side:
    sides = {("bilateral" if match["both"] else match["one"]) for match in _SIDE.finditer(clause)}
    if "bilateral" in sides or sides == {"left", "right"}:
        return "bilateral"
    return "left" if sides == {"left"} else "right" if sides == {"right"} else ""


def _extent(clause: str) -> float | None:
    sizes = [
        max(float(match[1]), float(match[2] or 0)) * (10 if match[3].startswith("c") else 1)
        for match in _EXTENT.finditer(clause)
    ]
    return max(sizes, default=None)


def merge(asked: Finding, said: Said | None) -> Finding:
    """One item from the answer to its question and from the text.

    Args:
        asked: The finding by its question.
        said: What the text says; None where it does not name it.

    Examples:
        >>> item = merge(Finding("nodule", "absent", 0.8), Said("present", 0, "left"))
        >>> item.presence, item.side, item.agrees
        ('absent', 'left', False)
    """
    if said is None:
        return asked
    agrees = None if asked.presence == "unread" or said.presence == "uncertain" else asked.presence == said.presence
    return replace(asked, side=said.side, size=said.size, size_mm=said.size_mm, sentence=said.sentence, agrees=agrees)
