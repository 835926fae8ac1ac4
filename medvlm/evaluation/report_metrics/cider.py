"""CIDEr-D (Vedantam et al. 2015): n-grams weighted by how rare they are among the references of the same corpus."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from medvlm.evaluation.metrics import Metric, pairs
from medvlm.evaluation.packages import ngrams

ORDERS = (1, 2, 3, 4)
SIGMA = 6.0
Weights = list[dict[tuple[str, ...], float]]


def cider(predictions: Sequence[str], references: Sequence[str]) -> list[Metric]:
    """Mean CIDEr-D over tokens between spaces, 0 to 10.

    Rarity comes from the references given, so that scores of other sets of reports do not compare, and one pair alone
    scores 0 whatever it says. As COCO's evaluation computes it, lengths are compared in pairs of words.

    Args:
        predictions: One text a study; an empty one scores 0.
        references: The text wanted for each.

    Raises:
        ValueError: If there is nothing to score, or the counts differ.

    Examples:
        >>> cider(["clear lungs"], ["clear lungs"])[0].value
        0.0
    """
    given, wanted = pairs(predictions, references)
    targets = [_counts(text) for text in wanted]
    seen = Counter(gram for counts in targets for part in counts for gram in part)
    scores = [_pair(_counts(a), b, seen, len(wanted)) for a, b in zip(given, targets, strict=True)]
    name = f"cider_d[medvlm|tokens: whitespace|sigma:{SIGMA:g}|rarity: these {len(wanted)} references|0 to 10]"
    return [Metric(name, sum(scores) / len(scores), len(scores))]


def _counts(text: str) -> list[Counter[tuple[str, ...]]]:
    tokens = text.split()
    return [ngrams(tokens, order) for order in ORDERS]


def _pair(
    given: list[Counter[tuple[str, ...]]],
    wanted: list[Counter[tuple[str, ...]]],
    seen: Counter[tuple[str, ...]],
    n: int,
) -> float:
    """The score of one text: over orders, the mean cosine with clipped weights, less where lengths differ."""
    ours, theirs = (_weigh(counts, seen, n) for counts in (given, wanted))
    apart = given[1].total() - wanted[1].total()
    total = 0.0
    for a, b in zip(ours, theirs, strict=True):
        length = math.hypot(*a.values()) * math.hypot(*b.values())
        total += sum(min(value, b[gram]) * b[gram] for gram, value in a.items() if gram in b) / length if length else 0
    return 10 * total / len(ORDERS) * math.exp(-(apart**2) / (2 * SIGMA**2))


def _weigh(counts: list[Counter[tuple[str, ...]]], seen: Counter[tuple[str, ...]], n: int) -> Weights:
    return [
        {gram: times * (math.log(n) - math.log(max(seen[gram], 1))) for gram, times in part.items()} for part in counts
    ]
