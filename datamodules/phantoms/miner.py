"""Labels mined from reports by keywords, as labs really make them, with the systematic errors that follow.

``crude`` ignores negation, hedges and the prior, knows no synonyms, prefers the words "right", "lower" and "small"
wherever they stand in the sentence and fills what it does not find with these same defaults. ``fair`` reads clause by
clause with negation and synonyms; it is wrong where the report is. PHANTOM - NOT A PATIENT.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from .findings import KINDS, NOTHING, SIDED, ZONED, Finding, Side, Size, Zone
from .report import CLEAR, NOUNS, SYNONYMS

Miner = Literal["crude", "fair", "exact"]
MINERS: tuple[Miner, ...] = ("crude", "fair", "exact")


@dataclass(frozen=True, slots=True)
class Label:
    """What is believed about one kind of finding in one study.

    Attributes:
        present: Whether it is believed to be there.
        side: Patient's side, the default where a report does not say; empty for the heart.
        zone: Zone, the default where a report does not say; empty for findings without one.
        size: Size, the default where a report does not say.
        rank: Place of its first mention (0 first); findings never mentioned come last.
    """

    present: bool
    side: Side = ""
    zone: Zone = ""
    size: Size = "small"
    rank: int = 99


Labels = Mapping[str, Label]


def true_labels(findings: Sequence[Finding]) -> dict[str, Label]:
    """What the image really shows, from the findings of a study."""
    labels = {kind: Label(False) for kind in KINDS} | {NOTHING: Label(not findings, rank=0)}
    for rank, finding in enumerate(findings):
        labels[finding.kind] = Label(True, finding.side, finding.zone, finding.size, rank)
    return labels


def mine_labels(report: str, miner: Miner = "crude") -> dict[str, Label]:
    """Mine labels from the text of a report.

    Args:
        report: Text that ``write_report`` (or anyone) wrote.
        miner: ``crude`` or ``fair``.

    Returns:
        A label for each kind of finding, and one for ``NOTHING`` (the report calls the lungs clear).

    Raises:
        ValueError: If the miner is unknown, or is ``exact`` (which needs the image's truth, not a report).

    Examples:
        >>> mine_labels("FINDINGS: No pneumothorax. IMPRESSION: Normal.")["pneumothorax"].present
        True
        >>> mine_labels("FINDINGS: No pneumothorax. IMPRESSION: Normal.", "fair")["pneumothorax"].present
        False
    """
    if miner not in ("crude", "fair"):
        raise ValueError(
            f"A report is mined by 'crude' or 'fair', got {miner!r}; 'exact' labels are true_labels(findings)."
        )
    read = _crude if miner == "crude" else _fair
    body = re.sub(r"(?is)^.*?findings:|impression:.*$", "", report).lower()
    sentences = [sentence.strip() for sentence in body.split(".") if sentence.strip()]
    rank, _ = _first(sentences, (CLEAR[:-1].lower(),))
    clear = Label(rank >= 0, rank=10 * rank)
    return {kind: read(kind, sentences) for kind in KINDS} | {NOTHING: clear}


def _default(
    kind: str, *, present: bool, rank: int = 99, side: Side = "right", zone: Zone = "lower", size: Size = "small"
) -> Label:
    return Label(present, side if kind in SIDED else "", zone if kind in ZONED else "", size, rank)


def _crude(kind: str, sentences: list[str]) -> Label:
    rank, sentence = _first(sentences, (_word(kind),))
    if rank < 0:
        return _default(kind, present=False)
    side: Side = "left" if "left" in sentence and "right" not in sentence else "right"
    zone: Zone = "upper" if re.search("upper|above", sentence) and "lower" not in sentence else "lower"
    size: Size = "large" if re.search("large|severe|moderate", sentence) and "small" not in sentence else "small"
    place = 10 * rank + sum(_word(other) in sentence[: sentence.index(_word(kind))] for other in KINDS)
    return _default(kind, present=True, rank=place, side=side, zone=zone, size=size)


def _fair(kind: str, sentences: list[str]) -> Label:
    known = (_word(kind), SYNONYMS[kind])
    rank, sentence = _first([s for s in sentences if not re.search("^(there is )?no |resolved", s)], known)
    if rank < 0:
        return _default(kind, present=False)
    clause = sentence.split(",")[0]
    image = "of the image" in sentence
    left = ("left" in (sentence if image else clause)) != image
    zone: Zone = "upper" if "upper" in clause else "lower"
    size: Size = "large" if re.search("large|severe", clause) else "small"
    return _default(kind, present=True, rank=10 * rank, side="left" if left else "right", zone=zone, size=size)


def _word(kind: str) -> str:
    return NOUNS[kind].split()[-1]


def _first(sentences: list[str], words: tuple[str, ...]) -> tuple[int, str]:
    """The first sentence with one of the words and its place; -1 where there is none."""
    for rank, sentence in enumerate(sentences):
        if any(word in sentence for word in words):
            return rank, sentence
    return -1, ""
