"""Numbers of the learning bench: pooled over seeds, patients resampled whole, each seed beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medvlm.evaluation.records import Record
from medvlm.training.rewards.form import format_reward

RESAMPLES = 2000
Floats = NDArray[np.float64]
Parts = Callable[[Record], tuple[float, float]]
Arm = Mapping[int, Sequence[Record]]
"""Records of one model by seed."""


def _report_f1(record: Record) -> float:
    """F1 of the findings of one report; 1 where neither report nor reference names any."""
    hits, wrong = record.scores["hits"], record.scores["extra"] + record.scores["missed"]
    return 2 * hits / (2 * hits + wrong) if hits or wrong else 1.0


METRICS: Mapping[str, Parts] = {
    "accuracy": lambda record: (float(bool(record.correct)), 1.0),
    "mean IoU": lambda record: (record.scores.get("iou", 0.0), 1.0),
    "box F1": lambda record: (2 - 2 / (1 + record.scores.get("iou", 0.0)), 1.0),
    "IoU above 0.5": lambda record: (float(record.scores.get("iou", 0.0) > 0.5), 1.0),
    "finding F1": lambda record: (
        2 * record.scores["hits"],
        2 * record.scores["hits"] + record.scores["extra"] + record.scores["missed"],
    ),
    "F1 a report": lambda record: (_report_f1(record), 1.0),
    "hallucinated findings": lambda record: (record.scores["extra"], record.scores["hits"] + record.scores["extra"]),
    "tokens": lambda record: (float(record.tokens), 1.0),
    "format": lambda record: (format_reward([record.text])[0] or 0.0, 1.0),
}
"""Numerator and denominator of a record: a metric is the ratio of their sums (a mean, a micro F1, a rate)."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A metric over all seeds, or the difference of two models.

    Attributes:
        value: Over the questions of all seeds.
        low: Lower end of the 95 % percentile interval of a bootstrap over patients.
        high: Upper end.
        seeds: The same by seed.
        n: Questions of one seed.
        clusters: Patients.
    """

    value: float
    low: float
    high: float
    seeds: Mapping[int, float]
    n: int
    clusters: int

    @property
    def sure(self) -> bool:
        """Whether the interval and every seed lie on one side of zero."""
        values = [self.low, self.high, *self.seeds.values()]
        return all(value > 0 for value in values) or all(value < 0 for value in values)


def estimate(arm: Arm, metric: str, base: Arm | None = None, *, resamples: int = RESAMPLES) -> Estimate:
    """A metric of a model, or how much it is above that of another on the same questions.

    Args:
        arm: Records by seed.
        metric: One of `METRICS`.
        base: Records of the other model by the same seeds.
        resamples: Bootstrap resamples; a patient is drawn with its questions of all seeds and both models.

    Raises:
        ValueError: If the seeds or questions of both differ, or no question counts.
    """
    if base is not None and {s: _ids(r) for s, r in arm.items()} != {s: _ids(r) for s, r in base.items()}:
        raise ValueError("Both models must have answered the same questions with the same seeds.")
    arms = [arm] if base is None else [arm, base]
    clusters = sorted({record.cluster for records in arm.values() for record in records})
    sums = [np.stack([_sums(one[seed], metric, clusters) for seed in arm]) for one in arms]  # (seeds, patients, 2)
    draws = np.random.default_rng(0).integers(0, len(clusters), (resamples, len(clusters)))
    counts = np.stack([np.bincount(draw, minlength=len(clusters)) for draw in draws]).astype(float)
    drawn = _gap([_ratio(counts @ one.sum(0)) for one in sums])
    drawn = drawn[np.isfinite(drawn)]
    low, high = np.quantile(drawn, [0.025, 0.975]) if len(clusters) > 1 and drawn.size else (np.nan, np.nan)
    whole = _gap([_ratio(one.sum((0, 1))[None]) for one in sums])
    by_seed = _gap([_ratio(one.sum(1)) for one in sums])
    return Estimate(
        float(whole[0]),
        float(low),
        float(high),
        dict(zip(arm, by_seed.tolist(), strict=True)),
        len(next(iter(arm.values()))),
        len(clusters),
    )


def _ids(records: Sequence[Record]) -> set[str]:
    return {record.id for record in records}


def _sums(records: Sequence[Record], metric: str, clusters: Sequence[str]) -> Floats:
    """Numerators and denominators of each patient, ``(patients, 2)``."""
    place = {cluster: index for index, cluster in enumerate(clusters)}
    sums = np.zeros((len(clusters), 2))
    for record in records:
        sums[place[record.cluster]] += METRICS[metric](record)
    return sums


def _ratio(sums: Floats) -> Floats:
    """Ratios of ``(N, 2)``; NaN where nothing counts."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(sums[:, 1] > 0, sums[:, 0] / sums[:, 1], np.nan))


def _gap(values: Sequence[Floats]) -> Floats:
    return values[0] if len(values) == 1 else np.asarray(values[0] - values[1])


def cells(found: Estimate, digits: int = 3, *, sign: bool = False) -> list[str]:
    """Value, interval and seeds as they are printed.

    Examples:
        >>> cells(Estimate(0.5, 0.4, 0.6, {0: 0.45, 1: 0.55}, 10, 5))
        ['0.500', '0.400 to 0.600', '0.450, 0.550']
    """
    form = f"{{:{'+' if sign else ''}.{digits}f}}".format
    return [
        form(found.value),
        f"{form(found.low)} to {form(found.high)}",
        ", ".join(form(value) for value in found.seeds.values()),
    ]


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown, its columns padded so that it also reads in a terminal.

    Examples:
        >>> print(markdown(["model", "n"], [["a", "10"]]))
        | model | n   |
        | ----- | --- |
        | a     | 10  |
    """
    widths = [max(3, *(len(row[place]) for row in (header, *rows))) for place in range(len(header))]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    )
