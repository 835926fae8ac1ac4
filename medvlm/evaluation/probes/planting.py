"""A report in sentences, and the same report with one sentence made wrong."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from medvlm.evaluation.labeler import says_normal
from medvlm.evaluation.text import clean
from medvlm.preferences.corrupt import CORRUPTIONS, SIDE, Corruption, stated

_TRIES = 6
_END = re.compile(r"(?<=[.!?;])(?=\s)|(?<=[.!?;])(?=[\u3400-\u9fff])|\n+")
_HEADING = re.compile(r"^[^.:;]{1,40}:(?=\s|$)")
_WORD = re.compile(r"[^\W\d_]")


def sentences_of(report: str) -> list[str]:
    r"""The sentences of a report, each on one line; a heading or a number stays with the sentence that it opens.

    Args:
        report: With any line ends, in any Unicode form.

    Examples:
        >>> sentences_of("FINDINGS:\r\n1. Nodule of 4.5 mm. Clear.")
        ['FINDINGS: 1. Nodule of 4.5 mm.', 'Clear.']
    """
    found: list[str] = []
    open_ = ""
    for piece in _END.split(clean(report)):
        text = " ".join(f"{open_} {piece}".split())
        opens = not _WORD.search(_HEADING.sub("", piece.strip()))
        open_ = text if opens else ""
        if text and not opens:
            found.append(text)
    return [*found[:-1], f"{found[-1]} {open_}"] if found and open_ else found


@dataclass(frozen=True, slots=True)
class Planted:
    """One wrong sentence.

    Attributes:
        kind: Which respect it is wrong in.
        place: Its index, from 0.
        wrong: What it says.
    """

    kind: Corruption
    place: int
    wrong: str


def plant(sentences: Sequence[str], rng: Random) -> Planted | None:
    """One sentence made wrong in one respect, and one that no other sentence makes right; None where none can be.

    Args:
        sentences: Those of an English chest report.
        rng: Draws the respect and the sentence.
    """
    kinds, places = sorted(CORRUPTIONS), list(range(len(sentences)))
    rng.shuffle(kinds)
    rng.shuffle(places)
    for kind in kinds:
        for place in places:
            for _ in range(_tries(kind, sentences[place])):
                wrong = CORRUPTIONS[kind](sentences[place], rng)
                if wrong and _is_wrong(" ".join(wrong.split()), place, sentences, kind):
                    return Planted(kind, place, " ".join(wrong.split()))
    return None


def _tries(kind: Corruption, sentence: str) -> int:
    """How often a draw is made: a finding is put in the place of a sentence that denies it or calls all normal."""
    if kind != "added":
        return 1
    return _TRIES if stated(sentence, "absent") or says_normal(sentence) else 0


def _is_wrong(wrong: str, place: int, sentences: Sequence[str], kind: Corruption) -> bool:
    right = sentences[place]
    if wrong == right or len(sentences_of(wrong)) != 1:
        return False
    others = " ".join(sentence for index, sentence in enumerate(sentences) if index != place)
    if kind == "added":
        return not (stated(wrong) - stated(right)) & (stated(others) | stated(others, "uncertain"))
    if kind == "side":
        meant, sides = stated(right), _sides(wrong)
        return not any(sides & _sides(one) for one in sentences if one != right and stated(one) & meant)
    return True


def _sides(text: str) -> set[str]:
    return {match[0].lower().removesuffix("-sided") for match in SIDE.finditer(text)}
