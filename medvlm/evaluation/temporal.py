"""What a report says has changed since the study before: which finding, in which direction."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal, get_args

from medvlm.evaluation.labeler import label_report
from medvlm.evaluation.text import clean

Change = Literal["new", "worse", "better", "stable", "resolved"]
CHANGES: tuple[Change, ...] = get_args(Change)

_WORDS: dict[Change, str] = {
    "stable": r"stable|unchanged|unaltered|constant|persist\w*|similar (?:to|in|as)\b|(?:as|than) before"
    r"|(?:no|without) (?:\w+ ){0,2}(?:change|progression)|not (?:\w+ ){0,2}changed",
    "resolved": r"resolved|resolution|cleared|no longer|disappear\w*",
    "better": r"improv\w+|better|decreas\w+|smaller|diminish\w*|reduced|regress\w*|resolving|receded",
    "worse": r"wors\w+|increas\w+|enlarging|larger|progress(?:ed|ing|ion|ive)|grown|more extensive",
    "new": r"new(?:ly)?|developed|interval development|appeared",
}
_PATTERNS = {change: re.compile(rf"\b(?:{words})(?:\b|(?<=\W))") for change, words in _WORDS.items()}
_CHINESE: dict[Change, str] = {
    "stable": "稳定|不变|相仿|(?:[无未]|没有)[^,.;]{0,4}(?:变化|改变)",
    "resolved": "消失|消散|完全吸收",
    "better": "好转|改善|缩小|减少|减轻|吸收",
    "worse": "加重|恶化|进展|增大|增多|增加",
    "new": "新发|新增|新出现|新见",
}
_CHINESE_DENIED = re.compile("(?:[无未不]|没有|未见)[^,.;]{0,3}$")
_DENIED = re.compile(r"\b(?:no|not|without|neither|nor|never)\b(?:\s+\w+){0,3}\s*$")
_SENTENCE = re.compile(r"[.;!?](?=\s|$)|\n+|\bbut\b|\bwhile\b|\bhowever\b")


def changes(report: str) -> set[tuple[str, Change]]:
    """Every (finding, change) that a report states; the finding is empty where the sentence names none.

    Words that mean the same are one change; a denied one is none, so that "no new effusion" does not state a new one.
    (Libra's keyword F1 gives 1 to "no new effusion" against "new effusion", and 0 to "stable" against "unchanged".)

    Args:
        report: An English chest report or a part of one.

    Examples:
        >>> sorted(changes("New effusion. The nodule is unchanged. No new consolidation."))
        [('Lung Lesion', 'stable'), ('Pleural Effusion', 'new')]
    """
    return set().union(*map(_of_sentence, _SENTENCE.split(clean(report).lower())))


@lru_cache(maxsize=1 << 14)  # reports repeat their sentences, and several scores read the same reports
def _of_sentence(sentence: str) -> frozenset[tuple[str, Change]]:
    rest, stated = sentence, set[Change]()
    for change, pattern in _PATTERNS.items():
        if any(change == "stable" or not _DENIED.search(rest[: m.start()]) for m in pattern.finditer(rest)):
            stated.add(change)
        rest = pattern.sub(lambda match: "-" * len(match[0]), rest)  # "no change" is stable, and no change besides
    named = [label for label in label_report(sentence) if label != "No Finding"] if stated else []
    return frozenset((label, change) for label in named or [""] for change in stated)


def change_of(text: str) -> Change | None:
    """The one change that a short answer names, in English or Chinese; None where it names none or several.

    Args:
        text: An answer such as "unchanged" or "It has improved."

    Examples:
        >>> change_of("No significant change."), change_of("Not improved"), change_of("较前好转")
        ('stable', None, 'better')
    """
    found = {change for _, change in changes(text)}
    rest = clean(text)
    for change, pattern in _CHINESE.items():
        for match in re.finditer(pattern, rest):
            if change == "stable" or not _CHINESE_DENIED.search(rest[: match.start()]):
                found.add(change)
        rest = re.sub(pattern, lambda match: "-" * len(match[0]), rest)
    return found.pop() if len(found) == 1 else None
