"""What is said and asked by part of the body: a chest is asked for chest findings, a foot is not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from medvlm.accepts import body_part, spoken_part
from medvlm.reporting.questions import FINDINGS

if TYPE_CHECKING:
    from medvlm.reporting.pick import Candidate


@dataclass(frozen=True, slots=True)
class Template:
    """How a kind of study is reported.

    Attributes:
        title: What the technique begins with; empty where the header does not say what is shown.
        findings: What is asked beside the report.
    """

    title: str
    findings: tuple[str, ...]


_FAMILY = {
    "CR": "radiograph", "DX": "radiograph", "CT": "CT", "MR": "MRI", "US": "ultrasound", "MG": "mammogram",
    "PT": "PET", "NM": "scintigram",
}  # fmt: skip
_CHEST = frozenset({"CR", "DX", "CT", "OT"})
"""Modalities in which the findings of `FINDINGS` are seen; OT is that of files that do not say."""


def template_of(chosen: Candidate) -> Template:
    """The template of what is shown: of a chest in radiographs and CT, else the general one.

    Where a header does not say which part is shown, chest findings are asked for as of a chest; the title says nothing.

    Args:
        chosen: What is shown.
    """
    first = chosen.entries[0]
    part = body_part(first.body_part)
    what = _FAMILY.get(first.modality, "")
    said = spoken_part(part).lower() if part else ""
    title = f"{said} {what}".capitalize() if part and what in ("radiograph", "mammogram") else ""
    if part and what and not title:
        title = f"{what} of {'' if said == 'another part' else 'the '}{said}"
    asked = first.modality in _CHEST and part in ("CHEST", "")
    return Template(title, FINDINGS if asked else ())
