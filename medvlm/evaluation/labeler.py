"""Which findings a chest report states, denies or leaves open: a rule labeler with the label names of CheXpert.

It is named `rule_chexpert` wherever a score is printed. It is not CheXbert and not the CheXpert labeler.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Literal

from medvlm.evaluation.text import clean

State = Literal["present", "absent", "uncertain"]
NAME = "rule_chexpert"

_SIZE_WORDS = (
    "size|silhouette|is|appears|remains|seems|not|mildly|moderately|severely|markedly|massively|top|borderline|slightly"
)
_MENTIONS: dict[str, tuple[str, ...]] = {
    "Enlarged Cardiomediastinum": (
        r"(?:widen\w*|enlarge\w*|prominen\w*) (?:of the )?(?:\w+ )?(?:cardio)?mediastin\w+",
        r"(?:cardio)?mediastin\w+ (?:(?:contour|silhouette|is|are|and|shadow) ){0,2}(?:widen|enlarg|prominen)\w*",
    ),
    "Cardiomegaly": (
        r"cardiomegaly",
        r"cardiac enlargement",
        r"enlarge\w* (?:of the )?(?:heart|cardiac)\w*(?: silhouette)?",
        rf"(?:heart|cardiac (?:silhouette|size|contour)|cardiomediastinal silhouette)"
        rf" (?:(?:{_SIZE_WORDS}) ){{0,4}}enlarg\w*",
    ),
    "Lung Opacity": (r"opaci\w+", r"infiltrat\w+", r"air-?space disease", r"interstitial (?:markings|thickening)"),
    "Lung Lesion": (
        r"nodul\w+",
        r"\bmass(?:es)?\b",
        r"(?:lung|pulmonary) lesions?",
        r"neoplas\w+",
        r"metasta\w+",
        r"\btumou?rs?\b",
        r"granuloma(?:s|ta)?\b",
    ),
    "Edema": (r"\bo?edema\w*", r"vascular congestion", r"heart failure", r"\bchf\b", r"kerley"),
    "Consolidation": (r"consolidat\w+",),
    "Pneumonia": (r"pneumonias?\b", r"(?<!granulomatous )infectio\w+"),
    "Atelectasis": (
        r"atelecta\w+",
        r"(?:lobar|lung|lobe) collapse",
        r"collapse of the \w+ ?\w* ?(?:lobe|lung)",
        r"volume loss",
    ),
    "Pneumothorax": (r"pneumothora\w+",),
    "Pleural Effusion": (
        r"(?<!pericardial )effusions?",
        r"pleural fluid",
        r"(?:hydro|hydropneumo|ha?emo)thora\w+",
        r"(?P<sign>blunt\w* (?:of )?(?:the )?(?:\w+ ){0,2}costophrenic"
        r"|costophrenic (?:angle|sulcus)\w* (?:is|are) blunt\w*)",
    ),
    "Pleural Other": (r"pleural (?:thickening|plaques?|calcification\w*|scarring)", r"fibrothora\w+"),
    "Fracture": (r"fractur\w+",),
    "Support Devices": (
        r"(?:endotracheal|nasogastric|orogastric|enteric|chest|tracheostomy|\bng|\bet|feeding|drainage) tubes?",
        r"central (?:venous )?lines?",
        r"sternotomy wires?",
        r"catheters?|pacemakers?|\bpicc\b|port-?a-?cath|\bicd\b|\bleads?\b|stents?",
    ),
}
FINDINGS: tuple[str, ...] = tuple(_MENTIONS)
LABELS: tuple[str, ...] = ("No Finding", *FINDINGS)
_PATTERNS = {label: re.compile("|".join(patterns)) for label, patterns in _MENTIONS.items()}
_NORMAL_HEART = re.compile(
    r"\b(?:heart|cardiac|cardiomediastinal|cardio-mediastinal)\b(?:\s+(?:size|silhouette|contours?|and|mediastin\w+|shadow))*"
    r"\s+(?:(?:is|are|appears?|remains?|within|at|the|upper|limits?|of|size)\s+)*(?:normal|unremarkable|not\s+(?:enlarged|increased))"
    r"|\bnormal\s+(?:heart|cardiac)\b|\bno\s+cardiac\s+enlargement"
)
_SENTENCE = re.compile(r"(?<!\d)\.(?=\s|$)|[!?;]|\n\s*\n|\n(?=\s*[-*•\d])|(?<=\d)\.(?=\s+[a-z]|$)")
_SCOPE_END = re.compile(
    r"\b(?:but|however|although|though|except|aside from|apart from|other than|otherwise|while|whereas)\b"
    r"|(?:,|\band\b)\s+(?=(?:a|an|the|with|there|new|small|tiny|moderate|mild|large|severe|massive|stable|unchanged|worse\w*"
    r"|increas\w+|persistent|minimal|trace|extensive|bilateral|left|right)\b(?!.*\b(?:or|nor)\b))"
)
_NEG_BEFORE = re.compile(
    r"\b(?:no|not|without|none|never|denies|negative for|free of|clear of|absent|absence of|lack of|resolution of"
    r"|resolved|rules? out|ruled out|exclud\w+|neither|nor)\b(?!\s+(?:significant\s+)?(?:interval\s+)?change)"
)
_SEEN = "seen|present|identified|visible|visuali[sz]ed|evident|detected|noted|demonstrated|observed|apparent"
_NEG_AFTER = re.compile(
    rf"^[^,]{{0,60}}?(?:\b(?:not (?:\w+ ){{0,2}}(?:{_SEEN})|no longer|absent|ruled out|resolved|cleared)\b"
    r"|\b(?:is|are|was|were|been) excluded\b|: (?:none|no|absent|negative)\b)"
)
_OPEN_BEFORE = re.compile(
    r"\b(?:possibl[ey]|probabl[ey]|likely|may|might|could|suspected|suspicious for|suspicion of|suggest\w*"
    r"|concern\w* for|question(?:able| of)?|equivocal|(?:cannot|can not|can't|not) (?:\w+ )?(?:exclude|rule out)"
    r"|versus|vs\.?|consider|query|worrisome for|differential)\b"
)
_NOTHING_SUGGESTS = re.compile(r"\b(?:no|not|without)\b.*\bto suggest\b")
_OPEN_AFTER = re.compile(
    r"^[^.]{0,60}?\b(?:(?:cannot|can not|can't|could not|not) (?:be )?(?:\w+ )?(?:excluded|ruled out|exclude)"
    r"|(?:may|might|could) be|suspected|possible|questionable|likely|versus|equivocal)\b"
)
_NORMAL = re.compile(r"\b(?:normal|unremarkable|clear|no (?:\w+ ){0,3}(?:abnormalit\w+|process|disease|findings?))\b")
_RANK: dict[State, int] = {"absent": 0, "uncertain": 1, "present": 2}


def label_report(report: str) -> dict[str, State]:
    """The findings that a report mentions, each with what it says of them; those not mentioned are left out.

    Of several mentions the strongest counts: present over uncertain over absent. ``No Finding`` is present where no
    finding but a support device is present or uncertain, and the report is not empty.

    Args:
        report: An English chest report or a part of one.

    Examples:
        >>> label_report("No pneumothorax or effusion. Heart size is normal.")
        {'Cardiomegaly': 'absent', 'Pneumothorax': 'absent', 'Pleural Effusion': 'absent', 'No Finding': 'present'}
    """
    found: dict[str, State] = {}
    text = clean(report).lower()
    for sentence in filter(None, (part.strip() for part in _SENTENCE.split(text))):
        flat = " ".join(sentence.split())
        for label, state in _sentence(flat):
            if label not in found or _RANK[state] > _RANK[found[label]]:
                found[label] = state
    ordered = {label: found[label] for label in _MENTIONS if label in found}
    if text and not any(state != "absent" for label, state in ordered.items() if label != "Support Devices"):
        ordered["No Finding"] = "present"
    return ordered


def says_normal(report: str) -> bool:
    """Whether a report calls anything normal, clear or free of disease.

    Args:
        report: An English chest report or a part of one.

    Examples:
        >>> says_normal("The lungs are clear."), says_normal("Not normal."), says_normal("qz qz")
        (True, False, False)
    """
    text = clean(report).lower()
    return any(not re.search(r"\b(?:not|abnormal)\s*$", text[: match.start()]) for match in _NORMAL.finditer(text))


def mentions(sentence: str) -> Iterator[tuple[str, State, int, int]]:
    """Every mention of a finding in a sentence: its label, what is said of it, and where its words start and end.

    Args:
        sentence: One sentence in lower case, with single spaces.

    Examples:
        >>> list(mentions("small left effusion, no pneumothorax"))
        [('Pneumothorax', 'absent', 24, 36), ('Pleural Effusion', 'present', 11, 19)]
    """
    for label, pattern in _PATTERNS.items():
        for match in pattern.finditer(sentence):
            state = _state(sentence, *match.span())
            sign = match.groupdict().get("sign") and state == "present"
            yield label, "uncertain" if sign else state, *match.span()


@lru_cache(maxsize=1 << 14)  # reports repeat their sentences, and several scores read the same reports
def _sentence(text: str) -> tuple[tuple[str, State], ...]:
    heart: list[tuple[str, State]] = [("Cardiomegaly", "absent")] if _NORMAL_HEART.search(text) else []
    return (*heart, *((label, state) for label, state, _, _ in mentions(text)))


def _state(text: str, start: int, end: int) -> State:
    """What the words before and after a mention, within its clause, make of it."""
    edges = list(_SCOPE_END.finditer(text))
    before = text[max((edge.end() for edge in edges if edge.end() <= start), default=0) : start]
    after = text[end : min((edge.start() for edge in edges if edge.start() >= end), default=len(text))]
    inside = text[start:end]
    if _NOTHING_SUGGESTS.search(before):
        return "absent"
    if _OPEN_BEFORE.search(before) or _OPEN_AFTER.search(after):
        return "uncertain"
    if _NEG_BEFORE.search(before) or _NEG_AFTER.search(after) or re.search(r"\bnot\b", inside):
        return "absent"
    return "present"
