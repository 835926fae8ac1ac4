"""RadGraph F1 (Jain et al. 2021, Delbrouck et al. 2022): entities and relations of two reports compared.

The comparison is here; the annotation of a report is by the ``radgraph`` package and its weights, or by a function of
the user's. The package of 2026 stops on transformers 5 (it calls ``encode_plus``): use an environment of its own, or
annotate beforehand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from medvlm.evaluation.metrics import f1
from medvlm.evaluation.published import RADGRAPH
from medvlm.study import need

Graph = Mapping[str, Mapping[str, Any]]
"""Entities by number: ``{"1": {"tokens": "effusion", "label": "OBS-DP", "relations": [["located_at", "2"]]}}``."""
Level = Literal["simple", "partial", "complete"]


def graph_f1(given: Graph, wanted: Graph, level: Level = "partial") -> float:
    """F1 over the facts of two graphs; letters' case never counts, and two graphs without entities agree.

    Args:
        given: Entities of the report given.
        wanted: Entities of the reference.
        level: ``simple`` compares words and labels, ``partial`` also whether an entity has a relation, ``complete``
            each relation with its target.

    Raises:
        ValueError: If the level is unknown.

    Examples:
        >>> graph_f1({"1": {"tokens": "Effusion", "label": "P"}}, {"1": {"tokens": "effusion", "label": "P"}})
        1.0
    """
    said, meant = _facts(given, level), _facts(wanted, level)
    return f1([len(said & meant), len(said - meant), len(meant - said)])


def _facts(graph: Graph, level: Level) -> set[tuple[Any, ...]]:
    if level not in ("simple", "partial", "complete"):
        raise ValueError(f"RadGraph level {level!r} is unknown; expected simple, partial or complete")
    facts: set[tuple[Any, ...]] = set()
    for entity in graph.values():
        words, relations = str(entity["tokens"]).lower(), entity.get("relations", [])
        if level == "complete" and relations:
            facts |= {(words, entity["label"], kind, graph[to]["tokens"].lower()) for kind, to in relations}
        else:
            facts.add((words, entity["label"], bool(relations) and level == "partial"))
    return facts


@lru_cache(maxsize=1)
def load_radgraph(folder: str | Path, model: str = "radgraph-xl") -> Callable[[Sequence[str]], list[Graph]]:
    """The annotator of the ``radgraph`` package.

    Args:
        folder: Holds the unpacked weights in a folder of the model's name.
        model: ``radgraph-xl``, ``radgraph`` or ``modern-radgraph-xl``.

    Raises:
        WeightsError: If the weights are absent.
        ImportError: If the package is not installed.
    """
    path = RADGRAPH.folder(Path(folder) / model).parent
    annotator = need("radgraph", "radgraph").RadGraph(model_type=model, model_cache_dir=str(path))

    def annotate(reports: Sequence[str]) -> list[Graph]:
        found = annotator(list(reports))
        return [found[str(place)]["entities"] for place in range(len(reports))]

    return annotate
