"""A yes/no question turned into its opposite, by a few rules that are sure of themselves; everything else is left.

The opposite of a question has the opposite truth: "Is there an effusion?" and "Is there no effusion?". What a "not"
would leave in doubt is refused with a reason: a question that denies already, one that counts or compares ("both
kidneys", "more than one"), one with two statements ("and"), one whose grammar no rule knows. Chinese is refused too:
its answers to a denying question name the finding, not the truth of the question.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from medvlm.evaluation.text import clean

_CHINESE = re.compile("[\u3400-\u9fff]")
_DENIED = re.compile(r"\b(?:no|not|none|never|without|neither|nor|absent|absence|lack\w*|free of|non)\b|n't\b", re.I)
_COUNTED = re.compile(
    r"\b(?:all|both|every|each|only|solely|either|more|less|fewer|than|least|most|multiple|several|many|one|two|three"
    r"|others?|else|besides|another|also|same|always|number|half|as well|\d+)\b|[<>%]",
    re.IGNORECASE,
)
_HEDGED = re.compile(r"\b(?:if|and|would|will|should|likely|possible|suspect|confirmed|best)\b", re.IGNORECASE)
_ADVERB = (
    r"(?:(?:abnormally|acutely|clearly|easily|massively|mildly|prominently|properly|ring|severely|slightly|well) )?"
)
_PREDICATES = (
    r"abnormal|affected|altered|appreciated|atrophied|blunted|broken|calcified|clear|compressed|cystic|deviated|dilated"
    r"|displaced|distended|edematous|enhancing|enlarged|evident|flattened|fractured|given|healthy|hemorrhagic"
    r"|heterogene?ous|homogene?ous|hyperinflated|identified|inflamm?ed|intubated|involved|ischemic|large|loculated"
    r"|midline|normal|noted|obscured|obstructed|observed|patent|pathologic|perforated|present|rotated|ruptured|seen"
    r"|sharp|shifted|shown|small|swollen|symmetric(?:al)?|thickened|unhealthy|used|visible|visuali[sz]ed|well-defined"
    r"|widened"
)
_PREDICATE = re.compile(rf"(?<=\s){_ADVERB}(?:{_PREDICATES})\b", re.IGNORECASE)
_TAIL = re.compile(r"^(?: (?:in|on|at|by|from|to|within|near|under|here|throughout|as|for)\b.*| appearing)?$", re.I)
_BE = re.compile(r"^(is/are|are/is|is|are|was|were) (.+)$", re.IGNORECASE)
_THERE = re.compile(r"^(is/are|are/is|is|are|was|were) there (?:(?:an?|any|some) )?(.+)$", re.IGNORECASE)
_DO = re.compile(
    r"^(do|does|did) (.+?) (appear|contain|demonstrate|depict|display|enhance|exist|have|look|show)\b(.*)$",
    re.IGNORECASE,
)
_SEE = re.compile(r"^(do you see) (?:an?|any) (.+)$", re.IGNORECASE)
_CAN = re.compile(r"^(can) (.+?) be ((?:observed|seen|appreciated|visuali[sz]ed|identified)\b.*)$", re.IGNORECASE)
_NO_SUBJECT = re.compile(r"\b(?:any\w*|some\w*|it|there|you|we|what|which|that|who)\b", re.IGNORECASE)
_NO_NOUN = re.compile(r"\b(?:an?|the|this|these|those|that|of|in|on|at|within|with|by|to|and|or|is|are|be)$", re.I)
_A = re.compile(r"^an? ", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Rewritten:
    """What came of a question.

    Attributes:
        text: Its opposite; empty where no rule is sure of it.
        why: The rule, or why it was left.
    """

    text: str
    why: str


def negate(question: str) -> Rewritten:
    """The opposite of a yes/no question, or why there is none.

    Args:
        question: As a set asks it.

    Examples:
        >>> negate("Is there a pleural effusion?").text
        'Is there no pleural effusion?'
        >>> negate("Is the heart enlarged?").text
        'Is the heart not enlarged?'
        >>> negate("Are both kidneys visible?")
        Rewritten(text='', why='counts or compares')
    """
    text = " ".join(clean(question).split()).rstrip(" ?.")
    if reason := _unsure(text):
        return Rewritten("", reason)
    for rule, why in _RULES:
        if opposite := rule(text):
            return Rewritten(f"{opposite}?", why)
    return Rewritten("", "no rule is sure of its grammar")


def _unsure(text: str) -> str:
    """Why no rule may be tried; empty if one may."""
    if not text:
        return "empty"
    if _CHINESE.search(text):
        return "Chinese"
    if _DENIED.search(text):
        return "denies already"
    if _COUNTED.search(text):
        return "counts or compares"
    return "hedged, or more than one statement" if _HEDGED.search(text) else ""


def _there(text: str) -> str:
    match = _THERE.match(text)
    if match is None or re.match(r"(?:the|this|these)\b", match[2], re.IGNORECASE):
        return ""
    if anything := re.match(r"(?:any|some)thing (.+)$", match[2], re.IGNORECASE):
        return f"{match[1]} there nothing {anything[1]}"
    return f"{match[1]} there no {match[2]}"


def _subject(text: str) -> bool:
    """Whether words can stand before a verb: a noun at the end, and nothing that a "not" would change."""
    return bool(text) and not _NO_NOUN.search(text) and not _NO_SUBJECT.search(text)


def _be(text: str) -> str:
    """Is the heart enlarged: the one word that says something of the subject is denied."""
    match = _BE.match(text)
    if match is None:
        return ""
    rest = match[2]
    said = [one for one in _PREDICATE.finditer(rest) if _TAIL.match(rest[one.end() :])]
    if len(said) != 1 or not _subject(subject := rest[: said[0].start()].strip()):
        return ""
    if _A.match(subject):
        return f"{match[1]} no {_A.sub('', rest)}"
    return f"{match[1]} {subject} not {rest[said[0].start() :]}"


def _do(text: str) -> str:
    if match := _SEE.match(text):
        return f"{match[1]} no {match[2]}"
    match = _DO.match(text)
    if match is None or not _subject(match[2]):
        return ""
    return f"{match[1]} {match[2]} not {match[3]}{match[4]}"


def _can(text: str) -> str:
    match = _CAN.match(text)
    if match is None or not _subject(match[2]):
        return ""
    if _A.match(match[2]):
        return f"{match[1]} no {_A.sub('', match[2])} be {match[3]}"
    return f"{match[1]} {match[2]} not be {match[3]}"


_RULES = ((_there, "there is no"), (_do, "does not"), (_can, "can not be"), (_be, "is not"))
