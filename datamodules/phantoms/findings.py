"""Virtual patients: what is wrong with them, where, how large, and how it changed since the prior study."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from .anatomy import Anatomy, sample_anatomy
from .hardness import EASY, Hardness

KINDS = ("effusion", "pneumothorax", "consolidation", "cardiomegaly", "nodule")
"""The findings a phantom can have, at most one of each."""
NOTHING = "no finding"
"""Name of the absence of all of them, where it stands among findings."""
ZONED = ("consolidation", "nodule")
"""Findings that lie in the upper or lower zone of one lung."""
SIDED = ("effusion", "pneumothorax", "consolidation", "nodule")
"""Findings that lie on one side."""

Side = Literal["left", "right", ""]
Zone = Literal["upper", "lower", ""]
Size = Literal["small", "large"]
Change = Literal["", "new", "increased", "decreased", "unchanged", "resolved"]

_CHANGES: tuple[Change, ...] = ("unchanged", "", "resolved")
NORMAL_SHARE = 0.3
PRIOR_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding of one study.

    Attributes:
        kind: One of ``KINDS``.
        size: ``small`` or ``large`` (mild or severe for the heart).
        side: The PATIENT's side; empty for the heart.
        zone: ``upper`` or ``lower`` for findings in ``ZONED``.
        mm: Extent in millimetres: nodule diameter, fluid height, rim width; for the heart its width over the chest's.
        place: Centre (distance from the midline, height) in millimetres for zoned findings.
        change: What happened since the prior study; ``resolved`` findings are no longer in the image.
    """

    kind: str
    size: Size
    side: Side = ""
    zone: Zone = ""
    mm: float = 0.0
    place: tuple[float, float] = (0.0, 0.0)
    change: Change = ""


@dataclass(frozen=True, slots=True)
class Study:
    """One examination of a virtual patient.

    Attributes:
        patient: ``PHANTOM-000123``.
        index: Number of the patient in its cohort.
        number: 0 for the first study of the patient, 1 for the follow-up.
        seed: Seed of the cohort.
        body: The healthy anatomy.
        findings: What the image shows.
        resolved: Findings of the prior study that the image no longer shows.
        has_prior: Whether an earlier study exists.
        hardness: How hard its images are to read.
    """

    patient: str
    index: int
    number: int
    seed: int
    body: Anatomy
    findings: tuple[Finding, ...]
    resolved: tuple[Finding, ...] = ()
    has_prior: bool = False
    hardness: Hardness = EASY

    def rng(self, purpose: int) -> np.random.Generator:
        """Random numbers that depend on the study and a purpose only, never on the order of work."""
        return np.random.default_rng([self.seed, self.index, self.number, purpose])

    def find(self, kind: str) -> Finding | None:
        """The finding of that kind, if the image shows one."""
        return next((finding for finding in self.findings if finding.kind == kind), None)


_RANGES: dict[str, dict[str, tuple[float, float]]] = {
    "effusion": {"small": (18, 30), "large": (66, 95)},
    "pneumothorax": {"small": (28, 35), "large": (52, 64)},
    "consolidation": {"small": (33, 38), "large": (50, 58)},
    "cardiomegaly": {"small": (0.56, 0.59), "large": (0.62, 0.67)},
    "nodule": {"small": (29, 34), "large": (43, 50)},
}


def sized(kind: str, size: Size, rng: np.random.Generator, extent: float = 1.0) -> float:
    """Draw an extent for a finding of a named size; ``extent`` is a factor on it (on the excess of a heart)."""
    low, high = _RANGES[kind][size]
    drawn = float(rng.uniform(low, high))
    if extent == 1:
        return drawn
    return 0.5 + (drawn - 0.5) * extent if kind == "cardiomegaly" else drawn * extent


def _draw(kind: str, body: Anatomy, rng: np.random.Generator, extent: float) -> Finding:
    size: Size = "small" if rng.random() < 0.5 else "large"
    side: Side = ("left" if rng.random() < 0.5 else "right") if kind in SIDED else ""
    zone: Zone = ("upper" if rng.random() < 0.5 else "lower") if kind in ZONED else ""
    place = (0.0, 0.0)
    if zone == "upper":
        place = (float(rng.uniform(0.46, 0.58)) * body.cage, float(rng.uniform(0.38, 0.6)) * body.apex)
    elif zone == "lower":
        place = (float(rng.uniform(0.62, 0.74)) * body.cage, body.dome + float(rng.uniform(34, 52)))
    return Finding(kind, size, side, zone, sized(kind, size, rng, extent), place)


def _clash(one: Finding, two: Finding) -> bool:
    """Whether one finding could hide the other; symmetric in sides and zones, so that no side becomes frequent."""
    if one.kind == two.kind or (one.side and one.side == two.side):
        return True
    return "cardiomegaly" in (one.kind, two.kind) and (one.kind in ZONED or two.kind in ZONED)


def sample_findings(body: Anatomy, rng: np.random.Generator, extent: float = 1.0) -> tuple[Finding, ...]:
    """Draw none (30 %), one or two findings of different kinds that do not hide each other."""
    if rng.random() < NORMAL_SHARE:
        return ()
    first = _draw(str(rng.choice(KINDS)), body, rng, extent)
    if rng.random() < 0.5:
        return (first,)
    second = _draw(str(rng.choice(KINDS)), body, rng, extent)
    while _clash(first, second):
        second = _draw(str(rng.choice(KINDS)), body, rng, extent)
    return first, second


def _follow(prior: Study, rng: np.random.Generator) -> Study:
    """The later study of the same body: each finding stays, grows, shrinks or goes, and one may be new."""
    kept: list[Finding] = []
    extent = prior.hardness.extent
    gone: list[Finding] = []
    for finding in prior.findings:
        grown: Change = "increased" if finding.size == "small" else "decreased"
        change = _CHANGES[int(rng.integers(3))] or grown
        if change == "resolved":
            gone.append(replace(finding, change=change))
        elif change == "unchanged":
            kept.append(replace(finding, change=change))
        else:
            size: Size = "large" if grown == "increased" else "small"
            kept.append(replace(finding, change=change, size=size, mm=sized(finding.kind, size, rng, extent)))
    if len(kept) < 2 and rng.random() < 0.4:
        taken = {finding.kind for finding in prior.findings}
        fresh = _draw(str(rng.choice([kind for kind in KINDS if kind not in taken])), prior.body, rng, extent)
        if not any(_clash(fresh, other) for other in kept):
            kept.append(replace(fresh, change="new"))
    return replace(prior, number=1, findings=tuple(kept), resolved=tuple(gone), has_prior=True)


def sample_patient(seed: int, index: int, hardness: Hardness = EASY) -> tuple[Study, ...]:
    """Draw a virtual patient: one study, or (for a quarter of them) a prior and a follow-up.

    Args:
        seed: Seed of the cohort, 0 or more.
        index: Number of the patient in the cohort, 0 or more.
        hardness: How hard the images are to read.

    Examples:
        >>> sample_patient(0, 7)[0].patient
        'PHANTOM-000007'
    """
    if seed < 0 or index < 0:
        raise ValueError(f"Seed and index of a virtual patient are 0 or more, got seed={seed}, index={index}.")
    rng = np.random.default_rng([seed, index])
    body = sample_anatomy(rng)
    findings = sample_findings(body, rng, hardness.extent)
    first = Study(f"PHANTOM-{index:06d}", index, 0, seed, body, findings, hardness=hardness)
    return (first, _follow(first, rng)) if rng.random() < PRIOR_SHARE else (first,)


def sample_patients(seed: int, count: int) -> Iterator[tuple[Study, ...]]:
    """Draw the patients 0 to ``count - 1`` of a cohort, one after another."""
    return (sample_patient(seed, index) for index in range(count))
