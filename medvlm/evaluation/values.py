"""Answers that are not letters: yes and no, boxes, numbers with units."""

from __future__ import annotations

import math
import re

from medvlm.evaluation.text import NO, YES, bare, clean, polarity

Verdict = tuple[str | None, str]
Box = tuple[float, float, float, float]

_PLAIN = r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?"
_NUMBER = rf"(?:[-+]?\d{{1,3}}(?:,\d{{3}})+(?!\d)(?:\.\d+)?|{_PLAIN})"
_NUMBERS = re.compile(rf"(?<![\w.,]){_NUMBER}")
_BRACKETED = re.compile(r"[\[(<{]([^\[\](){}<>]*)[\])>}]")
_FOUR = re.compile(rf"\s*({_PLAIN})" + rf"[\s,;]+({_PLAIN})" * 3 + r"\s*[,;.]?\s*")
_CUE = re.compile(
    r"(?:\b(?:(?:the|my)\s+)?(?:(?:correct|right|final|best)\s+)*answer(?:\s+is\b|\s*[:=-])|答案(?:是|为|:)?)[\s:*\"']*",
    re.IGNORECASE,
)
_THEREFORE = re.compile(r"\b(?:so|therefore|thus|hence)\b,?\s+(yes|no)\s*[.!]?$", re.IGNORECASE)
_LEAD = re.compile(r"(yes|yeah|yep|no|nope)\b", re.IGNORECASE)
_NO_GOES_ON = re.compile(
    r"\s*(?:[,.;:!\n-]|\(|$)|\s+(?:there|it|this|that|these|those|they|the|i|we|he|she)\b", re.IGNORECASE
)
_CLAUSE = re.compile(
    r"(?:^|[.!?;,\n:]\s*|\b(?:and|or|but)\s+|/)(yes|no)(?=\s*(?:[.!?;,\n:/]|$|and\b|or\b|but\b))", re.IGNORECASE
)
_IDIOM = re.compile(r",?\s*\b(?:no|without)\s+(?:doubt|question)\b", re.IGNORECASE)
_LEAD_ZH = re.compile(r"([\u3400-\u9fff]{1,4})\s*[,.;:!]")
_UNITS = {
    "mm": ("length", 1.0), "millimeter": ("length", 1.0), "millimetre": ("length", 1.0), "毫米": ("length", 1.0),
    "cm": ("length", 10.0), "centimeter": ("length", 10.0), "centimetre": ("length", 10.0), "厘米": ("length", 10.0),
    "m": ("length", 1000.0), "%": ("share", 1.0), "percent": ("share", 1.0), "hu": ("density", 1.0),
    "ml": ("volume", 1.0), "cc": ("volume", 1.0), "l": ("volume", 1000.0), "cm3": ("volume", 1.0),
    "degree": ("angle", 1.0), "°": ("angle", 1.0), "year": ("age", 1.0), "kg": ("mass", 1000.0), "g": ("mass", 1.0),
}  # fmt: skip
_UNIT = re.compile(r"\s*-?\s*([^\W\d_]+3?|%|°)")
_COUNTS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
_SMALL = {word: number for number, word in enumerate(_COUNTS)}


def read_polarity(text: str) -> Verdict:
    """``yes`` or ``no`` if a cleaned text says exactly one of them as its answer.

    Args:
        text: The answer region of a reply, cleaned.

    Examples:
        >>> read_polarity("No, the lungs are clear."), read_polarity("Yes or no")
        (('no', 'yes or no'), (None, 'both yes and no'))
    """
    text = _IDIOM.sub("", text.replace("**", "").strip(" \n\t\"'`*"))
    close = _THEREFORE.search(text)
    stated = {_leading(text), close and close[1].lower(), *(_leading(text[cue.end() :]) for cue in _CUE.finditer(text))}
    stated.discard(None)
    if len(stated | {match[1].lower() for match in _CLAUSE.finditer(text)}) > 1:
        return None, "both yes and no"
    return (stated.pop(), "yes or no") if stated else (None, "")


def _leading(text: str) -> str | None:
    """The yes or no at the start of a text; "No effusion" is a finding, not an answer."""
    whole = polarity(text)
    if whole:
        return whole
    chinese = _LEAD_ZH.match(text)
    if chinese and chinese[1] in YES | NO:
        return polarity(chinese[1])
    match = _LEAD.match(text)
    if not match:
        return None
    if re.match(r"\s*(?:/|or\b|and\b)", text[match.end() :]):
        return None
    value = polarity(match[1])
    return value if value == "yes" or _NO_GOES_ON.match(text[match.end() :]) else None


def to_box(value: str) -> Box | None:
    """The numbers of ``x0 y0 x1 y1``, if they are a box within 0..1.

    Args:
        value: Four numbers, with or without brackets and commas.

    Examples:
        >>> to_box("[0.1, 0.2, 0.5, 0.6]"), to_box("0.5 0.2 0.1 0.6")
        ((0.1, 0.2, 0.5, 0.6), None)
    """
    match = _FOUR.fullmatch(value.strip().strip("[](){}<>"))
    if not match:
        return None
    x0, y0, x1, y1 = map(float, match.groups())
    return (x0, y0, x1, y1) if 0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1 else None


def read_box(text: str) -> Verdict:
    """``x0 y0 x1 y1`` if a cleaned text holds exactly one box and no fifth coordinate.

    Args:
        text: The answer region of a reply, cleaned.

    Examples:
        >>> read_box("It is at [0.10, 0.2, 0.5, 0.60].")
        ('0.1 0.2 0.5 0.6', 'box')
    """
    groups = [group for group in _BRACKETED.findall(text) if _FOUR.fullmatch(group)]
    if len(groups) > 1:
        return None, "several boxes"
    candidate = groups[0] if groups else _CUE.split(text)[-1]
    box = to_box(candidate)
    if box is None:
        return None, "no box x0 y0 x1 y1 with 0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1"
    return " ".join(f"{number:g}" for number in box), "box"


def read_number(text: str) -> Verdict:
    """The one number of a cleaned text with its unit, ``4.5 cm``.

    Args:
        text: The answer region of a reply, cleaned.

    Examples:
        >>> read_number("about 4.50 cm"), read_number("3-4 cm")
        (('4.5 cm', 'number'), (None, 'several numbers'))
    """
    text = _CUE.split(text)[-1].strip()
    first = bare(text).split(" ")[0].casefold()
    if first in _SMALL and not _NUMBERS.search(text) and len(text.split()) <= 4:
        return str(_SMALL[first]), "number word"
    found = list(_NUMBERS.finditer(text))
    if len(found) != 1:
        return None, "several numbers" if found else "no number"
    match = found[0]
    around = text[: match.start()][-3:] + text[match.end() : match.end() + 3]
    if re.search(r"[<>≤≥]|±", around) or re.match(r"\s*[-/x\u00d7:]\s*\d|,\d", text[match.end() :]):
        return None, "several numbers"
    value = float(match[0].replace(",", ""))
    if not math.isfinite(value):
        return None, "not a finite number"
    unit = _unit(text[match.end() :])
    return f"{value:g}" + (f" {unit}" if unit else ""), "number"


def _unit(text: str) -> str:
    """The unit at the start of a text, in the singular; empty if the word is none."""
    match = _UNIT.match(text)
    if not match:
        return ""
    word = match[1].casefold()
    singular = word if word in _UNITS else word.removesuffix("s")
    return singular if singular in _UNITS else ""


def same_number(given: str, wanted: str, tolerance: float | None = None) -> bool:
    """Whether two numbers agree, after conversion to the unit of the reference.

    A number without a unit is taken to be in the unit of the other one.

    Args:
        given: What `read_number` gives.
        wanted: The reference, ``45 mm`` or ``2``.
        tolerance: Largest difference in the reference's unit; by default 5 % of a reference with a unit or a fraction,
            and none for a count.

    Raises:
        ValueError: If the reference holds no number.

    Examples:
        >>> same_number("4.5 cm", "45 mm"), same_number("3", "2"), same_number("45 %", "45 mm")
        (True, False, False)
    """
    reference, value = quantity(wanted), quantity(given)
    if reference is None:
        raise ValueError(f"reference {wanted!r} holds no number; expected one such as '45 mm' or '2'")
    target, target_unit = reference
    number = None if value is None else in_unit(value, target_unit)
    if number is None:
        return False
    if tolerance is None:
        tolerance = 0.05 * abs(target) if target_unit or not target.is_integer() else 0.0
    return abs(number - target) <= tolerance + 1e-9 * abs(target)


def quantity(text: str) -> tuple[float, str] | None:
    """The number at the start of a text and its unit (empty without one).

    Args:
        text: What `read_number` gives, or a reference.

    Examples:
        >>> quantity("4.5 cm"), quantity("1,200"), quantity("large")
        ((4.5, 'cm'), (1200.0, ''), None)
    """
    match = _NUMBERS.match(clean(text))
    if not match:
        return None
    return float(match[0].replace(",", "")), _unit(clean(text)[match.end() :])


def in_unit(value: tuple[float, str], unit: str) -> float | None:
    """The number in another unit; as it is where either side has none, None where the units are of other quantities.

    Args:
        value: What `quantity` gives.
        unit: Another unit that `quantity` gave.

    Examples:
        >>> in_unit((4.5, "cm"), "mm"), in_unit((4.5, ""), "mm"), in_unit((4.5, "cm"), "ml")
        (45.0, 4.5, None)
    """
    number, own = value
    if not own or not unit:
        return number
    (kind, factor), (other, target) = _UNITS[own], _UNITS[unit]
    return number * (factor / target) if kind == other else None


def same_quantity(unit: str, other: str) -> bool:
    """Whether two units measure the same, as mm and cm do.

    Args:
        unit: A unit that `quantity` gave; empty for none.
        other: Another.
    """
    return unit == other or bool(unit and other and _UNITS[unit][0] == _UNITS[other][0])
