"""Questions about a virtual specimen and their answers: presence, place, size, grade, a count, a diagnosis, a report.

Every question balances its own answers, so that guessing by the text stays weak. PHANTOM - NOT A PATIENT.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from medvlm.study import AnswerKind

from .specimen import AREAS, NORMAL_SHARE, Area, Specimen

SKILLS = ("presence", "location", "negation", "differential", "geometric", "grading", "counting")
NOTHING = "no finding"
NORMAL = "normal tissue"
QUADRANTS = ("left upper", "left lower", "right upper", "right lower")
NOUNS = {"tumour": "tumour nest", "necrosis": "necrosis", "infiltrate": "lymphocytic infiltrate"}
_LOOKS = {
    ("tumour", "low"): "small even nuclei",
    ("tumour", "high"): "large dark uneven nuclei",
    ("necrosis", ""): "granular eosinophilic debris and no nuclei",
    ("infiltrate", ""): "many small round dark nuclei",
}

Make = Callable[[Specimen, np.random.Generator], "Asked | None"]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question about one specimen, with its answer.

    Attributes:
        name: Of the template.
        skill: One of ``SKILLS``, or ``report``.
        kind: Form of the answer; a ``box`` and a ``report`` are answered by the caller.
        text: The question.
        finding: The kind of area that it is about; empty for all of them.
        answer: Its answer.
        options: Of a choice, shuffled.
        rationale: A few words from which the answer follows.
    """

    name: str
    skill: str
    kind: AnswerKind
    text: str
    finding: str
    answer: str
    options: tuple[str, ...] = ()
    rationale: str = ""


def diagnosis(area: Area | None) -> str:
    """What an area means.

    Examples:
        >>> diagnosis(None)
        'normal tissue'
    """
    if area is None:
        return NORMAL
    return (
        f"{area.grade}-grade tumour" if area.grade else {"necrosis": "infarct", "infiltrate": "inflammation"}[area.kind]
    )


def item(kind: str, area: Area | None) -> str:
    """A few words about a kind of area: where it is and what, or that it is absent."""
    if area is None:
        return f"no {kind}"
    cells = f" {area.grade} grade {area.mitoses} mitoses" if area.grade else ""
    return f"{kind} {area.side} {area.zone} {area.size}{cells}"


def write_tissue_report(specimen: Specimen) -> str:
    """Say exactly what a specimen shows.

    Args:
        specimen: The virtual specimen.

    Returns:
        ``MICROSCOPY: ... DIAGNOSIS: ...``.
    """
    lines = [_sentence(area) for area in specimen.areas] or ["Regular glands in fibrous stroma."]
    absent = [NOUNS[kind] for kind in AREAS if specimen.find(kind) is None]
    lines += [f"No {' or '.join(absent)}."] if absent else []
    found = "; ".join(diagnosis(area) for area in specimen.areas) or NORMAL
    return f"MICROSCOPY: {' '.join(lines)} DIAGNOSIS: {found.capitalize()}."


def _sentence(area: Area) -> str:
    text = f"{area.size} {NOUNS[area.kind]} in the {area.side} {area.zone} field with {_LOOKS[area.kind, area.grade]}"
    count = f", {area.mitoses or 'no'} {'mitosis' if area.mitoses == 1 else 'mitoses'}" if area.grade else ""
    return f"{text[0].upper()}{text[1:]}{count}."


def ask_tissue(specimen: Specimen, rng: np.random.Generator, kinds: Sequence[str], per_image: float) -> Iterator[Asked]:
    """Choose questions for one specimen.

    Args:
        specimen: The virtual specimen.
        rng: Seeded by the specimen.
        kinds: Forms of answers that are wanted.
        per_image: About how many questions a specimen with findings gets (a normal one gets fewer).
    """
    wanted = [make for kind, make in _MAKERS if kind in kinds]
    for make in wanted:
        take = rng.random() < per_image / (0.8 * len(wanted))
        asked = make(specimen, rng)
        if take and asked is not None:
            yield asked


def _yes(flag: bool) -> str:
    return "Yes" if flag else "No"


def _any(areas: Sequence[Area], rng: np.random.Generator) -> Area | None:
    return areas[int(rng.integers(len(areas)))] if areas else None


def _balanced(specimen: Specimen, rng: np.random.Generator) -> str:
    """A kind that is there or (as often, over all specimens) one that is not."""
    there = [area.kind for area in specimen.areas]
    if there and rng.random() < 0.5 / (1 - NORMAL_SHARE):
        return there[int(rng.integers(len(there)))]
    absent = [kind for kind in AREAS if kind not in there]
    return absent[int(rng.integers(len(absent)))]


def _shuffled(options: Sequence[str], rng: np.random.Generator) -> tuple[str, ...]:
    return tuple(options[i] for i in rng.permutation(len(options)))


def _presence(specimen: Specimen, rng: np.random.Generator) -> Asked:
    kind = _balanced(specimen, rng)
    area = specimen.find(kind)
    return Asked("presence_closed", "presence", "closed", f"Is there any {kind}?", kind, _yes(area is not None),
                 rationale=item(kind, area))  # fmt: skip


def _negation(specimen: Specimen, rng: np.random.Generator) -> Asked:
    kind = _balanced(specimen, rng)
    area = specimen.find(kind)
    return Asked("negation_closed", "negation", "closed", f"Is the tissue free of {kind}?", kind, _yes(area is None),
                 rationale=item(kind, area))  # fmt: skip


def _which(specimen: Specimen, rng: np.random.Generator) -> Asked | None:
    area = _any(specimen.areas, rng)
    if len(specimen.areas) > 1:  # two right options
        return None
    if area is None and rng.random() < 0.45:
        return None
    kind, why = (area.kind, item(area.kind, area)) if area else ("", NORMAL)
    return Asked("presence_choice", "presence", "choice", "Which finding is present?", kind, kind or NOTHING,
                 _shuffled((*AREAS, NOTHING), rng), why)  # fmt: skip


def _diagnosis(specimen: Specimen, rng: np.random.Generator) -> Asked | None:
    if len(specimen.areas) > 1 or (not specimen.areas and rng.random() < 0.5):
        return None
    area = _any(specimen.areas, rng)
    every = ["low-grade tumour", "high-grade tumour", "infarct", "inflammation", NORMAL]
    others = [name for name in every if name != diagnosis(area)]
    options = (diagnosis(area), *_shuffled(others, rng)[:3])
    kind, why = (area.kind, item(area.kind, area)) if area else ("", NORMAL)
    return Asked("differential_choice", "differential", "choice", "What is the diagnosis?", kind, diagnosis(area),
                 _shuffled(options, rng), why)  # fmt: skip


def _located(
    name: str, skill: str, kind: AnswerKind, text: str, answer: Callable[[Area], str], options: Sequence[str] = ()
) -> Make:
    """A question about one area that is there, if one is."""

    def make(specimen: Specimen, rng: np.random.Generator) -> Asked | None:
        area = _any(specimen.areas, rng)
        if area is None:
            return None
        return Asked(name, skill, kind, text.format(area.kind), area.kind, answer(area), _shuffled(options, rng),
                     item(area.kind, area))  # fmt: skip

    return make


def _of_tumour(name: str, skill: str, kind: AnswerKind, text: str, answer: Callable[[Area], str]) -> Make:
    """A question about the tumour, if there is one."""

    def make(specimen: Specimen, rng: np.random.Generator) -> Asked | None:
        area = specimen.find("tumour")
        if area is None:
            return None
        return Asked(name, skill, kind, text, "tumour", answer(area), rationale=item("tumour", area))

    return make


def _report(specimen: Specimen, rng: np.random.Generator) -> Asked:
    words = "; ".join(item(kind, specimen.find(kind)) for kind in AREAS)
    return Asked("report", "report", "report", "Describe the tissue.", "", write_tissue_report(specimen),
                 rationale=words)  # fmt: skip


_MAKERS: tuple[tuple[AnswerKind, Make], ...] = (
    ("closed", _presence),
    ("closed", _negation),
    ("choice", _which),
    ("choice", _diagnosis),
    ("choice", _located("location_choice", "location", "choice", "Where is the {}?",
                        lambda area: f"{area.side} {area.zone}", QUADRANTS)),
    ("open", _located("location_side", "location", "open", "Which half of the image is the {} in?",
                      lambda area: area.side)),
    ("open", _located("geometric_size", "geometric", "open", "What size is the {}?", lambda area: area.size)),
    ("box", _located("location_box", "location", "box", "Give the box of the {}.", lambda area: "")),
    ("open", _of_tumour("grading_open", "grading", "open", "What grade is the tumour?", lambda area: area.grade)),
    ("closed", _of_tumour("grading_closed", "grading", "closed", "Is the tumour of high grade?",
                          lambda area: _yes(area.grade == "high"))),
    ("number", _of_tumour("counting_mitoses", "counting", "number", "How many mitoses are there?",
                          lambda area: str(area.mitoses))),
    ("report", _report),
)  # fmt: skip
"""Every question that can be asked, by the form of its answer."""
