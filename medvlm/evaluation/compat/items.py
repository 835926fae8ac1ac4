"""What the compatibility modes read of a question, and the numbers that they give."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from medvlm.evaluation.parser import reference_letter
from medvlm.evaluation.records import Record
from medvlm.evaluation.statistics import Floats
from medvlm.study import Sample, SampleError


@dataclass(frozen=True, slots=True)
class Item:
    """A question, its reference as the set's release writes it, and what was answered.

    Attributes:
        text: What the model wrote, untouched; empty if nothing.
        answer: The reference; of a choice, the option's text.
        kind: Form of the answer.
        options: Option texts of a choice.
        letter: Letter of the right option; empty if this is no choice.
        answer_type: ``open`` or ``closed``, as the release calls it.
        cluster: What is resampled together.
        asked: Whether the question could be asked and there is a prediction.
    """

    text: str
    answer: str
    kind: str
    options: tuple[str, ...] = ()
    letter: str = ""
    answer_type: str = "open"
    cluster: str = ""
    asked: bool = True


def make_item(sample: Sample, record: Record) -> Item:
    """The item of a sample and its record.

    The reference is taken from the raw record where that has one: loaders write ``yes`` for ``Yes``, and peers tell
    these apart.

    Args:
        sample: What was asked.
        record: What was answered.

    Raises:
        SampleError: If the record is of another sample, or the reference is none of the options.
    """
    if record.id != sample.id:
        raise SampleError(f"record {record.id!r} beside sample {sample.id!r}; pass them in the same order")
    choice = sample.kind == "choice"
    raw = sample.extra.get("answer")
    released = sample.categories.get("answer_type", "open" if sample.kind == "open" else "closed")
    return Item(
        text=record.text,
        answer=raw if isinstance(raw, str) and not choice else sample.answer,
        kind=sample.kind,
        options=tuple(sample.options),
        letter=reference_letter(sample) if choice else "",
        answer_type=released.lower(),
        cluster=record.cluster,
        asked=not record.error,
    )


@dataclass(frozen=True, slots=True)
class Measure:
    """One number over some of the items, as a function of sums over them.

    Attributes:
        metric: Its name in the mode.
        columns: One row of numbers for each item that it covers.
        clusters: The cluster of each row.
        function: From sums of the columns, ``(resamples, columns)``, to one number each.
    """

    metric: str
    columns: Sequence[Sequence[float]]
    clusters: Sequence[str]
    function: Callable[[Floats], Floats]


def mean(metric: str, items: Sequence[Item], values: Sequence[float]) -> Measure:
    """The mean of a value over items.

    Args:
        metric: Its name.
        items: What it covers.
        values: One an item.
    """
    return share(metric, items, values, [1.0] * len(items))


def share(metric: str, items: Sequence[Item], above: Sequence[float], below: Sequence[float]) -> Measure:
    """The ratio of two sums over items; 0 below leaves an item out of the denominator; 0 if all are.

    Args:
        metric: Its name.
        items: What it covers.
        above: One an item.
        below: One an item.
    """
    columns = [(float(top), float(bottom)) for top, bottom in zip(above, below, strict=True)]
    return Measure(metric, columns, [item.cluster for item in items], _ratio)


def _ratio(sums: Floats) -> Floats:
    return np.divide(sums[:, 0], sums[:, 1], out=np.zeros(len(sums)), where=sums[:, 1] > 0)
