"""Reports made wrong in one respect: a side swapped, a finding added or denied, a size changed, another's report.

Each corruption is a function of a text and a random generator that gives the wrong text, or None where the text offers
nothing to get wrong. They read English chest reports, clause by clause, with the rule labeler of
``medvlm.evaluation.labeler``, which also says afterwards whether the text now states what it should.

Rejected answers by corruption: POVID (arXiv 2402.11411), random reports (arXiv 2509.21351).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Literal

from medvlm.evaluation.labeler import label_report

Corruption = Literal["side", "added", "denied", "size", "other"]


@dataclass(frozen=True, slots=True)
class Words:
    """How a finding is written: its noun, whether it lies on a side and in a zone, and its words for size."""

    noun: str
    sided: bool = True
    zoned: bool = False
    sizes: tuple[str, str] = ("small", "large")


FINDINGS: dict[str, Words] = {
    "Pleural Effusion": Words("pleural effusion"),
    "Pneumothorax": Words("pneumothorax"),
    "Consolidation": Words("consolidation", zoned=True),
    "Cardiomegaly": Words("cardiomegaly", sided=False, sizes=("mild", "severe")),
    "Lung Lesion": Words("nodule", zoned=True),
}
"""Findings that can be added; all that the labeler reads can be denied."""
_OPPOSITE = {"left": "right", "right": "left", "left-sided": "right-sided", "right-sided": "left-sided"}
_SIZES = {
    "tiny": "large",
    "small": "large",
    "minimal": "extensive",
    "trace": "large",
    "mild": "severe",
    "mildly": "severely",
    "moderate": "minimal",
    "moderately": "minimally",
    "large": "small",
    "extensive": "minimal",
    "massive": "small",
    "severe": "mild",
    "severely": "mildly",
    "marked": "mild",
    "markedly": "mildly",
}
_CLAUSE = re.compile(r"(?<=[.;:])(?=\s)")
SIDE = re.compile(r"\b(?:left|right)(?:-sided)?\b", re.IGNORECASE)
SIZE = re.compile(rf"\b(?:{'|'.join(sorted(_SIZES, key=len, reverse=True))})\b", re.IGNORECASE)
_MEASURE = re.compile(r"\b(\d+(?:\.\d+)?)(?=\s?(?:mm|cm)\b)")
_DENIAL = re.compile(r"^(\s*)(no evidence of|there is no|no) (.+?)([.;]?)$", re.IGNORECASE | re.DOTALL)
_NORMAL = re.compile(r"^\s*(?:the )?(?:lungs? (?:are|is) clear|no acute \w+(?: \w+)?)[.;]?$", re.IGNORECASE)


def clauses(text: str) -> list[str]:
    """A text in pieces that join to the same text: up to a full stop, semicolon or colon.

    Examples:
        >>> clauses("FINDINGS: Nodule of 4.5 mm. Clear.")
        ['FINDINGS:', ' Nodule of 4.5 mm.', ' Clear.']
    """
    return _CLAUSE.split(text)


def stated(text: str, state: str = "present") -> set[str]:
    """Findings that a text calls present (or whatever else is asked for)."""
    return {label for label, found in label_report(text).items() if found == state and label != "No Finding"}


def swap_side(text: str, rng: Random) -> str | None:
    """The same finding on the other side, wherever it is named."""
    parts = clauses(text)
    sided = [part for part in parts if len(_sides(part)) == 1 and stated(part)]  # left and right swapped is no error
    if not sided:
        return None
    meant = stated(rng.choice(sided))
    return "".join(SIDE.sub(opposite, part) if stated(part) & meant else part for part in parts)


def _sides(part: str) -> set[str]:
    return {match[0].lower().removesuffix("-sided") for match in SIDE.finditer(part)}


def opposite(match: re.Match[str]) -> str:
    """The other word for side."""
    return _cased(_OPPOSITE[match[0].lower()], match[0])


def resized(match: re.Match[str]) -> str:
    """The other word for size."""
    return _cased(_SIZES[match[0].lower()], match[0])


def _cased(word: str, like: str) -> str:
    """A word with a capital where another has one."""
    return word.capitalize() if like[:1].isupper() else word


def change_size(text: str, rng: Random) -> str | None:
    """The same finding small where it was large, or half or double the millimetres."""
    parts = clauses(text)
    sized = [index for index, part in enumerate(parts) if (SIZE.search(part) or _MEASURE.search(part)) and stated(part)]
    if not sized:
        return None
    chosen, factor = rng.choice(sized), rng.choice((0.5, 2.0))
    part = _MEASURE.sub(lambda match: f"{float(match[1]) * factor:g}", parts[chosen])
    if part == parts[chosen]:
        part = SIZE.sub(resized, part)
    return "".join([*parts[:chosen], part, *parts[chosen + 1 :]])


def deny_finding(text: str, rng: Random) -> str | None:
    """A finding that is there is denied, wherever it is named."""
    parts = clauses(text)
    there = sorted(label for label in stated(text) if label in FINDINGS)
    rng.shuffle(there)
    for label in there:
        wrong = "".join(_denied(part, label) if label in stated(part) else part for part in parts)
        if label not in stated(wrong) and label in stated(wrong, "absent"):
            return wrong
    return None


def _denied(part: str, label: str) -> str:
    lead, end = re.match(r"\s*", part), re.search(r"[.;]?$", part)
    words = FINDINGS[label].noun
    start = "" if lead is None else lead[0]
    no = "No" if part.strip()[:1].isupper() else "no"
    named = words if words in part.lower() else words.split()[-1]
    return f"{start}{no} {named}{'' if end is None else end[0]}"


def add_finding(text: str, rng: Random) -> str | None:
    """A finding that is not there is stated, in the findings and in the impression if there is one."""
    missing = sorted(label for label in FINDINGS if label not in stated(text) | stated(text, "uncertain"))
    rng.shuffle(missing)
    for label in missing:
        wrong = _with(text, label, rng)
        if label in stated(wrong) and stated(text) <= stated(wrong):
            return wrong
    return None


def _with(text: str, label: str, rng: Random) -> str:
    """The text with a finding, and without what denies it."""
    size, side, zone = _drawn(label, rng)
    noun = FINDINGS[label].noun
    kept = [part for part in (_without(part, noun) for part in clauses(text)) if part]
    head = kept.pop(0) if kept and kept[0].rstrip().endswith(":") else ""
    sentence = " ".join(filter(None, (size, side, zone and f"{zone} zone", noun))).capitalize() + "."
    body = [f" {sentence}" if head else sentence, *kept]
    for index, part in enumerate(body):
        if part.strip().lower() == "impression:":
            said = [one.strip().rstrip(".;") for one in body[index + 1 :]]
            summary = "; ".join([*filter(None, said), f"{side} {noun}".strip()])
            body[index + 1 :] = [f" {summary[:1].upper()}{summary[1:]}."]
            break
    return "".join(
        [head, *(part if part[:1].isspace() or place == 0 else f" {part}" for place, part in enumerate(body))]
    )


def _drawn(label: str, rng: Random) -> tuple[str, str, str]:
    """Size, side and zone of a finding, empty where it has none."""
    words = FINDINGS[label]
    side = rng.choice(("left", "right")) if words.sided else ""
    return rng.choice(words.sizes), side, rng.choice(("upper", "lower")) if words.zoned else ""


def _without(part: str, noun: str) -> str:
    """A clause that neither denies the finding nor calls everything normal; empty where nothing is left of it."""
    if _NORMAL.match(part):
        return ""
    match = _DENIAL.match(part)
    if match is None:
        return part
    items = re.split(r",\s*(?:or|and)?\s*|\s+(?:or|and)\s+", match[3])
    left = [item for item in items if noun not in item.lower()]
    if len(left) == len(items):
        return part
    listed = " or ".join(filter(None, [", ".join(left[:-1]), left[-1]])) if left else ""
    return f"{match[1]}{match[2]} {listed}{match[4]}" if listed else ""


CORRUPTIONS: dict[Corruption, Callable[[str, Random], str | None]] = {
    "side": swap_side,
    "added": add_finding,
    "denied": deny_finding,
    "size": change_size,
}
"""Those that need nothing but the text."""
