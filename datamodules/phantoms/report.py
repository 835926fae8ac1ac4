"""Reports of virtual patients as hurried people dictate them: omissions, synonyms, negations, contrasts.

``write_report(study)`` is what the archive holds; ``write_report(study, FAITHFUL)`` says exactly what the image shows.
PHANTOM - NOT A PATIENT.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .findings import KINDS, Finding, Study

NOUNS = {
    "effusion": "pleural effusion",
    "pneumothorax": "pneumothorax",
    "consolidation": "consolidation",
    "cardiomegaly": "cardiomegaly",
    "nodule": "nodule",
}
SYNONYMS = {
    "effusion": "blunted costophrenic angle",
    "pneumothorax": "collapsed lung",
    "consolidation": "airspace opacity",
    "cardiomegaly": "enlarged heart",
    "nodule": "round opacity",
}


CLEAR = "The lungs are clear."
"""What stands where nothing was found."""


@dataclass(frozen=True, slots=True)
class Habits:
    """How often a dictating person does what misleads a keyword search (probabilities).

    Attributes:
        omit: A finding is left out (a boilerplate sentence stands instead).
        synonym: A finding is named by a word that crude searches do not know.
        negate: A finding that is absent is named in a negation.
        negatives_first: The negations come before what was found.
        hedge: A finding is called possible.
        contrast: The opposite side, zone or size is mentioned in the same sentence, after what is meant.
        vague: The size or zone is given by a word that is commonly misread, or the side as seen on the image.
    """

    omit: float = 0.08
    synonym: float = 0.1
    negate: float = 0.6
    negatives_first: float = 0.5
    hedge: float = 0.1
    contrast: float = 0.38
    vague: float = 0.2


FAITHFUL = Habits(0, 0, 0.5, 0, 0, 0, 0)
"""Habits that never mislead: everything is named once, plainly."""


def _side(finding: Finding, habits: Habits, rng: np.random.Generator) -> tuple[str, str]:
    """Words for the side: before the noun, after it."""
    other = "left" if finding.side == "right" else "right"
    if rng.random() < habits.vague:
        return "", f" on the {other} of the image"
    if rng.random() < habits.contrast:
        return f"{finding.side} ", f", {other} side clear"
    return f"{finding.side} ", ""


def _zone(finding: Finding, habits: Habits, rng: np.random.Generator) -> tuple[str, str]:
    if finding.zone == "lower" and rng.random() < habits.vague:
        return "", " above the diaphragm"
    other = "lower" if finding.zone == "upper" else "upper"
    spared = f", {other} zones spared" if rng.random() < habits.contrast else ""
    return f"{finding.zone} zone ", spared


def _size(finding: Finding, habits: Habits, rng: np.random.Generator) -> tuple[str, str]:
    heart = finding.kind == "cardiomegaly"
    if finding.size == "small":
        vague = rng.random() < habits.vague
        return "moderate " if vague else "mild " if heart else "small ", ""
    longer = ", no longer small" if rng.random() < habits.contrast else ""
    return "severe " if heart else "large ", longer


def describe(finding: Finding, habits: Habits, rng: np.random.Generator) -> str:
    """One sentence about a finding that is there."""
    noun = SYNONYMS[finding.kind] if rng.random() < habits.synonym else NOUNS[finding.kind]
    size, size_tail = _size(finding, habits, rng)
    side, side_tail = _side(finding, habits, rng) if finding.side else ("", "")
    zone, zone_tail = _zone(finding, habits, rng) if finding.zone else ("", "")
    lead = "possible " if rng.random() < habits.hedge else ""
    change = {"": "", "new": ", new since the prior study"}.get(finding.change, f", {finding.change} from prior")
    text = f"{lead}{size}{side}{zone}{noun}{zone_tail}{side_tail}{size_tail}{change}."
    return text[0].upper() + text[1:]


def _negations(kinds: list[str], rng: np.random.Generator) -> list[str]:
    """Sentences that deny the kinds, in the order of habit (the order of ``KINDS``)."""
    if len(kinds) > 1 and rng.random() < 0.5:
        nouns = [NOUNS[kind] for kind in kinds]
        return [f"No {', '.join(nouns[:-1])} or {nouns[-1]}."]
    form = str(rng.choice(["No {}.", "No evidence of {}.", "There is no {}."]))
    return [form.format(NOUNS[kind]) for kind in kinds]


def _boilerplate(study: Study, rng: np.random.Generator) -> str:
    lines = ["The bony thorax is intact.", "Lines and tubes: none.", "The mediastinum is midline."]
    return str(rng.choice(lines)) if study.findings else CLEAR


def write_report(study: Study, habits: Habits | None = None) -> str:
    """Write the report of a study, always the same one for the same study and habits.

    Args:
        study: The virtual patient at one time.
        habits: How it is dictated; None means the hurried default.

    Returns:
        ``FINDINGS: ... IMPRESSION: ...``.
    """
    style, rng = habits or Habits(), study.rng(3)
    named = [finding for finding in study.findings if rng.random() >= style.omit]
    positive = [describe(finding, style, rng) for finding in named]
    present = {finding.kind for finding in study.findings}
    absent = [kind for kind in KINDS if kind not in present and rng.random() < style.negate]
    gone = [f"The {old.side} {NOUNS[old.kind]} has resolved.".replace("  ", " ") for old in study.resolved]
    positive += gone or ([] if positive else [_boilerplate(study, rng)])
    parts = [positive, _negations(absent, rng)]
    if rng.random() < style.negatives_first:
        parts.reverse()
    summary = [f"{finding.side} {NOUNS[finding.kind]}".strip() for finding in named]
    text = "; ".join(summary).capitalize() if summary else "No acute abnormality"
    return f"FINDINGS: {' '.join(parts[0] + parts[1])} IMPRESSION: {text}."
