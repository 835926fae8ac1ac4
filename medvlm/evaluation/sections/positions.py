"""Position bias: whether a model prefers a letter of its choices, and how far a constant letter would come."""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_uppercase

import numpy as np

from medvlm.evaluation.choice import option_letter
from medvlm.evaluation.protocols import Protocol
from medvlm.evaluation.records import Record
from medvlm.evaluation.sections.resampling import interval_of, ratio, resampled_sums
from medvlm.evaluation.sections.section import Cell, Section
from medvlm.evaluation.statistics import Floats

_ABOUT = (
    "Choice questions by the letter of the right option. Distance is total variation, the share of answers that would "
    "have to change for given and right letters to be equally frequent; its interval is centred, as resampling alone "
    "raises it."
)


def positions(records: Sequence[Record], protocol: Protocol, seed: int) -> Section | None:
    """How often each letter was right and was given, accuracy by letter, and the best constant letter.

    Args:
        records: Of one run; only choice questions count.
        protocol: How they are scored.
        seed: Seed of the intervals.
    """
    asked = [(record, option_letter(record.reference, record.options)) for record in records if record.kind == "choice"]
    pairs = [(record, letter) for record, letter in asked if letter is not None]
    if not pairs:
        return None
    number = max(len(record.options) for record, _ in pairs)
    letters = ascii_uppercase[:number]
    columns = np.array([_counts(record, right, letters) for record, right in pairs])
    clusters = [record.cluster for record, _ in pairs]
    drawn, sums = resampled_sums(columns, clusters, seed=seed), columns.sum(axis=0, keepdims=True)
    rows = _letter_rows(letters, sums, drawn, pairs)
    distance = interval_of(
        _distance(sums, number)[0], _distance(drawn, number), len(pairs), len(set(clusters)), centred=True
    )
    best = int(sums[0, :number].argmax())
    total = len(pairs), len(set(clusters))
    constant = interval_of(sums[0, best] / len(pairs), drawn[:, best] / _total(drawn, number), *total)
    rows.append(("distance of given from right", None, distance, None))
    rows.append((f"always {letters[best]}", None, None, constant))
    title = "Positions of the right option"
    return Section("positions", title, _ABOUT, ("letter", "right", "given", "accuracy"), tuple(rows))


def _counts(record: Record, right: str, letters: str) -> list[float]:
    """Ones for the letter that is right, the one given (or none), and the one that is right and was hit."""
    given = [record.value == letter for letter in letters]
    hit = [letter == right and bool(record.correct) for letter in letters]
    return [float(mark) for mark in (*(letter == right for letter in letters), *given, not any(given), *hit)]


def _total(sums: Floats, number: int) -> Floats:
    total: Floats = sums[:, :number].sum(axis=1)
    return total


def _distance(sums: Floats, number: int) -> Floats:
    """Total variation distance of given and right letters, no answer being a letter that is never right."""
    right, given = sums[:, :number], sums[:, number : 2 * number]
    apart: Floats = (np.abs(right - given).sum(axis=1) + sums[:, 2 * number]) / (2 * _total(sums, number))
    return apart


def _letter_rows(
    letters: str, sums: Floats, drawn: Floats, pairs: Sequence[tuple[Record, str]]
) -> list[tuple[Cell, ...]]:
    number, rows = len(letters), list[tuple[Cell, ...]]()
    for place, letter in enumerate(letters):
        hits = 2 * number + 1 + place
        clusters = {record.cluster for record, right in pairs if right == letter}
        accuracy = interval_of(
            ratio(sums[:, hits], sums[:, place])[0],
            ratio(drawn[:, hits], drawn[:, place]),
            int(sums[0, place]),
            len(clusters),
        )
        rows.append((letter, int(sums[0, place]), int(sums[0, number + place]), accuracy))
    if sums[0, 2 * number]:
        rows.append(("no letter", 0, int(sums[0, 2 * number]), None))
    return rows
