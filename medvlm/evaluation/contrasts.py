"""The model against what must do worse on the same questions: paired, Holm over all of them, and said in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from medvlm.evaluation.baselines import MAJORITY, POSITION
from medvlm.evaluation.records import Record
from medvlm.evaluation.significance import detectable_difference, holm, mcnemar_exact
from medvlm.evaluation.statistics import Difference, Interval, mean_interval, paired_difference

ACCURACY = "accuracy"
FINDING_F1 = "rule_chexpert_f1, mean over reports"
LEVEL = 0.05
WORDS: Mapping[str, str] = {
    MAJORITY: "the most frequent answers of training",
    POSITION: "the most frequent letter of training (choice questions alone)",
    "blank": "a blank image",
    "shuffled": "another patient's image",
    "wrong": "an image of another kind",
}
"""What a baseline is, in words."""
_LOOKING = ("blank", "shuffled", "wrong")


@dataclass(frozen=True, slots=True)
class Comparison:
    """A baseline on the same questions.

    Attributes:
        name: ``majority``, ``position``, ``blank``, ``shuffled``, ``wrong`` or another.
        accuracy: Its accuracy, or the mean of the metric.
        difference: The model's less that of the baseline, paired; its ``p`` is of this comparison alone.
        changed: Share of questions to which the baseline gives another answer than the model.
        metric: What was compared: accuracy, or where all questions ask for reports the mean finding F1.
        p_holm: The p-value adjusted for all baselines of the run; None where nothing was adjusted.
        only: Questions that the model alone and the baseline alone has right; None unless accuracy was compared.
        mcnemar: P-value of McNemar's exact test, which knows no clusters; None unless accuracy was compared.
        detectable: Smallest true difference found with 80 % power; None where nothing can be said.
    """

    name: str
    accuracy: Interval
    difference: Difference
    changed: float
    metric: str = ACCURACY
    p_holm: float | None = None
    only: tuple[int, int] | None = None
    mcnemar: float | None = None
    detectable: float | None = None


def contrast(
    records: Sequence[Record], others: Mapping[str, Sequence[Record]], *, findings: bool = True, seed: int = 0
) -> tuple[Comparison, ...]:
    """The model against each baseline, question by question.

    Args:
        records: Those of the model.
        others: Those of each baseline: the same questions, for ``position`` the choices among them.
        findings: Whether reports are compared by their findings where nothing else is asked; else they are not.
        seed: Seed of the intervals.

    Raises:
        ValueError: If a baseline has other questions.
    """
    graded = any(record.correct is not None for record in records)
    metric = ACCURACY if graded or not findings else FINDING_F1
    found = [_contrast(name, records, baseline, metric, seed) for name, baseline in others.items()]
    known = [comparison for comparison in found if comparison is not None]
    adjusted = holm([comparison.difference.p for comparison in known])
    return tuple(replace(comparison, p_holm=p) for comparison, p in zip(known, adjusted, strict=True))


def _contrast(
    name: str, records: Sequence[Record], baseline: Sequence[Record], metric: str, seed: int
) -> Comparison | None:
    theirs = {record.id: record for record in baseline}
    if theirs.keys() != {record.id for record in records if name != POSITION or record.kind == "choice"}:
        raise ValueError(f"baseline {name!r} and the model were not asked the same questions; ask both all of them")
    same = [(record, theirs[record.id]) for record in records if record.id in theirs]
    values = [(a, b, value_of(a, metric), value_of(b, metric)) for a, b in same]
    kept = [(a, b, ours, other) for a, b, ours, other in values if ours is not None and other is not None]
    if not kept:
        return None
    ours, right = [pair[2] for pair in kept], [pair[3] for pair in kept]
    clusters = [pair[0].cluster for pair in kept]
    only = (sum(a > b for a, b in zip(ours, right, strict=True)), sum(a < b for a, b in zip(ours, right, strict=True)))
    seen = detectable_difference([a - b for a, b in zip(ours, right, strict=True)], clusters)
    return Comparison(
        name,
        mean_interval(right, clusters, seed=seed),
        paired_difference(ours, right, clusters, seed=seed),
        sum(a.value != b.value for a, b, *_ in kept) / len(kept),
        metric,
        only=only if metric == ACCURACY else None,
        mcnemar=mcnemar_exact(*only) if metric == ACCURACY else None,
        detectable=None if math.isnan(seen) else seen,
    )


def value_of(record: Record, metric: str) -> float | None:
    """A metric of one record; None where it has none.

    Args:
        record: A record.
        metric: `ACCURACY`, `FINDING_F1`, or the name of one of its scores.
    """
    if metric == ACCURACY:
        return None if record.correct is None else float(record.correct)
    if metric != FINDING_F1:
        return record.scores.get(metric)
    if "hits" not in record.scores:
        return None
    hits, wrong = record.scores["hits"], record.scores["extra"] + record.scores["missed"]
    return 2 * hits / (2 * hits + wrong) if hits + wrong else 1.0


def in_words(comparisons: Sequence[Comparison]) -> tuple[str, ...]:
    """What a reader must know of the baselines: what looking is worth, and each one that is not clearly beaten.

    Args:
        comparisons: Those of a run.

    Examples:
        >>> in_words([])
        ()
    """
    lines = [_reliance([other for other in comparisons if other.name in _LOOKING])]
    lines += [_verdict(other) for other in comparisons]
    return tuple(line for line in lines if line)


def beaten(comparison: Comparison) -> bool:
    """Whether the model is clearly better: its interval lies above 0, and p after Holm is at most 0.05.

    Args:
        comparison: One of a run.
    """
    p = comparison.difference.p if comparison.p_holm is None else comparison.p_holm
    return comparison.difference.low > 0 and p <= LEVEL


def _reliance(looking: Sequence[Comparison]) -> str:
    """What the images are worth, in one line."""
    if not looking:
        return ""
    first = looking[0]
    parts = [f"{first.accuracy.value + first.difference.value:.3f} with the image"]
    parts += [
        f"{other.accuracy.value:.3f} with {WORDS[other.name]} ({other.changed:.0%} of answers change)"
        for other in looking
    ]
    return f"what the model sees: {first.metric} {', '.join(parts)}"


def _verdict(other: Comparison) -> str:
    """One line on a baseline that is not clearly beaten; empty for one that is."""
    if beaten(other):
        return ""
    words, gap = WORDS.get(other.name, other.name), other.difference
    if math.isnan(gap.low):
        return f"whether the model beats {words} cannot be said from one cluster"
    p = gap.p if other.p_holm is None else other.p_holm
    ends = f"{gap.value:+.3f} ({gap.low:+.3f} to {gap.high:+.3f}), p = {p:.4f} after Holm"
    if gap.high < 0 and p <= LEVEL:
        return f"the model is worse than {words}: {ends}"
    seen = "" if other.detectable is None else f"; with 80 % power {other.detectable:.3f} would be seen"
    return f"the model does not clearly beat {words}: {ends}{seen}"
