"""Further tables of a score, each from the records alone: a function a file, named in the list below."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from medvlm.evaluation.protocols import Protocol
from medvlm.evaluation.records import Record
from medvlm.evaluation.sections.calibration import calibration, reliability
from medvlm.evaluation.sections.change import change
from medvlm.evaluation.sections.drafts import drafts
from medvlm.evaluation.sections.grounding import grounding
from medvlm.evaluation.sections.measurement import measurement
from medvlm.evaluation.sections.orders import orders
from medvlm.evaluation.sections.positions import positions
from medvlm.evaluation.sections.regions import regions
from medvlm.evaluation.sections.section import Section
from medvlm.evaluation.sections.selective import selective
from medvlm.evaluation.sections.subgroups import subgroups

SectionMaker = Callable[[Sequence[Record], Protocol, int], Section | None]
"""Makes a section of the records, the protocol and a seed; None where these records give it nothing to say."""

SECTIONS: tuple[SectionMaker, ...] = (
    calibration,
    reliability,
    selective,
    drafts,
    positions,
    orders,
    subgroups,
    grounding,
    measurement,
    change,
    regions,
)


def make_sections(records: Sequence[Record], protocol: Protocol, *, seed: int = 0) -> tuple[Section, ...]:
    """Every section that these records give, in the order of the list.

    Args:
        records: One for each question.
        protocol: How they are scored and clustered.
        seed: Seed of the intervals.
    """
    made = (make(records, protocol, seed) for make in SECTIONS)
    return tuple(section for section in made if section is not None)
