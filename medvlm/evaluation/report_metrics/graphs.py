"""RadGraph F1 over a corpus, and RadCliQ (Yu et al. 2023), which joins it with three other scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from medvlm.evaluation.metrics import Metric
from medvlm.evaluation.radgraph import Graph, Level, graph_f1

LEVELS: tuple[Level, ...] = ("simple", "partial", "complete")
PARTS = ("radgraph_combined", "bertscore", "semb", "bleu2")
Version = Literal["v0", "v1"]


@dataclass(frozen=True, slots=True)
class Normaliser:
    """How the four parts are brought to one scale, in the order of `PARTS`: ``(x - mean) / scale``."""

    mean: tuple[float, float, float, float]
    scale: tuple[float, float, float, float]


V1 = Normaliser((0.53792312, 0.61757256, 0.76479421, 0.44738335), (0.30282584, 0.22430938, 0.25394391, 0.29892717))
COEFFICIENTS: Mapping[Version, tuple[tuple[float, float, float, float], float]] = {
    "v0": ((-0.47963, -0.67622, -0.46367, 0.21659), 1.64167),
    "v1": ((-0.377083683, -0.3703001, -0.252616218, 4.31504841e-12), 2.46655256e-10),
}


def radgraph_scores(given: Sequence[Graph], wanted: Sequence[Graph], *, model: str = "radgraph-xl") -> list[Metric]:
    """Mean RadGraph F1 over reports, in its three forms.

    Args:
        given: Entities of each prediction.
        wanted: Entities of each reference.
        model: Who annotated.

    Raises:
        ValueError: If there is nothing to score, or the counts differ.
    """
    if not given or len(given) != len(wanted):
        raise ValueError(f"{len(given)} predictions and {len(wanted)} references; expected as many, at least one")
    both = list(zip(given, wanted, strict=True))
    about = f"{model}|mean over reports|no case|both empty: 1"
    return [
        Metric(f"radgraph_{level}_f1[{about}]", sum(graph_f1(a, b, level) for a, b in both) / len(both), len(both))
        for level in LEVELS
    ]


def graph_combined(given: Graph, wanted: Graph) -> float:
    """Mean of entity F1 and relation F1, the form that RadCliQ and ReXrank use; nothing in common is 0.

    Args:
        given: Entities of the prediction, by the original model ``radgraph`` for RadCliQ.
        wanted: Entities of the reference.

    Examples:
        >>> graph_combined({"1": {"tokens": "effusion", "label": "P"}}, {"1": {"tokens": "effusion", "label": "P"}})
        0.5
    """
    pairs = [(_entities(given), _entities(wanted)), (_relations(given), _relations(wanted))]
    return sum(2 * len(a & b) / (len(a) + len(b)) if a & b else 0.0 for a, b in pairs) / 2


def _entities(graph: Graph) -> set[tuple[Any, ...]]:
    return {(entity["tokens"], entity["label"]) for entity in graph.values()}


def _relations(graph: Graph) -> set[tuple[Any, ...]]:
    named = {key: (entity["tokens"], entity["label"]) for key, entity in graph.items()}
    links = ((key, kind, to) for key, entity in graph.items() for kind, to in entity.get("relations", []))
    return {(named[key], kind, named[to]) for key, kind, to in links if to in named}


def radcliq(
    parts: Sequence[Sequence[float]], version: Version = "v1", normaliser: Normaliser | None = None
) -> list[Metric]:
    """Mean RadCliQ, lower is better; about 0 for v1 on the reports that it was fitted on.

    ReXrank ranks by 1 / RadCliQ-v1, which is without bounds near 0 and negative below; it is not given.

    Args:
        parts: ``(N, 4)``, of each report the scores of `PARTS`: `graph_combined`, BERTScore of distilroberta-base
            (rescaled), cosine of CheXbert's first states, BLEU-2.
        version: ``v0`` or ``v1``.
        normaliser: Of the parts; v1's published one if not given.

    Raises:
        ValueError: If there is nothing to score, a row is not of four numbers, or v0 has no normaliser.

    Examples:
        >>> round(radcliq([V1.mean])[0].value, 6)
        0.0
    """
    if not parts or any(len(row) != len(PARTS) for row in parts):
        raise ValueError(f"RadCliQ needs of each report {', '.join(PARTS)}, at least one report")
    if version not in COEFFICIENTS:
        raise ValueError(f"RadCliQ {version!r} is unknown; expected v0 or v1")
    if version == "v0" and normaliser is None:
        raise ValueError(
            "RadCliQ v0 needs a normaliser: its numbers are in CXRMetric/normalizer.pkl of "
            "github.com/rajpurkarlab/CXR-Report-Metric (MIT); write them as Normaliser(mean, scale)"
        )
    form, (weights, intercept) = normaliser or V1, COEFFICIENTS[version]
    scores = [intercept + sum(w * x for w, x in zip(weights, _scaled(row, form), strict=True)) for row in parts]
    return [Metric(f"radcliq_{version}[mean over reports|lower is better]", sum(scores) / len(scores), len(scores))]


def _scaled(row: Sequence[float], form: Normaliser) -> list[float]:
    return [(x - mean) / scale for x, mean, scale in zip(row, form.mean, form.scale, strict=True)]
