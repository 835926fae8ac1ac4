"""Which image of a study is shown to the model, and why the others are not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from medvlm.reporting.find import Entry, Study

if TYPE_CHECKING:
    from medvlm.intensity import IntensityRecipe

SLICED = ("CT", "MR", "PT", "NM")
"""Modalities whose series are volumes."""
NO_IMAGE = ("SEG", "PR", "SR", "KO", "DOC", "RTSTRUCT", "RTDOSE", "RTPLAN", "REG", "FID", "ECG", "AU", "OPM")
"""Modalities of objects that hold no picture to report, though some have pixels."""
VIEWS = {"PA": 0, "AP": 1, "": 2}
"""Order in which views are preferred; all others come after."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An image or a volume that the model could be shown."""

    entries: tuple[Entry, ...]
    volume: bool

    @property
    def name(self) -> str:
        """What it is, without anything of the patient."""
        first = self.entries[0]
        if self.volume:
            return f"series {first.order[0]}: {first.modality}, {len(self.entries)} slices"
        frames = f", {first.frames} frames" if first.frames > 1 else ""
        view = f" {first.view}" if first.view else ""
        return f"series {first.order[0]}, image {first.order[1]}: {first.modality}{view}{frames}"

    @property
    def rank(self) -> tuple[object, ...]:
        """Smaller is better: originals, volumes, more slices, frontal views, the order of the scanner."""
        first = self.entries[0]
        derived = "Secondary Capture" in first.content
        return derived, not self.volume, -len(self.entries), VIEWS.get(first.view, 3), first.order, str(first.path)


@dataclass(frozen=True, slots=True)
class Pick:
    """What is shown (None if nothing can be), and for everything else in the study why not."""

    chosen: Candidate | None
    skipped: tuple[tuple[str, str], ...]


def pick(study: Study, recipes: Sequence[IntensityRecipe]) -> Pick:
    """Choose the one image or volume of a study that is reported.

    Args:
        study: What was found.
        recipes: Those of the model: what they do not take is skipped.
    """
    if study.kind != "dicom":
        return Pick(Candidate(study.entries, volume=False), ())
    skipped: list[tuple[str, str]] = []
    fitting = []
    for candidate in _candidates(study, skipped):
        reason = _misfit(candidate, recipes)
        if reason:
            skipped.append((candidate.name, reason))
        else:
            fitting.append(candidate)
    fitting.sort(key=lambda candidate: candidate.rank)
    skipped += [(other.name, _why_not(fitting[0], other)) for other in fitting[1:]]
    return Pick(fitting[0] if fitting else None, tuple(skipped))


def _candidates(study: Study, skipped: list[tuple[str, str]]) -> Iterator[Candidate]:
    strange: Counter[tuple[str, str]] = Counter()
    for _, members in groupby(study.entries, key=lambda entry: entry.series):
        images = []
        for entry in members:
            reason = _no_image(entry)
            if reason:
                strange[entry.content, reason] += 1
            else:
                images.append(entry)
        if len(images) > 1 and images[0].modality in SLICED and all(entry.frames == 1 for entry in images):
            yield Candidate(tuple(images), volume=True)
        else:
            yield from (Candidate((entry,), volume=False) for entry in images)
    skipped += [(f"{count} x {content}", reason) for (content, reason), count in strange.items()]


def _no_image(entry: Entry) -> str:
    if not entry.frames:
        return "no pixels"
    if entry.modality in NO_IMAGE:
        return f"modality {entry.modality} is no picture to report"
    return "a localizer" if entry.localizer else ""


def _misfit(candidate: Candidate, recipes: Sequence[IntensityRecipe]) -> str:
    """Why no recipe of the model takes it, as far as a header tells; empty if one may."""
    modality = candidate.entries[0].modality
    fitting = [recipe for recipe in recipes if "*" in recipe.modalities or modality in recipe.modalities]
    if not fitting:
        known = sorted({name for recipe in recipes for name in recipe.modalities})
        return f"the model takes no {modality} (it takes {', '.join(known)})"
    what, shapes = _shape(candidate)
    if not any(shape in recipe.axes for recipe in fitting for shape in shapes):
        return f"the model takes no {modality} {what}"
    return ""


def _shape(candidate: Candidate) -> tuple[str, tuple[str, ...]]:
    if candidate.volume:
        return "volumes", ("zyx",)
    return ("films", ("tyx", "tyxc")) if candidate.entries[0].frames > 1 else ("images", ("yx", "yxc"))


def _why_not(chosen: Candidate, other: Candidate) -> str:
    best = chosen.name
    if other.rank[0] and not chosen.rank[0]:
        return f"a secondary capture; the original was chosen ({best})"
    if chosen.volume and not other.volume:
        return f"one image a report; the volume was chosen ({best})"
    if chosen.volume:
        return f"one volume a report; that with most slices was chosen ({best})"
    return f"one image a report; the first was chosen, frontal views before others ({best})"
