"""Rewards for reports by published models: CheXbert, RadGraph, BERTScore, RaTEScore; each needs weights in a folder.

Nothing is downloaded: where a file is absent, the error names it, where it is published, and its licence. Scores of
embeddings hardly differ within a group (two reports, one negated: 0.89), so that they teach little alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from medvlm.evaluation.radgraph import Graph, Level, graph_f1, load_radgraph
from medvlm.evaluation.report_metrics.ratescore import load_ratescore, rate_scores
from medvlm.study import AnswerKind
from medvlm.training.rewards.reading import report_of

Scorer = Callable[[list[str], list[str]], Sequence[float]]


def chexbert_reward(
    completions: Sequence[str],
    *,
    answer: Sequence[str],
    kind: Sequence[AnswerKind],
    folder: str,
    uncertain: bool = True,
    device: str = "cpu",
    **columns: Any,
) -> list[float | None]:
    """F1 over the 14 labels of CheXbert.

    Args:
        completions: What was written.
        answer: Reference reports.
        kind: Forms of answer; None where no report was asked for.
        folder: Of the weights.
        uncertain: Whether an uncertain label counts as positive.
        device: Where it computes.
        **columns: Not used.

    Raises:
        WeightsError: If a file is absent.
    """
    from medvlm.evaluation.chexbert import label_f1, load_chexbert

    def score(given: list[str], wanted: list[str]) -> list[float]:
        labels = load_chexbert(folder, device).label([*given, *wanted])
        pairs = zip(labels[: len(given)], labels[len(given) :], strict=True)
        return [label_f1(said, meant, uncertain=uncertain) for said, meant in pairs]

    return _reports(score, completions, answer, kind)


def bertscore_reward(
    completions: Sequence[str],
    *,
    answer: Sequence[str],
    kind: Sequence[AnswerKind],
    folder: str,
    layer: int = -1,
    baseline: float | None = None,
    device: str = "cpu",
    **columns: Any,
) -> list[float | None]:
    """BERTScore F1; see `medvlm.evaluation.bertscore.bert_scores` for the options.

    Raises:
        WeightsError: If the folder holds no model.
    """
    from medvlm.evaluation.bertscore import bert_scores, load_encoder

    def score(given: list[str], wanted: list[str]) -> list[float]:
        return bert_scores(given, wanted, load_encoder(folder, device), layer=layer, baseline=baseline)

    return _reports(score, completions, answer, kind)


def radgraph_reward(
    completions: Sequence[str],
    *,
    answer: Sequence[str],
    kind: Sequence[AnswerKind],
    folder: str | None = None,
    annotate: str | Callable[[Sequence[str]], list[Graph]] | None = None,
    level: Level = "partial",
    **columns: Any,
) -> list[float | None]:
    """RadGraph F1.

    Args:
        completions: What was written.
        answer: Reference reports.
        kind: Forms of answer; None where no report was asked for.
        folder: Of the weights, for the ``radgraph`` package.
        annotate: Instead of it, ``package.module:function`` from reports to entities.
        level: How much must agree.
        **columns: Not used.

    Raises:
        ValueError: If there is not exactly one of folder and annotate.
        WeightsError: If the weights are absent.
    """
    if (folder is None) == (annotate is None):
        raise ValueError("radgraph needs either `folder: FOLDER` of the weights or `annotate: package.module:function`")

    def score(given: list[str], wanted: list[str]) -> list[float]:
        reader = load_radgraph(folder) if folder is not None else annotate
        if isinstance(reader, str):
            module, _, name = reader.partition(":")
            reader = getattr(import_module(module), name)
        graphs = list(reader([*given, *wanted])) if reader else []
        return [graph_f1(a, b, level) for a, b in zip(graphs[: len(given)], graphs[len(given) :], strict=True)]

    return _reports(score, completions, answer, kind)


def ratescore_reward(
    completions: Sequence[str],
    *,
    answer: Sequence[str],
    kind: Sequence[AnswerKind],
    folder: str,
    matrix: str = "long",
    gpu: bool = False,
    **columns: Any,
) -> list[float | None]:
    """RaTEScore by its own package; reports of less than three letters score 0 (there they shift all later ones).

    Args:
        completions: What was written.
        answer: Reference reports.
        kind: Forms of answer; None where no report was asked for.
        folder: Holds ``ner`` and ``embedding``.
        matrix: ``long`` or ``short``.
        gpu: Whether it computes on a GPU.
        **columns: Not used.

    Raises:
        WeightsError: If a file is absent.
        ImportError: If the package is not installed.
    """

    def score(given: list[str], wanted: list[str]) -> list[float]:
        return rate_scores(given, wanted, load_ratescore(folder, matrix, gpu))

    return _reports(score, completions, answer, kind)


def _reports(
    score: Scorer, completions: Sequence[str], answer: Sequence[str], kind: Sequence[AnswerKind]
) -> list[float | None]:
    """Score all reports together; an empty one earns 0 and is not scored, what is no report None."""
    given = [report_of(text) if form == "report" else "" for text, form in zip(completions, kind, strict=True)]
    places = [place for place, text in enumerate(given) if text]
    values: list[float | None] = [0.0 if form == "report" else None for form in kind]
    if places:
        scores = score([given[place] for place in places], [answer[place] for place in places])
        for place, value in zip(places, scores, strict=True):
            values[place] = float(value)
    return values
