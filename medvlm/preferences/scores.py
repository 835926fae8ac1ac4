"""A score of reports that is about hallucination: which share of the findings that are named is really there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from medvlm.evaluation.metrics import finding_counts
from medvlm.evaluation.parser import parse_answer


def supported_findings(
    completions: Sequence[str], answer: Sequence[str], kind: Sequence[str], **columns: Any
) -> list[float | None]:
    """Share of the findings named present that are present in the reference; 1 where none is named, None for no report.

    Args:
        completions: Reports as the model wrote them, reasoning tags included.
        answer: Reference reports.
        kind: Kind of answer of each sample.
        **columns: Not looked at.

    Examples:
        >>> supported_findings(["Large effusion. Nodule.", "Clear."], ["Large effusion."] * 2, ["report"] * 2)
        [0.5, 1.0]
    """
    return [
        _share(text, wanted) if what == "report" else None
        for text, wanted, what in zip(completions, answer, kind, strict=True)
    ]


def _share(text: str, wanted: str) -> float:
    counts = finding_counts(parse_answer(text, "report", ()).value or "", wanted).values()
    hits, extra = sum(count[0] for count in counts), sum(count[1] for count in counts)
    return hits / (hits + extra) if hits + extra else 1.0
