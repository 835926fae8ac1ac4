"""Subgroups: accuracy and findings by sex, age, view, scanner and language, with the worst group and the gap to it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from medvlm.evaluation.parser import parse_answer
from medvlm.evaluation.protocols import Protocol
from medvlm.evaluation.records import Record
from medvlm.evaluation.sections.attributes import ATTRIBUTES, UNKNOWN, attribute_of
from medvlm.evaluation.sections.resampling import difference_of, interval_of, ratio, resampled_sums
from medvlm.evaluation.sections.section import Cell, Section
from medvlm.evaluation.statistics import Difference, Floats, cluster_sums

LEAST = 10
"""Clusters below which a group is shown but never called the worst or the best."""
MOST = 12
"""Groups of an attribute that are shown; the smallest others are one group."""
PRESENCE = ("presence", "presence assessment", "pres", "existence", "abnormality")
"""Values of a category of a question that asks whether something is there."""
LEVEL = 0.05
_MEASURES = ("accuracy", "finding F1", "missed findings")
_ABOUT = (
    "Gap: best less worst group; p: how often groups that are all alike would differ as much. Missed findings: share "
    "of present findings, asked for by yes or no, that were not affirmed (under-diagnosis). Groups of fewer than "
    f"{LEAST} clusters, unknown ones and the rest of many are never called best or worst."
)


@dataclass(frozen=True, slots=True)
class _Table:
    """One attribute, resampled.

    Attributes:
        attribute: Such as ``sex``.
        groups: Values, in the order shown.
        n: Records of each group, in all and by measure, ``(groups, 1 + measures)``.
        clusters: Their clusters, likewise.
        value: Each measure of each group, ``(groups, measures)``; NaN where it has none.
        drawn: The same of each resample, ``(resamples, groups, measures)``.
    """

    attribute: str
    groups: tuple[str, ...]
    n: NDArray[np.int64]
    clusters: NDArray[np.int64]
    value: Floats
    drawn: Floats


def subgroups(records: Sequence[Record], protocol: Protocol, seed: int) -> Section | None:
    """A table over all attributes that have at least two values in these records.

    Args:
        records: Of one run.
        protocol: Says whether reports are of the chest, whose findings count.
        seed: Seed of the intervals.
    """
    counts = _counts(records, chest=protocol.chest)
    tables = [_table(name, values, records, counts, seed) for name, values in _attributes(records)]
    tables = [table for table in tables if np.isfinite(table.value).any()]
    if not tables:
        return None
    used = [k for k in range(len(_MEASURES)) if any(np.isfinite(table.value[:, k]).any() for table in tables)]
    rows, notes, alike = [], list[str](), list[str]()
    for table in tables:
        rows += list(_group_rows(table, used))
        gaps = {k: _gap(table, k) for k in used}
        rows.append((f"{table.attribute}: gap", None, None, *(gap[0] if (gap := gaps[k]) else None for k in used)))
        for k, gap in gaps.items():
            if gap:
                (notes if gap[0].p <= LEVEL else alike).append(_words(table, k, gap))
    if alike:
        notes.append(f"no group is clearly worse: {'; '.join(alike)}")
    columns = ("group", "n", "clusters", *(_MEASURES[k] for k in used))
    return Section("subgroups", "Subgroups", _ABOUT, columns, tuple(rows), notes=tuple(notes))


def _attributes(records: Sequence[Record]) -> Iterator[tuple[str, list[str | None]]]:
    """Each attribute with at least two known values, and the group of each record; the smallest of many are joined."""
    for attribute in ATTRIBUTES:
        values = [attribute_of(record, attribute) for record in records]
        sizes = {value: values.count(value) for value in dict.fromkeys(values) if value is not None}
        if len(sizes.keys() - {UNKNOWN}) < 2:
            continue
        kept = sorted(sizes, key=lambda value: (-sizes[value], value))[:MOST]
        rest = f"{len(sizes) - len(kept)} others"
        yield attribute, [value if value is None or value in kept else rest for value in values]


def _counts(records: Sequence[Record], *, chest: bool) -> Floats:
    """What each record adds above and below the line of each measure, ``(records, 2 * measures)``."""
    rows = []
    for record in records:
        scored, missed = record.correct is not None, _asks_presence(record)
        row = [float(bool(record.correct)), float(scored), 0.0, 0.0]
        if chest and "hits" in record.scores:
            row[2:] = [2 * record.scores["hits"], 2 * record.scores["hits"] + record.scores["extra"]]
            row[3] += record.scores["missed"]
        rows.append([*row, float(missed and not record.correct), float(missed)])
    return np.array(rows)


def _asks_presence(record: Record) -> bool:
    """Whether the right answer is that something asked for is there."""
    if record.kind != "closed" or not _affirms(record.reference):
        return False
    return "label" in record.categories or any(map(_says_presence, record.categories.values()))


@lru_cache(maxsize=1024)
def _affirms(reference: str) -> bool:
    return parse_answer(reference, "closed").value == "yes"


@lru_cache(maxsize=1024)
def _says_presence(value: str) -> bool:
    return not {part.strip().casefold() for part in value.split(",")}.isdisjoint(PRESENCE)


def _table(
    attribute: str, values: Sequence[str | None], records: Sequence[Record], counts: Floats, seed: int
) -> _Table:
    names = sorted({value for value in values if value is not None}, key=_place)
    member: NDArray[np.bool_] = np.array([[value == name for name in names] for value in values])
    columns = (member[:, :, None] * counts[:, None, :]).reshape(len(records), -1)
    clusters = [record.cluster for record in records]
    shape = (-1, len(names), len(_MEASURES), 2)
    sums = columns.sum(axis=0).reshape(shape)[0]
    drawn = resampled_sums(columns, clusters, seed=seed).reshape(shape)
    asked = np.concatenate([np.ones((len(records), 1), dtype=bool), counts[:, 1::2] > 0], axis=1)
    inside = member[:, :, None] & asked[:, None, :]
    return _Table(
        attribute,
        tuple(names),
        inside.sum(axis=0),
        (cluster_sums(inside.reshape(len(records), -1).astype(np.float64), clusters) > 0)
        .sum(axis=0)
        .reshape(len(names), -1),
        ratio(sums[..., 0], sums[..., 1]),
        ratio(drawn[..., 0], drawn[..., 1]),
    )


def _place(name: str) -> tuple[bool, bool, int, str]:
    """Numbers by size, then words, then what is left over, then the unknown."""
    number = re.match(r"\d+", name)
    return name == UNKNOWN, name.endswith(" others"), int(number[0]) if number else -1, name


def _group_rows(table: _Table, used: Sequence[int]) -> Iterator[tuple[Cell, ...]]:
    for place, name in enumerate(table.groups):
        n, clusters = table.n[place].tolist(), table.clusters[place].tolist()
        value, drawn = table.value[place], table.drawn[:, place]
        cells = [interval_of(value[k], drawn[:, k], n[1 + k], clusters[1 + k]) for k in used]
        yield f"{table.attribute}: {name}", n[0], clusters[0], *cells


def _gap(table: _Table, measure: int) -> tuple[Difference, int, int] | None:
    """The difference of the best and the worst group, and both; None with fewer than two that may be called so.

    Its p-value asks how often groups that are all alike would differ as much: the largest difference of the resampled
    values, each group's about its own estimate.
    """
    value, drawn = table.value[:, measure], table.drawn[:, :, measure]
    known = [place for place in _fit(table, measure) if np.isfinite(value[place])]
    if len(known) < 2:
        return None
    ranked = sorted(known, key=lambda place: value[place])
    high, low = ranked[-1], ranked[0]
    n, clusters = (int(counts[[high, low], 1 + measure].sum()) for counts in (table.n, table.clusters))
    gap = difference_of(value[high] - value[low], drawn[:, high] - drawn[:, low], n, clusters)
    if gap is None:
        return None
    alike = drawn[:, known] - value[known]
    ranges = np.ptp(alike[np.isfinite(alike).all(axis=1)], axis=1)
    p = (1 + int((ranges >= gap.value - 1e-12).sum())) / (1 + len(ranges))
    best, worst = (low, high) if _MEASURES[measure] == "missed findings" else (high, low)
    return replace(gap, p=p), best, worst


def _fit(table: _Table, measure: int) -> list[int]:
    """Groups that may be called the worst or the best by a measure."""
    return [
        place
        for place, name in enumerate(table.groups)
        if table.clusters[place, 1 + measure] >= LEAST and name != UNKNOWN and not re.fullmatch(r"\d+ others", name)
    ]


def _words(table: _Table, measure: int, found: tuple[Difference, int, int]) -> str:
    """One line on a gap: the worst group by name where it is clear."""
    gap, best, worst = found
    what, chance = f"{_MEASURES[measure]} by {table.attribute}", f"p = {gap.p:.4f}"
    if gap.p > LEVEL:
        return f"{what} (gap {gap.value:.3f}, {chance})"
    sides = (
        f"{word} {table.groups[k]} {table.value[k, measure]:.3f}" for word, k in (("worst", worst), ("best", best))
    )
    return f"{what}: {', '.join(sides)} (gap {gap.low:.3f} to {gap.high:.3f}, {chance})"
