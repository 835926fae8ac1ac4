"""Several orders of options: how often all agree, and how accuracy depends on where the right option stands."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from medvlm.evaluation.answering.orders import CONSISTENT, ORDERS_RIGHT, RIGHT_AT
from medvlm.evaluation.protocols import Protocol
from medvlm.evaluation.records import Record
from medvlm.evaluation.sections.drafts import mean_intervals
from medvlm.evaluation.sections.section import Cell, Section

ABOUT = (
    "Choice questions asked under several rotations of their options. Consistent: one and the same answer under all "
    "orders, right or wrong. Always right: all orders are. Accuracy over orders is the mean over them, which a "
    "preference for a letter cannot raise; the vote is over the orders."
)


def orders(records: Sequence[Record], protocol: Protocol, seed: int) -> Section | None:
    """Consistency, accuracy over orders and of their vote, and by the letter at which the right option stood.

    Args:
        records: Of one run; only choices that were asked under several orders.
        protocol: How they are scored.
        seed: Seed of the intervals.
    """
    asked = [record for record in records if ORDERS_RIGHT in record.scores]
    if not asked:
        return None
    letters = sorted({name for record in asked for name in record.scores if name.startswith(RIGHT_AT)})
    columns = [
        [record.scores[CONSISTENT] for record in asked],
        [float(record.scores[ORDERS_RIGHT] == 1) for record in asked],
        [record.scores[ORDERS_RIGHT] for record in asked],
        [float(bool(record.correct)) for record in asked],
        *([record.scores.get(letter, math.nan) for record in asked] for letter in letters),
    ]
    names = ["consistent", "always right", "accuracy over orders", "accuracy of the vote"]
    names += [f"accuracy, right option at {letter.removeprefix(RIGHT_AT)}" for letter in letters]
    means = mean_intervals(np.array(columns).T, [record.cluster for record in asked], seed)
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (name, mean and mean.n, mean) for name, mean in zip(names, means, strict=True)
    )
    return Section("orders", "Orders of options", ABOUT, ("of questions", "n", "share"), rows)
