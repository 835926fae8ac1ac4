"""What an answerer says of a numbered text: no error, or which sentence is wrong and how it should read; and its score.

The form is MEDEC's (arXiv 2412.19260; MEDIQA-CORR 2024) and MedRECT's (arXiv 2511.00421): a flag, a sentence, a
correction. An answer that cannot be read is wrong in each of them.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from medvlm.evaluation.labeler import label_report
from medvlm.evaluation.statistics import Interval, mean_interval, ratio_interval
from medvlm.evaluation.text import bare, clean, normalise

_NONE = re.compile(
    r"^(?:none|correct|nothing|n/?a|the (?:report|text) is (?:correct|right)"
    r"|(?:there (?:is|are) )?no (?:errors?|wrong sentences?|sentence is wrong|mistakes?)\b.*"
    r"|i (?:cannot|can not|can't|do not|don't) (?:see|find) (?:any |an )?errors?\b.*"
    r"|none of (?:the|these) sentences\b.*|all (?:the )?sentences are (?:correct|right)\b.*|无|没有错误|无错误)$",
    re.IGNORECASE,
)
_LEADING = re.compile(
    r"^(?:the )?(?:wrong |incorrect )?(?:sentence|index|number|id|no\.?)?\s*[#(\[]?"
    r"(\d{1,3})(?![\d.]*\d|\s*(?:mm|cm|%))[)\]]?[\s.:,;-]*(.*)$",
    re.IGNORECASE,
)
_NAMED = re.compile(
    r"\bsentence\s*(?:number|no\.?|#)?\s*\(?(\d{1,3})\b\)?[\s.:,;-]*(.*)$",
    re.IGNORECASE,
)
_CUE = re.compile(
    r"^(?:is (?:wrong|incorrect|false)[\s.:,;-]*)?"
    r"(?:(?:and |it |the )*(?:correct(?:ed|ion)?(?: (?:sentence|version|text))?|right (?:sentence|version|text))"
    r"(?: is| reads)?\s*:"
    r"|(?:it )?should (?:read|be|say)\b|->|=>)?[:\s-]*",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said, or should be said, of one text.

    Attributes:
        flag: Whether it holds an error; None where the answer cannot be read.
        sentence: Index of the wrong sentence; -1 where there is none.
        correction: How it should read; empty where there is none.
    """

    flag: bool | None
    sentence: int = -1
    correction: str = ""


UNREAD = Verdict(None)


def read_verdict(text: str) -> Verdict:
    """The verdict that an answer gives, without guessing one.

    Args:
        text: What was answered, without thoughts.

    Examples:
        >>> read_verdict("2. No pleural effusion.")
        Verdict(flag=True, sentence=2, correction='No pleural effusion.')
        >>> read_verdict("None.").flag, read_verdict("The heart is large.").flag
        (False, None)
    """
    said = " ".join(clean(text).split())
    if _NONE.match(bare(said)) or bare(said) == "-1":
        return Verdict(False)
    match = _LEADING.match(said) or _NAMED.search(said)
    if match is None:
        return UNREAD
    return Verdict(True, int(match[1]), _CUE.sub("", match[2]).strip(" \"'"))


@dataclass(frozen=True, slots=True)
class Scored:
    """A number about verdicts.

    Attributes:
        name: What it is.
        value: With its interval; None where no text allows it.
        n: Texts that it is of.
    """

    name: str
    value: Interval | None
    n: int


def score_verdicts(
    wanted: Sequence[Verdict],
    given: Sequence[Verdict],
    clusters: Sequence[Hashable],
    *,
    wrong: Sequence[str] = (),
    seed: int = 0,
) -> tuple[Scored, ...]:
    """Detection, extraction and correction of errors.

    Corrections are compared after normalisation, and by their findings as the rule labeler reads them; the latter only
    of texts whose wrong sentence has other findings than the right one, for a side or a size is no finding.

    Args:
        wanted: What is true of each text.
        given: What was said of each.
        clusters: What is resampled together.
        wrong: The wrong sentence of each text, empty where there is none; without it findings are not compared.
        seed: Seed of the intervals.

    Raises:
        ValueError: If the lengths differ, or there are no texts.
    """
    if not wanted or len({len(wanted), len(given), len(clusters)}) > 1 or (wrong and len(wrong) != len(wanted)):
        raise ValueError(
            f"{len(wanted)} references, {len(given)} verdicts, {len(clusters)} clusters, {len(wrong)} wrong sentences; "
            "expected as many of each, and at least one"
        )
    pairs = list(zip(wanted, given, clusters, strict=True))
    erring = [pair for pair in pairs if pair[0].flag]
    right = [pair for pair in pairs if not pair[0].flag]

    def share(name: str, part: Sequence[tuple[Verdict, Verdict, Hashable]], good: Sequence[bool]) -> Scored:
        held = [cluster for _, _, cluster in part]
        return Scored(name, mean_interval([float(one) for one in good], held, seed=seed) if part else None, len(part))

    found = [
        share("detection accuracy", pairs, [true.flag == said.flag for true, said, _ in pairs]),
        share("sensitivity: wrong reports called wrong", erring, [said.flag is True for _, said, _ in erring]),
        share("specificity: right reports called right", right, [said.flag is False for _, said, _ in right]),
        Scored("detection F1", _f1(pairs, seed), len(pairs)),
        share(
            "sentence accuracy, none where there is none", pairs, [_same_place(true, said) for true, said, _ in pairs]
        ),
        share("sentence accuracy of wrong reports", erring, [_same_place(true, said) for true, said, _ in erring]),
        share("correction, exact after normalisation", erring, [_same_text(true, said) for true, said, _ in erring]),
    ]
    if wrong:
        held = zip(pairs, wrong, strict=True)
        part = [pair for pair, bad in held if bad and label_report(bad) != label_report(pair[0].correction)]
        name = "correction, same findings by rule_chexpert"
        found.append(share(name, part, [_same_findings(true, said) for true, said, _ in part]))
    unread = [said.flag is None for _, said, _ in pairs]
    return (*found, share("answers that cannot be read (lower is better)", pairs, unread))


def _f1(pairs: Sequence[tuple[Verdict, Verdict, Hashable]], seed: int) -> Interval | None:
    """F1 of the flag; an unread answer flags nothing."""
    above = [2.0 * bool(true.flag and said.flag) for true, said, _ in pairs]
    below = [float(bool(true.flag)) + float(bool(said.flag)) for true, said, _ in pairs]
    return ratio_interval(above, below, [cluster for _, _, cluster in pairs], seed=seed) if any(below) else None


def _same_place(true: Verdict, said: Verdict) -> bool:
    return said.flag is not None and true.sentence == said.sentence


def _same_text(true: Verdict, said: Verdict) -> bool:
    return bool(said.flag) and normalise(true.correction) == normalise(said.correction) != ""


def _same_findings(true: Verdict, said: Verdict) -> bool:
    return bool(said.flag and said.correction) and label_report(true.correction) == label_report(said.correction)
