"""Accuracy as a mean over categories: each modality, say, weighs the same, however many questions it has."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medvlm.evaluation.records import Record
from medvlm.evaluation.statistics import Floats, Interval, sums_interval


def macro_accuracy(records: Sequence[Record], category: str, *, seed: int = 0) -> Interval | None:
    """The mean of the accuracies of each value of a category; None where no question has the category.

    Args:
        records: Of questions with an answer that is right or wrong.
        category: Its name; a question without it is left out.
        seed: Seed of the resampling, in which a value of which nothing was drawn is left out too.
    """
    part = [record for record in records if category in record.categories]
    if not part:
        return None
    values, places = np.unique([record.categories[category] for record in part], return_inverse=True)
    asked = np.eye(len(values))[places]
    right = asked * np.array([[float(bool(record.correct))] for record in part])
    return sums_interval(np.hstack([right, asked]), _mean_share, [record.cluster for record in part], seed=seed)


def _mean_share(sums: Floats) -> Floats:
    """Mean share of right answers, of sums ``(resamples, right and asked of each value)``."""
    right, asked = np.split(sums, 2, axis=1)
    share = np.divide(right, asked, out=np.zeros_like(right), where=asked > 0)
    mean: Floats = share.sum(axis=1) / (asked > 0).sum(axis=1)
    return mean
