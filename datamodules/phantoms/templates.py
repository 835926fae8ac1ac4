"""The ways to ask about a virtual patient in the five skills of ReXVQA, answered from labels (true or mined) alike.

Every template balances its own answers (yes and no, left and right, ...), so that guessing by the text stays weak.
PHANTOM - NOT A PATIENT.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from medvlm.study import AnswerKind

from .findings import KINDS, NOTHING, SIDED, ZONED
from .miner import Label, Labels

SKILLS = ("presence", "location", "negation", "differential", "geometric")
DIAGNOSES = {
    "effusion": "fluid",
    "pneumothorax": "collapse",
    "consolidation": "pneumonia",
    "cardiomegaly": "heart failure",
    "nodule": "tumour",
    NOTHING: "healthy",
}
QUADRANTS = ("left upper", "left lower", "right upper", "right lower")
_ABNORMAL_YES = 0.7  # 70 % of studies have a finding: asked for it this often, yes and no come out even
_NORMAL_WHICH = 0.4
_HEART_NO = 0.2


@dataclass(frozen=True, slots=True)
class Template:
    """One way to ask.

    Attributes:
        name: Unique name.
        skill: One of ``SKILLS`` (or ``report``).
        kind: Form of the answer.
        text: The question; ``{}`` is the finding that is asked for.
        pick: From the true labels, the finding to ask for, or None if the question makes no sense here.
        options: From the finding and the true labels, the options to choose from.
        answer: From labels, finding and options, the answer.
        subject: From labels, finding and options, the finding that the reasoning speaks about.
        presumes: Whether the question itself says that the finding is there.
    """

    name: str
    skill: str
    kind: AnswerKind
    text: str
    pick: Callable[[Labels, np.random.Generator], str | None]
    answer: Callable[[Labels, str, Sequence[str]], str]
    options: Callable[[str, Labels, np.random.Generator], list[str]] | None = None
    subject: Callable[[Labels, str, Sequence[str]], str] = lambda labels, kind, options: kind
    presumes: bool = False


def _present(labels: Labels, among: Sequence[str] = KINDS) -> list[str]:
    return [kind for kind in among if labels[kind].present]


def _any(kinds: Sequence[str], rng: np.random.Generator) -> str | None:
    return kinds[int(rng.integers(len(kinds)))] if kinds else None


def _balanced(labels: Labels, rng: np.random.Generator) -> str | None:
    """A finding that is there or (as often, over all studies) one that is not."""
    there = _present(labels)
    if there and rng.random() < _ABNORMAL_YES:
        return _any(there, rng)
    return _any([kind for kind in KINDS if not labels[kind].present], rng)


def _first_present(labels: Labels, among: Sequence[str]) -> str:
    """The present finding that was mentioned first, ``NOTHING`` without one."""
    found = sorted(_present(labels, among), key=lambda kind: labels[kind].rank)
    return found[0] if found else NOTHING


def _which(labels: Labels, rng: np.random.Generator) -> str | None:
    there = _present(labels)
    if there:
        return _any(there, rng)
    return NOTHING if rng.random() < _NORMAL_WHICH else None


def _which_options(kind: str, labels: Labels, rng: np.random.Generator) -> list[str]:
    others = [other for other in (*KINDS, NOTHING) if other != kind and not labels[other].present]
    return [kind, *(others[i] for i in rng.permutation(len(others))[:3])]


def _choose(labels: Labels, kind: str, options: Sequence[str]) -> str:
    """The option that the labels speak for; the first finding by habit where they speak for none."""
    chosen = _first_present(labels, options)
    return chosen if chosen in options else next(kind for kind in KINDS if kind in options)


def _undiagnosed(options: Sequence[str]) -> list[str]:
    back = {name: kind for kind, name in DIAGNOSES.items()}
    return [back[option] for option in options]


def _quadrant(label: Label) -> str:
    return f"{label.side} {label.zone}"


def _statement(labels: Labels, kind: str, options: Sequence[str]) -> str:
    return f"{labels[kind].side} {kind}" if labels[kind].present else f"no {kind}"


def _versus(labels: Labels, rng: np.random.Generator) -> str | None:
    there = _present(labels, ZONED)
    return there[0] if len(there) == 1 else None


def _heart(labels: Labels, rng: np.random.Generator) -> str | None:
    return "cardiomegaly" if labels["cardiomegaly"].present or rng.random() < _HEART_NO else None


def _sided(labels: Labels, rng: np.random.Generator) -> str | None:
    return _any(_present(labels, SIDED), rng)


def _zoned(labels: Labels, rng: np.random.Generator) -> str | None:
    return _any(_present(labels, ZONED), rng)


def _sides_or_none(labels: Labels, rng: np.random.Generator) -> str | None:
    there, absent = _present(labels, SIDED), [kind for kind in SIDED if not labels[kind].present]
    return _any(there, rng) if there and rng.random() < 0.8 else _any(absent, rng) if rng.random() < 0.8 else None


def _yes(flag: bool) -> str:
    return "Yes" if flag else "No"


def _versus_kind(labels: Labels, kind: str = "", options: Sequence[str] = ()) -> str:
    found = _first_present(labels, ZONED)
    return ZONED[0] if found == NOTHING else found


def _is_there(labels: Labels, kind: str, options: Sequence[str]) -> str:
    return _yes(labels[kind].present)


def _diagnosis(labels: Labels, kind: str, options: Sequence[str]) -> str:
    return _choose(labels, kind, _undiagnosed(options))


def _which_diagnoses(kind: str, labels: Labels, rng: np.random.Generator) -> list[str]:
    return [DIAGNOSES[option] for option in _which_options(kind, labels, rng)]


def _sides(kind: str, labels: Labels, rng: np.random.Generator) -> list[str]:
    return [f"no {kind}", f"left {kind}", f"right {kind}", f"bilateral {kind}"]


TEMPLATES: tuple[Template, ...] = (
    Template("presence_closed", "presence", "closed", "Is there any {}?", _balanced, _is_there),
    Template(
        "presence_choice",
        "presence",
        "choice",
        "Which finding is present?",
        _which,
        _choose,
        _which_options,
        subject=_choose,
        presumes=True,
    ),
    Template(
        "location_side",
        "location",
        "open",
        "Which side is the {} on?",
        _sided,
        lambda labels, kind, options: labels[kind].side,
        presumes=True,
    ),
    Template(
        "location_zone",
        "location",
        "open",
        "Which zone is the {} in?",
        _zoned,
        lambda labels, kind, options: labels[kind].zone,
        presumes=True,
    ),
    Template(
        "location_choice",
        "location",
        "choice",
        "Where is the {}?",
        _zoned,
        lambda labels, kind, options: _quadrant(labels[kind]),
        lambda kind, labels, rng: list(QUADRANTS),
        presumes=True,
    ),
    Template(
        "location_box",
        "location",
        "box",
        "Give the box of the {}.",
        lambda labels, rng: _any(_present(labels), rng),
        lambda labels, kind, options: "",
        presumes=True,
    ),
    Template(
        "negation_closed",
        "negation",
        "closed",
        "Is the chest free of {}?",
        _balanced,
        lambda labels, kind, options: _yes(not labels[kind].present),
    ),
    Template("negation_choice", "negation", "choice", "What is true of {}?", _sides_or_none, _statement, _sides),
    Template(
        "differential_closed",
        "differential",
        "closed",
        "Is pneumonia more likely than a tumour?",
        _versus,
        lambda labels, kind, options: _yes(_versus_kind(labels) == "consolidation"),
        subject=_versus_kind,
        presumes=True,
    ),
    Template(
        "differential_choice",
        "differential",
        "choice",
        "What is the diagnosis?",
        _which,
        lambda labels, kind, options: DIAGNOSES[_diagnosis(labels, kind, options)],
        _which_diagnoses,
        subject=_diagnosis,
        presumes=True,
    ),
    Template("geometric_heart", "geometric", "closed", "Is the heart wider than half the chest?", _heart, _is_there),
    Template(
        "geometric_size",
        "geometric",
        "open",
        "What size is the {}?",
        _sided,
        lambda labels, kind, options: labels[kind].size,
        presumes=True,
    ),
    Template(
        "geometric_large",
        "geometric",
        "closed",
        "Is the {} large?",
        _sided,
        lambda labels, kind, options: _yes(labels[kind].size == "large"),
        presumes=True,
    ),
    Template(
        "report",
        "report",
        "report",
        "Describe the findings.",
        lambda labels, rng: NOTHING,
        lambda labels, kind, options: "",
        subject=lambda labels, kind, options: "",
    ),
)
"""Every question that can be asked; kinds ``box`` and ``report`` are answered by the caller, who has boxes and text."""
