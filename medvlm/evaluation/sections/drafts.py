"""pass@k and the vote over several drafts, where records say how many of their drafts are right."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medvlm.evaluation.answering.votes import pass_at_k
from medvlm.evaluation.protocols import Protocol
from medvlm.evaluation.records import Record
from medvlm.evaluation.sections.resampling import interval_of, ratio, resampled_sums
from medvlm.evaluation.sections.section import Section
from medvlm.evaluation.statistics import Floats, Interval

ABOUT = (
    "Chance that at least one of k drafts of a question is right, estimated without bias from all n drafts: "
    "1 - C(n-c, k) / C(n, k), of which c are right (Chen et al. 2021), mean over questions. The vote is over the "
    "drafts that can be read; a tie is broken by mean log-probability."
)


def drafts(records: Sequence[Record], protocol: Protocol, seed: int) -> Section | None:
    """pass@k for k = 1, 2, 4, ... and all drafts, and the share of right votes.

    Args:
        records: Of one run; only those whose drafts were counted (``vote:N``, ``pass:N``).
        protocol: How they are scored.
        seed: Seed of the intervals.
    """
    drawn = [record for record in records if "drafts_right" in record.scores]
    if not drawn:
        return None
    least = min(len(record.drafts) for record in drawn)
    powers = [2**power for power in range(least.bit_length()) if 2**power < least]
    columns = [[_pass(record, k) for record in drawn] for k in (*powers, least)]
    columns.append([record.scores["majority_right"] for record in drawn])
    names = [*(f"pass@{k}" for k in (*powers, least)), f"majority@{least}"]
    means = mean_intervals(np.array(columns).T, [record.cluster for record in drawn], seed)
    notes = []
    if left := len(records) - len(drawn):
        notes.append(f"{left} questions have no counted drafts (reports, unreadable images) and are left out")
    rows = tuple(zip(names, means, strict=True))
    return Section("drafts", "Several drafts", ABOUT, ("of drafts", "right"), rows, notes=tuple(notes))


def _pass(record: Record, k: int) -> float:
    return pass_at_k(len(record.drafts), int(record.scores["drafts_right"]), k)


def mean_intervals(columns: Floats, clusters: Sequence[str], seed: int) -> list[Interval | None]:
    """The mean of each column with its interval; entries that are NaN are left out.

    Args:
        columns: One row a question, ``(questions, columns)``.
        clusters: The image or patient of each question.
        seed: Seed of the intervals.
    """
    there = np.isfinite(columns).astype(np.float64)
    both = np.concatenate([np.nan_to_num(columns), there], axis=1)
    width, drawn, sums = columns.shape[1], resampled_sums(both, clusters, seed=seed), both.sum(axis=0)
    values, means = ratio(sums[:width], sums[width:]), ratio(drawn[:, :width], drawn[:, width:])
    groups = [len({name for name, here in zip(clusters, column, strict=True) if here}) for column in there.T]
    return [
        interval_of(float(values[place]), means[:, place], int(sums[width + place]), groups[place])
        for place in range(width)
    ]
