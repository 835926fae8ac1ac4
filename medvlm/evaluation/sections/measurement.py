"""Measurements: how far numbers are off, in the unit of the references, by what was measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medvlm.evaluation.protocols import Protocol
from medvlm.evaluation.records import Record
from medvlm.evaluation.sections.resampling import interval_of, resampled_sums
from medvlm.evaluation.sections.section import Cell, Section
from medvlm.evaluation.values import in_unit, quantity, same_quantity

SHARES = (0.05, 0.10, 0.20)
DIVIDED = ("question_type", "question_subtype", "measurement", "structure", "organ", "task")
"""Categories by which numbers are also shown apart, such as DeepTumorVQA's question types."""
MOST = 24
"""Parts that are shown; the smallest others are left out, which a note says."""
_COLUMNS = (
    *("part", "unit", "n", "compared"),
    *(f"within {share:.0%}" for share in SHARES),
    *("mean error", "median error", "mean relative error", "bias", "limits of agreement"),
)
_ABOUT = (
    "Units are converted to the commonest of the references of one quantity; a number without a unit is taken in that "
    "of the other side. Within 5, 10 and 20 % of the reference: over all questions, unread answers and other "
    "quantities being wrong. Errors are absolute, over the answers that could be compared. Bias is the mean of answer "
    "less reference, with limits of agreement bias - and + 1.96 standard deviations (Bland and Altman 1986)."
)


@dataclass(frozen=True, slots=True)
class _Pair:
    """One question: the reference, the answer in its unit (None where there is none to compare), parts, cluster."""

    wanted: float
    given: float | None
    unit: str
    parts: tuple[str, ...]
    cluster: str


def measurement(records: Sequence[Record], protocol: Protocol, seed: int) -> Section | None:
    """The section of questions whose answer is a number; None where there are none.

    Args:
        records: One for each question.
        protocol: Not used.
        seed: Seed of the intervals.
    """
    asked = [record for record in records if record.kind == "number"]
    pairs = _pairs(asked)
    if not pairs:
        return None
    names = sorted({pair.unit for pair in pairs})
    parts = [(f"all in {unit}" if unit else "all without unit", unit, _of(pairs, unit)) for unit in names]
    divided = [(part, unit, _of(pairs, unit, part)) for part, unit in _parts(pairs)]
    shown = sorted(divided, key=lambda one: -len(one[2]))[:MOST]
    rows = [_line(*one, seed) for one in parts + [one for one in divided if one in shown]]
    return Section(
        "measurement", "Measurements", _ABOUT, _COLUMNS, tuple(rows), notes=tuple(_notes(asked, pairs, divided))
    )


def _pairs(records: Sequence[Record]) -> list[_Pair]:
    """Every question whose reference is a number, in the commonest unit of its quantity."""
    found = [(record, wanted) for record in records if (wanted := quantity(record.reference)) is not None]
    counts = Counter(unit for _, (_, unit) in found)
    ranked = sorted(counts, key=lambda unit: (-counts[unit], unit))
    common = {unit: next(other for other in ranked if same_quantity(unit, other)) for unit in counts}
    pairs = []
    for record, wanted in found:
        unit, target = common[wanted[1]], in_unit(wanted, common[wanted[1]])
        said = quantity(record.value) if record.value is not None else None
        number = in_unit((said[0], said[1] or wanted[1]), unit) if said is not None else None
        parts = tuple(f"{name}={record.categories[name]}" for name in DIVIDED if record.categories.get(name))
        if target is not None and np.isfinite(target):
            usable = number if number is not None and np.isfinite(number) else None
            pairs.append(_Pair(target, usable, unit, parts, record.cluster))
    return pairs


def _parts(pairs: Sequence[_Pair]) -> Iterator[tuple[str, str]]:
    """Parts with their unit, unless a part is all that there is of a unit."""
    found = Counter((part, pair.unit) for pair in pairs for part in pair.parts)
    whole = Counter(pair.unit for pair in pairs)
    yield from (key for key in sorted(found) if found[key] < whole[key[1]])


def _of(pairs: Sequence[_Pair], unit: str, part: str | None = None) -> list[_Pair]:
    return [pair for pair in pairs if pair.unit == unit and (part is None or part in pair.parts)]


def _line(part: str, unit: str, pairs: Sequence[_Pair], seed: int) -> tuple[Cell, ...]:
    """One row of the table."""
    compared = [(pair.given, pair.wanted) for pair in pairs if pair.given is not None]
    off = np.array([given - wanted for given, wanted in compared])
    sizes = np.abs(np.array([wanted for _, wanted in compared]))
    within = np.array([[_within(pair, share) for share in SHARES] for pair in pairs], dtype=np.float64)
    head: tuple[Cell, ...] = (part, unit or "-", len(pairs), len(compared))
    shares = _intervals(within, [pair.cluster for pair in pairs], seed)
    if not compared:
        return (*head, *shares, None, None, None, None, None)
    mean = _intervals(np.abs(off)[:, None], [pair.cluster for pair in pairs if pair.given is not None], seed)
    nonzero = sizes > 0
    relative = float((np.abs(off)[nonzero] / sizes[nonzero]).mean()) if nonzero.any() else None
    bias, limits = agreement(off)
    return (*head, *shares, *mean, float(np.median(np.abs(off))), relative, bias, limits)


def _within(pair: _Pair, share: float) -> bool:
    if pair.given is None:
        return False
    return abs(pair.given - pair.wanted) <= share * abs(pair.wanted) * (1 + 1e-9)


def agreement(off: NDArray[np.float64]) -> tuple[float, str | None]:
    """Bias and the limits of agreement as text; none of fewer than two differences.

    Args:
        off: Answer less reference of each question, at least one.

    Examples:
        >>> agreement(np.array([-1.0, 0.0, 1.0]))
        (0.0, '-1.960 to 1.960')
    """
    bias = float(off.mean())
    if len(off) < 2:
        return bias, None
    reach = 1.96 * float(off.std(ddof=1))
    return bias, f"{bias - reach:.3f} to {bias + reach:.3f}"


def _intervals(columns: NDArray[np.float64], clusters: Sequence[str], seed: int) -> list[Cell]:
    """The mean of each column with its interval."""
    drawn = resampled_sums(np.column_stack([columns, np.ones(len(columns))]), clusters, seed=seed)
    n, found = len(columns), len(set(clusters))
    return [
        interval_of(float(columns[:, at].mean()), drawn[:, at] / drawn[:, -1], n, found)
        for at in range(columns.shape[1])
    ]


def _notes(records: Sequence[Record], pairs: Sequence[_Pair], divided: Sequence[object]) -> Iterator[str]:
    unread = sum(record.value is None for record in records)
    other = sum(pair.given is None for pair in pairs) - unread
    if unread or other > 0:
        yield f"{unread} answers hold no single number, {max(other, 0)} one of another quantity: neither has an error"
    if len(records) > len(pairs):
        yield f"{len(records) - len(pairs)} references hold no number and are left out"
    if zero := sum(pair.wanted == 0 for pair in pairs):
        yield f"{zero} references are 0: right if the answer is too, and without a relative error"
    if (
        any(not pair.unit for pair in pairs)
        and len({part for pair in pairs if not pair.unit for part in pair.parts}) > 1
    ):
        yield "Numbers without a unit may measure different things: their errors mean something by part only"
    if len(divided) > MOST:
        yield f"{len(divided) - MOST} small parts are not shown"
