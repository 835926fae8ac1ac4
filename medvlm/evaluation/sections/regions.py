"""Reports by anatomical region: findings, BLEU and ROUGE-L of the sentences of each region."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from medvlm.evaluation.metrics import pairs
from medvlm.evaluation.packages import rouge_means, sacre_orders
from medvlm.evaluation.protocols import Protocol
from medvlm.evaluation.records import Record
from medvlm.evaluation.sections.resampling import interval_of, ratio, resampled_sums
from medvlm.evaluation.sections.section import Cell, Section
from medvlm.evaluation.statistics import Floats, Interval

NAMES = ("region", "anatomy")
"""Categories that name the region of a report."""
MOST = 40
"""Regions that are shown, the most frequent ones."""
_ABOUT = (
    "Reports of one region each (RadGenome-ChestCT, Zhang et al. 2024). Finding F1 is micro, by rule_chexpert, not "
    "CheXbert; BLEU-4 is sacrebleu's over the reports of the region, ROUGE-L rouge-score's mean F1, stemmed. The last "
    "row is the plain mean over regions."
)


def regions(records: Sequence[Record], protocol: Protocol, seed: int) -> Section | None:
    """The section of reports whose categories name a region; None where none does.

    Args:
        records: One for each question.
        protocol: Says whether the rule labeler reads these reports.
        seed: Seed of the intervals.
    """
    found: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        if record.kind == "report" and (region := _region(record)):
            found[region].append(record)
    if not found:
        return None
    shown = sorted(found, key=lambda region: (-len(found[region]), region))[:MOST]
    notes: dict[str, None] = {}
    rows = [_row(region, found[region], protocol.chest, seed, notes) for region in sorted(shown)]
    if len(found) > MOST:
        notes[f"{len(found) - MOST} rare regions are not shown, and not in the mean"] = None
    columns = ("region", "n", "finding F1", "BLEU-4", "ROUGE-L")
    return Section("regions", "Reports by region", _ABOUT, columns, (*rows, _mean(rows)), notes=tuple(notes))


def _region(record: Record) -> str:
    return next((text for name in NAMES if (text := record.categories.get(name, "").strip())), "")


def _row(region: str, records: Sequence[Record], chest: bool, seed: int, notes: dict[str, None]) -> tuple[Cell, ...]:
    """One region; what cannot be had is said in the notes."""
    given, wanted = pairs([record.value or "" for record in records], [record.reference for record in records])
    cells: list[Cell] = []
    for name, score in (("BLEU-4", _bleu), ("ROUGE-L", _rouge)):
        try:
            cells.append(score(given, wanted))
        except (ImportError, ValueError) as error:
            notes[f"{name} of {region} not available: {error}"] = None
            cells.append(None)
    return (region, len(records), _findings(records, seed) if chest else None, *cells)


def _bleu(given: list[str], wanted: list[str]) -> float:
    return sacre_orders(given, wanted)[0][-1]


def _rouge(given: list[str], wanted: list[str]) -> float:
    return rouge_means(given, wanted)[0][-1]


def _findings(records: Sequence[Record], seed: int) -> Interval | None:
    """Micro F1 of the findings; none where neither side states one."""
    rows = [[record.scores[name] for name in ("hits", "extra", "missed")] for record in records]
    columns, clusters = np.array(rows), [record.cluster for record in records]
    if not columns.any():
        return None
    drawn = resampled_sums(columns, clusters, seed=seed)
    value = float(_f1(columns.sum(0, keepdims=True))[0])
    return interval_of(value, _f1(drawn), len(records), len(set(clusters)))


def _f1(sums: Floats) -> Floats:
    return ratio(2 * sums[:, 0], 2 * sums[:, 0] + sums[:, 1] + sums[:, 2])


def _mean(rows: Sequence[tuple[Cell, ...]]) -> tuple[Cell, ...]:
    """The mean over the regions that have a value."""
    means: list[Cell] = []
    for column in list(zip(*rows, strict=True))[2:]:
        numbers = [cell.value if isinstance(cell, Interval) else cell for cell in column]
        known = [number for number in numbers if isinstance(number, float)]
        means.append(sum(known) / len(known) if known else None)
    return ("mean over regions", sum(int(str(row[1])) for row in rows), *means)
