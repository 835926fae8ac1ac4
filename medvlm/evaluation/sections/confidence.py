"""How sure a model was of each answer: the probability of the option that it gave, or of the tokens that it wrote."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medvlm.evaluation.records import Record
from medvlm.evaluation.statistics import Floats

OPTION = "option probability"
TOKEN = "token probability"
DRAFTS = "share of drafts"


@dataclass(frozen=True, slots=True)
class Population:
    """Answers whose confidences are of one sort and may be ranked together.

    Attributes:
        source: `OPTION`, `TOKEN`, or `DRAFTS` where an answer without options came of several.
        records: Every scored record of the kinds that have it.
        confidence: Of each answer, ``(records,)``, between 0 and 1; NaN where there is none.
        right: 1 for a right answer, else 0, ``(records,)``.
    """

    source: str
    records: tuple[Record, ...]
    confidence: Floats
    right: Floats

    @property
    def name(self) -> str:
        """The kinds of answers in it and the sort of confidence, as they are printed."""
        return f"{', '.join(sorted({record.kind for record in self.records}))}: {self.source}"


def populations(records: Sequence[Record]) -> list[Population]:
    """The scored answers by the sort of confidence that their kind has: of options first, of drafts, then of tokens.

    A kind in which any record has probabilities is one of options, and its other records have no confidence: they could
    not be asked, or gave an answer that is none of the options.

    Args:
        records: Of one run; reports and kinds without any confidence are left out.
    """
    scored = [record for record in records if record.correct is not None]
    with_options = {record.kind for record in scored if record.probabilities}
    with_drafts = {record.kind for record in scored if record.drafts and _finite(record.confidence)} - with_options
    with_tokens = {record.kind for record in scored if _finite(record.confidence)} - with_options - with_drafts
    found = []
    for source, kinds in ((OPTION, with_options), (DRAFTS, with_drafts), (TOKEN, with_tokens)):
        part = tuple(record for record in scored if record.kind in kinds)
        if part:
            confidence = np.array([confidence_of(record, source) for record in part])
            found.append(Population(source, part, confidence, np.array([float(bool(r.correct)) for r in part])))
    return found


def confidence_of(record: Record, source: str) -> float:
    """The confidence of one answer; NaN where there is none.

    Args:
        record: A record.
        source: `OPTION`, `TOKEN` or `DRAFTS`.
    """
    given = record.probabilities.get(record.value or "") if source == OPTION else record.confidence
    return min(max(float(given), 0.0), 1.0) if given is not None and _finite(given) else math.nan


def _finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)
