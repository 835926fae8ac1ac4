"""RaTEScore (Zhao et al. 2024) by its own package, guarded: it gives no row for a report of less than three letters."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from medvlm.evaluation.metrics import Metric, pairs
from medvlm.evaluation.published import RATE_NER
from medvlm.study import need

SHORTEST = 3
"""Letters below which the package gives no row, so that every later report is scored with another's reference."""


@lru_cache(maxsize=1)
def load_ratescore(folder: str | Path, matrix: str = "long", gpu: bool = False) -> Any:
    """The scorer of the package.

    Args:
        folder: Holds ``ner`` and ``embedding``.
        matrix: Of affinities, ``long`` or ``short``.
        gpu: Whether it computes on a GPU.

    Raises:
        WeightsError: If a file is absent.
        ImportError: If the package is not installed.
    """
    path = RATE_NER.folder(folder)
    scorer = need("RaTEScore", "ratescore").RaTEScore
    return scorer(str(path / "ner"), str(path / "embedding"), use_gpu=gpu, affinity_matrix=matrix)


def rate_scores(given: Sequence[str], wanted: Sequence[str], scorer: Any) -> list[float]:
    """RaTEScore of each pair; 0 where either report has less than three letters.

    Args:
        given: Reports given.
        wanted: The reference of each.
        scorer: What `load_ratescore` gives.

    Raises:
        ValueError: If the package gives another number of rows than pairs.
    """
    places = [at for at, pair in enumerate(zip(given, wanted, strict=True)) if min(map(len, pair)) >= SHORTEST]
    scores = [0.0] * len(given)
    if not places:
        return scores
    found = list(scorer.compute_score([given[at] for at in places], [wanted[at] for at in places]))
    if len(found) != len(places):
        raise ValueError(f"RaTEScore gave {len(found)} rows for {len(places)} pairs: it cannot be said whose they are")
    for place, value in zip(places, found, strict=True):
        scores[place] = float(value)
    return scores


def ratescore(predictions: Sequence[str], references: Sequence[str], scorer: Any, *, matrix: str = "long") -> Metric:
    """Mean RaTEScore over all pairs.

    Args:
        predictions: One report a study; an empty one scores 0.
        references: The report wanted for each.
        scorer: What `load_ratescore` gives.
        matrix: Of affinities that it was loaded with; it stands in the name.

    Raises:
        ValueError: If there is nothing to score, or the counts differ.
    """
    given, wanted = pairs(predictions, references)
    scores = rate_scores(given, wanted, scorer)
    short = sum(min(map(len, pair)) < SHORTEST for pair in zip(given, wanted, strict=True))
    name = f"ratescore[RaTEScore {_version()}|matrix:{matrix}|mean over reports|{short} too short count 0]"
    return Metric(name, sum(scores) / len(scores), len(scores))


def _version() -> str:
    return version("RaTEScore")
