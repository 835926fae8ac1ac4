"""TemMed-Bench's numbers for yes and no (Levi-ZJY/TemMed-Bench at f9ffc27, ``Eval/metrics/VQA_eval.ipynb``).

What is wrong with it: only the first two or three characters are read, so "Not sure" and "Normal" are no, and "The
answer is yes" is nothing; the notebook stops at an answer that is neither, which counts here as wrong.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medvlm.evaluation.statistics import Floats
from medvlm.evaluation.text import polarity

from .items import Item, Measure, mean

_NO = ("No", "no", "NO")
_YES = ("Yes", "yes", "YES")


def prefix(text: str) -> str | None:
    """Yes or no by the first characters.

    Args:
        text: What the model wrote.

    Examples:
        >>> prefix("Yes."), prefix("Normal."), prefix("The answer is yes.")
        ('yes', 'no', None)
    """
    return "yes" if text.startswith(_YES) else "no" if text.startswith(_NO) else None


def temmed(items: Sequence[Item]) -> list[Measure]:
    """Accuracy, and precision, recall and F1 as the mean over yes and no; a class that never occurs does not count.

    Args:
        items: Questions whose reference is yes or no; others are left out.
    """
    asked = [item for item in items if item.kind == "closed" and polarity(item.answer)]
    if not asked:
        return []
    pairs = [(prefix(item.text), polarity(item.answer)) for item in asked]
    measures = [mean("accuracy", asked, [float(said == wanted) for said, wanted in pairs])]
    columns = [[count for word in ("yes", "no") for count in _counts(word, *pair)] for pair in pairs]
    clusters = [item.cluster for item in asked]
    forms = {"macro precision": _precision, "macro recall": _recall, "macro F1": _f1}
    return measures + [Measure(name, columns, clusters, form) for name, form in forms.items()]


def _counts(word: str, said: str | None, wanted: str | None) -> tuple[float, float, float]:
    """Hits, false alarms and misses of a word."""
    return float(said == wanted == word), float(said == word != wanted), float(wanted == word != said)


def _macro(sums: Floats, hits: float, extra: float, missed: float) -> Floats:
    """Mean over the classes that occur of weighted hits over weighted hits, false alarms and misses."""
    counts = sums.reshape(len(sums), 2, 3)
    occurs = counts.sum(axis=2) > 0
    below = counts @ np.array([hits, extra, missed])
    values = np.divide(hits * counts[:, :, 0], below, out=np.zeros_like(below), where=below > 0)
    return np.asarray((values * occurs).sum(axis=1) / np.maximum(occurs.sum(axis=1), 1))


def _precision(sums: Floats) -> Floats:
    return _macro(sums, 1, 1, 0)


def _recall(sums: Floats) -> Floats:
    return _macro(sums, 1, 0, 1)


def _f1(sums: Floats) -> Floats:
    return _macro(sums, 2, 1, 1)
