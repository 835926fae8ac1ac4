"""Calibration: whether answers given with 80 % confidence are right 80 % of the time (ECE, MCE, Brier score)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from medvlm.evaluation.choice import option_letter
from medvlm.evaluation.parser import parse_answer
from medvlm.evaluation.protocols import Protocol
from medvlm.evaluation.records import Record
from medvlm.evaluation.sections.confidence import OPTION, TOKEN, Population, populations
from medvlm.evaluation.sections.resampling import interval_of, ratio, resampled_sums
from medvlm.evaluation.sections.section import Cell, Curve, Section
from medvlm.evaluation.statistics import Floats

BINS = 10
_ABOUT = (
    f"Top label, {BINS} bins of equal width: ECE is the mean gap of confidence and accuracy, MCE the largest (Guo "
    "et al. 2017); Brier is the squared error over all options, 0 to 2 (Brier 1950). Intervals by cluster bootstrap, "
    "those of ECE and MCE centred, as resampling alone raises them."
)
_WRITTEN = (
    "token probability is the mean over the tokens written, thoughts included: how sure the model is of its words, not "
    "of its choice"
)
_SEVERAL = "where an answer came of several drafts, the probability of an option is its share or mean"


def calibration(records: Sequence[Record], protocol: Protocol, seed: int) -> Section | None:
    """ECE, MCE and Brier score of each sort of confidence, with the reliability curve.

    Args:
        records: Of one run.
        protocol: How they are scored.
        seed: Seed of the intervals.
    """
    found = _parts(records)
    if not found:
        return None
    notes = [_WRITTEN] if any(part.source == TOKEN for part in found) else []
    notes += [_SEVERAL] if any(part.source == OPTION and part.records[0].drafts for part in found) else []
    return Section(
        "calibration",
        "Calibration",
        _ABOUT,
        ("answers", "n", "accuracy", "confidence", "ECE", "MCE", "Brier"),
        tuple(_row(part, seed) for part in found),
        tuple(_curve(part) for part in found),
        (*notes, *_left_out(records, found), *_disagreeing(found)),
    )


def reliability(records: Sequence[Record], protocol: Protocol, seed: int) -> Section | None:
    """The bins behind the first calibration error; the curves of the calibration have those of the others.

    Args:
        records: Of one run.
        protocol: How they are scored.
        seed: Seed of the intervals.
    """
    found = _parts(records)
    if not found:
        return None
    counts, right, sure = binned(found[0].confidence, found[0].right)
    rows: list[tuple[Cell, ...]] = []
    for place in np.flatnonzero(counts):
        name = f"{place / BINS:.1f} to {(place + 1) / BINS:.1f}"
        shares = sure[place] / counts[place], right[place] / counts[place]
        rows.append((name, int(counts[place]), *map(float, shares), float(shares[0] - shares[1])))
    if len(rows) < 2:
        return None
    columns = ("confidence", "n", "mean confidence", "accuracy", "too sure by")
    title = f"Reliability of {found[0].name}"
    return Section("reliability", title, "The bins of the calibration, those with answers.", columns, tuple(rows))


def binned(confidence: Floats, right: Floats) -> tuple[Floats, Floats, Floats]:
    """Answers, right answers and summed confidence of each bin ``[k / 10, (k + 1) / 10)``, the last one closed.

    Args:
        confidence: Between 0 and 1, ``(answers,)``.
        right: 1 or 0, ``(answers,)``.
    """
    place = bin_of(confidence)
    inside = (place == np.arange(BINS)[:, None]).astype(np.float64)
    return inside.sum(axis=1), inside @ right, inside @ confidence


def bin_of(confidence: Floats) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """The bin of each confidence.

    Args:
        confidence: Between 0 and 1.
    """
    edges = np.arange(1, BINS) / BINS
    return np.asarray(np.searchsorted(edges, confidence, side="right"), dtype=np.int64)


def brier(record: Record) -> float:
    """Squared error over all options of one answer, 0 to 2; NaN where probabilities or reference are not of options.

    Args:
        record: Of kind ``choice`` or ``closed``.

    Examples:
        >>> from medvlm.evaluation.records import grade
        >>> from medvlm.study import Sample
        >>> from dataclasses import replace
        >>> record = grade(Sample("1", (), "Effusion?", "Yes", "closed"), "yes", run="r", cluster="p")
        >>> round(brier(replace(record, probabilities={"yes": 0.8, "no": 0.2})), 3)
        0.08
    """
    if record.kind == "choice":
        wanted = option_letter(record.reference, record.options)
    else:
        wanted = parse_answer(record.reference, "closed").value
    values = record.probabilities
    if wanted not in values or not all(map(math.isfinite, values.values())):
        return math.nan
    return sum((p - (name == wanted)) ** 2 for name, p in values.items())


def _parts(records: Sequence[Record]) -> list[Population]:
    """Each sort of confidence with the answers that have it; none that no answer has."""
    return [part for part in map(_known, populations(records)) if len(part.records)]


def _known(part: Population) -> Population:
    """Only the answers that have a confidence."""
    kept = np.isfinite(part.confidence)
    records = tuple(record for record, has in zip(part.records, kept, strict=True) if has)
    return Population(part.source, records, part.confidence[kept], part.right[kept])


def _row(part: Population, seed: int) -> tuple[Cell, ...]:
    """One line of the table; every interval comes of one resampling of the sums of the bins."""
    n, clusters = len(part.records), [record.cluster for record in part.records]
    place = np.arange(BINS) == bin_of(part.confidence)[:, None]
    gaps = place * (part.confidence - part.right)[:, None]
    errors = np.array([brier(record) if part.source == OPTION else math.nan for record in part.records])
    has = np.isfinite(errors)
    columns = np.column_stack([gaps, place, np.where(has, errors, 0.0), has])
    drawn, value = resampled_sums(columns, clusters, seed=seed), columns.sum(axis=0, keepdims=True)
    number = len(set(clusters))
    cells = [
        interval_of(function(value)[0], function(drawn), count, number, centred=centred)
        for function, count, centred in ((_ece, n, True), (_mce, n, True), (_brier, int(has.sum()), False))
    ]
    return part.name, n, float(part.right.mean()), float(part.confidence.mean()), *cells


def _ece(sums: Floats) -> Floats:
    error: Floats = np.abs(sums[:, :BINS]).sum(axis=1) / sums[:, BINS : 2 * BINS].sum(axis=1)
    return error


def _mce(sums: Floats) -> Floats:
    largest: Floats = np.nanmax(ratio(np.abs(sums[:, :BINS]), sums[:, BINS : 2 * BINS]), axis=1)
    return largest


def _brier(sums: Floats) -> Floats:
    return ratio(sums[:, 2 * BINS], sums[:, 2 * BINS + 1])


def _curve(part: Population) -> Curve:
    counts, right, sure = binned(part.confidence, part.right)
    points = [(float(sure[k] / counts[k]), float(right[k] / counts[k])) for k in np.flatnonzero(counts)]
    return Curve(part.name, "mean confidence", "accuracy", tuple(points), diagonal=True)


def _left_out(records: Sequence[Record], found: Sequence[Population]) -> list[str]:
    scored = sum(record.correct is not None for record in records)
    missing = scored - sum(len(part.records) for part in found)
    return [f"{missing} of {scored} answers have no confidence (unread, not asked) and are left out"] if missing else []


def _disagreeing(found: Sequence[Population]) -> list[str]:
    """How often what was written is not the option of the highest probability."""
    asked = [record for part in found if part.source == OPTION for record in part.records]
    other = sum(
        record.probabilities[record.value or ""] < max(record.probabilities.values()) - 1e-12 for record in asked
    )
    return [f"{other} of {len(asked)} written answers are not the most probable option"] if other else []
