"""Which image of a study is shown to the model, and why the others are not: the readers' rules, and the recipes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, TypedDict

from medvlm.accepts import TAKES_ALL, Accepts
from medvlm.datamodules.readers import choose
from medvlm.reporting.studies import Entry, Study

if TYPE_CHECKING:
    from medvlm.intensity import IntensityRecipe

Candidate: TypeAlias = choose.Candidate[Entry]


class _Said(TypedDict):
    view: str
    part: str
    size: tuple[int, int]
    slices: int | None


@dataclass(frozen=True, slots=True)
class Pick:
    """What is shown (None if nothing can be), and for everything else in the study why not."""

    chosen: Candidate | None
    skipped: tuple[tuple[str, str], ...]


def pick(study: Study, recipes: Sequence[IntensityRecipe], accepts: Accepts = TAKES_ALL) -> Pick:
    """Choose the one image or volume of a study that is reported.

    Args:
        study: What was found.
        recipes: Those of the model: what they do not take is skipped.
        accepts: What its card says it takes: what a header contradicts is skipped.
    """
    if study.kind != "dicom":
        return Pick(choose.Candidate(study.entries, volume=False), ())
    found, unfit = choose.candidates(study.entries)
    skipped = [(f"{one.count} x {one.series}", one.reason) for one in unfit]
    reasons = [(candidate, _misfit(candidate, recipes) or accepts.misfit(**_said(candidate))) for candidate in found]
    skipped += [(candidate.name, reason) for candidate, reason in reasons if reason]
    fitting = sorted((candidate for candidate, reason in reasons if not reason), key=lambda one: one.rank)
    skipped += [(other.name, choose.why_not(fitting[0], other)) for other in fitting[1:]]
    return Pick(fitting[0] if fitting else None, tuple(skipped))


def unchecked(candidate: Candidate, accepts: Accepts) -> tuple[str, ...]:
    """What a header does not say of what the model wants to know.

    Args:
        candidate: What is shown.
        accepts: What the model takes.
    """
    return accepts.unsaid(**_said(candidate))


def _said(candidate: Candidate) -> _Said:
    first = candidate.entries[0]
    slices = candidate.count if candidate.volume or candidate.count > 1 else None
    return {"view": first.view, "part": first.body_part, "size": first.size, "slices": slices}


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
