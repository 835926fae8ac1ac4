"""The reports of a run as scores with weights take them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from medvlm.evaluation.metrics import pairs
from medvlm.evaluation.records import Record


@dataclass(frozen=True, slots=True)
class Reports:
    """Pairs of reports.

    Attributes:
        ids: Of the questions.
        given: Reports read from the answers, their white space collapsed; empty where there was none.
        wanted: The reference of each.
        texts: The whole answers, thoughts included.
    """

    ids: tuple[str, ...]
    given: tuple[str, ...]
    wanted: tuple[str, ...]
    texts: tuple[str, ...]


def reports_of(records: Sequence[Record]) -> Reports:
    """The reports among the records of a run.

    Args:
        records: One for each question.

    Raises:
        ValueError: If there are none.
    """
    found = [record for record in records if record.kind == "report"]
    if not found:
        raise ValueError("no question asks for a report: leave --report-metrics out")
    given, wanted = pairs([record.value or "" for record in found], [record.reference for record in found])
    ids, texts = ([getattr(record, name) for record in found] for name in ("id", "text"))
    return Reports(tuple(ids), tuple(given), tuple(wanted), tuple(texts))
