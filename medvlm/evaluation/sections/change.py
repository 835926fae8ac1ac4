"""Change since a prior study: which direction was meant, which was said, in questions and in reports."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from medvlm.evaluation.protocols import Protocol
from medvlm.evaluation.records import Record
from medvlm.evaluation.report_metrics.surface import temporal
from medvlm.evaluation.sections.resampling import interval_of, ratio, resampled_sums
from medvlm.evaluation.sections.section import Cell, Section
from medvlm.evaluation.statistics import Floats
from medvlm.evaluation.temporal import CHANGES, change_of, changes

SAID = (*CHANGES, "other")
"""What an answer may say: a change, or ``other``: none, several, unread, or of a report nothing of that finding."""
_TASK = re.compile(r"comparison|temporal|change|progress|difference|longitudinal", re.IGNORECASE)
_PRIOR = re.compile(
    r"\b(?:prior|previous\w*|earlier|last (?:visit|study|exam\w*)|since|compar\w+|chang\w+|interval|follow-?up"
    r"|progress\w*|evol\w+)\b|变化|对比|比较|前片|既往|上次",
    re.IGNORECASE,
)
_ABOUT = (
    "Words of one meaning are one change (stable, unchanged, no change), and what is denied is none (no new effusion), "
    "where Libra's keyword F1 gives 0 and 1. Rows are what the reference says, columns what was said of the same "
    "finding; other: none of these, several, or unread. Macro F1 is the mean over the changes that a reference states."
)
Place = tuple[int, int, int]
"""Of one stated change: the record, what was meant, what was said (places in `SAID`)."""


def change(records: Sequence[Record], protocol: Protocol, seed: int) -> Section | None:
    """The section of questions and reports that compare with a prior study; None where no reference does.

    Args:
        records: One for each question.
        protocol: Not used.
        seed: Seed of the intervals.
    """
    rows: list[tuple[Cell, ...]] = []
    notes: list[str] = []
    reports = [record for record in records if record.kind == "report"]
    for part, places in (("questions", list(_questions(records))), ("reports", list(_statements(records)))):
        if any(meant < len(CHANGES) for _, meant, _ in places):
            rows += _rows(part, places, [record.cluster for record in records], seed)
    if not rows:
        return None
    if any(row[0] == "reports" for row in rows):
        (found,) = temporal([record.value or "" for record in reports], [record.reference for record in reports])
        notes.append(f"{found.name} = {found.value:.3f}")
        notes.append("Reports: a change that no reference states is a false alarm of its row's F1, and in no cell")
    columns = ("part", "reference", "n", *SAID, "recall", "F1")
    return Section("change", "Change since a prior study", _ABOUT, columns, tuple(rows), notes=tuple(notes))


def _questions(records: Sequence[Record]) -> Iterator[Place]:
    """Questions about change whose reference names one."""
    for place, record in enumerate(records):
        if record.kind not in ("choice", "closed", "open") or not _compares(record):
            continue
        meant = change_of(_words(record, record.reference))
        said = change_of(_words(record, record.value)) if record.value is not None else None
        if meant is not None:
            yield place, SAID.index(meant), SAID.index(said or "other")


def _compares(record: Record) -> bool:
    return any(_TASK.search(value) for value in record.categories.values()) or bool(_PRIOR.search(record.question))


def _words(record: Record, answer: str) -> str:
    """The text of an answer; of a letter that of its option."""
    place = ord(answer) - ord("A") if len(answer) == 1 and record.kind == "choice" else -1
    return record.options[place] if 0 <= place < len(record.options) else answer


def _statements(records: Sequence[Record]) -> Iterator[Place]:
    """What reports state of each finding; of several changes of one finding each is one."""
    for place, record in enumerate(records):
        if record.kind != "report":
            continue
        meant, said = changes(record.reference), changes(record.value or "")
        for finding, one in sorted(meant):
            same = {other for name, other in said if name == finding}
            found = one if one in same else next(iter(same)) if len(same) == 1 else "other"
            yield place, SAID.index(one), SAID.index(found)
        for finding, one in sorted(said - meant):
            if not any(name == finding for name, _ in meant):
                yield place, len(CHANGES), SAID.index(one)  # said of a finding that did not change


def _rows(part: str, places: Sequence[Place], clusters: Sequence[str], seed: int) -> list[tuple[Cell, ...]]:
    """The confusion table with recall and F1 of each change, and the means below it."""
    size = len(SAID)
    table = np.zeros((len(clusters), size * size))
    for place, meant, said in places:
        table[place, meant * size + said] += 1
    asked = [place for place in range(len(clusters)) if table[place].any()]
    sums = resampled_sums(table[asked], [clusters[place] for place in asked], seed=seed)
    whole = table.sum(0).reshape(size, size)
    each = _f1(whole[None])[0]
    rows: list[tuple[Cell, ...]] = []
    for row, one in enumerate(CHANGES):
        if whole[row].any():
            n = int(whole[row].sum())
            rows.append((part, one, n, *map(int, whole[row]), float(whole[row, row] / n), float(each[row])))
    known = whole[: len(CHANGES)]
    n, found = int(known.sum()), len({clusters[place] for place in asked})
    drawn = sums.reshape(-1, size, size)
    right = interval_of(float(np.trace(whole) / n), ratio(_hits(drawn), drawn[:, :-1].sum((1, 2))), n, found)
    macro = interval_of(float(_macro(whole[None])[0]), _macro(drawn), n, found)
    return [*rows, (part, "all (recall: share right; F1: macro)", n, *map(int, known.sum(0)), right, macro)]


def _hits(tables: NDArray[np.float64]) -> Floats:
    """Right ones of each table ``(B, said, said)``; the last row and column are no change."""
    hits: Floats = np.diagonal(tables, axis1=1, axis2=2)[:, :-1].sum(1)
    return hits


def _f1(tables: NDArray[np.float64]) -> Floats:
    """F1 of each change ``(B, changes)``, NaN where neither side has it."""
    hits = np.diagonal(tables, axis1=1, axis2=2)
    return ratio(2 * hits, tables.sum(1) + tables.sum(2))[:, : len(CHANGES)]


def _macro(tables: NDArray[np.float64]) -> Floats:
    """Mean F1 over the changes that a reference of the table states."""
    stated = tables.sum(2)[:, : len(CHANGES)] > 0
    return ratio(np.where(stated, np.nan_to_num(_f1(tables)), 0.0).sum(1), stated.sum(1).astype(np.float64))
