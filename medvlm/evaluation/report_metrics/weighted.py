"""Report scores of published weights, each from the folder of its files: BERTScore, CheXbert, RadGraph, SRR-BERT."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medvlm.evaluation.metrics import Metric
from medvlm.evaluation.published import SRR_BERT
from medvlm.evaluation.radgraph import Graph, load_radgraph
from medvlm.evaluation.report_metrics.graphs import radgraph_scores
from medvlm.evaluation.report_metrics.judges import read_by_id
from medvlm.evaluation.report_metrics.labels import chexbert_f1, codes, set_f1
from medvlm.evaluation.report_metrics.ratescore import load_ratescore, ratescore
from medvlm.evaluation.report_metrics.reports import Reports
from medvlm.study import SampleError

_SENTENCE = re.compile(r"(?<=[.!?;])\s+(?=\S)")
_MOST = 512


def bertscore_each(reports: Reports, folder: Path, device: str) -> tuple[list[float], Mapping[str, Any]]:
    """BERTScore F1 of each pair, and how it was computed.

    Args:
        reports: Pairs.
        folder: Of the encoder; ``bertscore.json`` there may hold ``layer`` and ``baseline`` as published for it.
        device: Where it computes.

    Raises:
        ValueError: If that file holds something else.
    """
    from medvlm.evaluation.bertscore import bert_scores, load_encoder

    settings = read_settings(folder / "bertscore.json", {"layer": -1, "baseline": None})
    encoder = load_encoder(str(folder), device)
    return bert_scores(reports.given, reports.wanted, encoder, **settings), settings


def read_settings(path: Path, usual: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a JSON file, those that it leaves out as usual; the usual ones where there is no file.

    Args:
        path: The file.
        usual: Names and values.

    Raises:
        ValueError: If the file is no JSON object of these names.
    """
    if not path.is_file():
        return dict(usual)
    found = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(found, dict) or not found.keys() <= usual.keys():
        raise ValueError(f"{path}: {found!r}; expected an object with some of {', '.join(usual)}")
    return {**usual, **found}


def bertscore(reports: Reports, folder: Path, device: str) -> list[Metric]:
    """Mean BERTScore F1; an empty report scores 0.

    Args:
        reports: Pairs.
        folder: As of `bertscore_each`.
        device: Where it computes.
    """
    scores, settings = bertscore_each(reports, folder, device)
    layer = "last" if settings["layer"] == -1 else settings["layer"]
    scale = "not rescaled" if settings["baseline"] is None else f"rescaled:{settings['baseline']}"
    about = f"medvlm|{folder.name}|layer:{layer}|{scale}|idf:no|{_empty(reports)} empty count 0"
    return [Metric(f"bertscore_f1[{about}]", sum(scores) / len(scores), len(scores))]


def _empty(reports: Reports) -> int:
    return sum(not a or not b for a, b in zip(reports.given, reports.wanted, strict=True))


def chexbert(reports: Reports, folder: Path, device: str) -> list[Metric]:
    """F1 over CheXbert's 14 and five labels, averaged and read in each way; an empty report has no label.

    Args:
        reports: Pairs.
        folder: Of the published files.
        device: Where it computes.
    """
    from medvlm.evaluation.chexbert import load_chexbert

    labels = load_chexbert(str(folder), device).label([*reports.given, *reports.wanted])
    return chexbert_f1(codes(labels[: len(reports.ids)]), codes(labels[len(reports.ids) :]))


def graphs_of(reports: Reports, place: Path, model: str) -> tuple[list[Graph], list[Graph]]:
    """Entities of each prediction and of each reference; an empty report has none.

    Args:
        reports: Pairs.
        place: Folder above that of the model, for the package ``radgraph``, or a JSONL file of ``id``, ``given`` and
            ``wanted``: entities by number as the package gives them, annotated anywhere.
        model: ``radgraph-xl``, or ``radgraph`` for RadCliQ.

    Raises:
        SampleError: If the file has not the graphs of every report.
    """
    if place.suffix == ".jsonl":
        lines = read_by_id(place, reports.ids)
        if absent := [name for name in reports.ids if not {"given", "wanted"} <= lines.get(name, {}).keys()]:
            raise SampleError(f"{place}: {len(absent)} reports have no given and wanted graph, first {absent[0]!r}")
        return [lines[name]["given"] for name in reports.ids], [lines[name]["wanted"] for name in reports.ids]
    texts = [*reports.given, *reports.wanted]
    filled = [text for text in texts if text]
    found = iter(load_radgraph(str(place), model)(filled) if filled else [])
    graphs: list[Graph] = [next(found) if text else {} for text in texts]
    return graphs[: len(reports.ids)], graphs[len(reports.ids) :]


def radgraph(reports: Reports, place: Path, device: str) -> list[Metric]:
    """RadGraph F1 in its three forms.

    Args:
        reports: Pairs.
        place: As of `graphs_of`.
        device: Not used: the package chooses.
    """
    model = "radgraph-xl" if place.suffix != ".jsonl" else place.name
    return radgraph_scores(*graphs_of(reports, place, "radgraph-xl"), model=model)


def rate(reports: Reports, folder: Path, device: str) -> list[Metric]:
    """Mean RaTEScore with the matrix ``long``.

    Args:
        reports: Pairs.
        folder: Holds ``ner`` and ``embedding``.
        device: Whether a GPU is used.
    """
    return [ratescore(reports.given, reports.wanted, load_ratescore(str(folder), "long", device.startswith("cuda")))]


def srr_bert(reports: Reports, folder: Path, device: str) -> list[Metric]:
    """F1 of SRR-BERT's labels; a report has each label that one of its sentences has with more than one half.

    Sentences end at full stops, semicolons, exclamation and question marks; RadEval divides them by nltk.

    Args:
        reports: Pairs.
        folder: Of the classifier and its tokenizer, labels named in ``id2label``.
        device: Where it computes.
    """
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    path = SRR_BERT.folder(folder)
    tokenizer = AutoTokenizer.from_pretrained(path)
    model = AutoModelForSequenceClassification.from_pretrained(path).eval().to(device)
    sides = [[_labels(report, model, tokenizer) for report in side] for side in (reports.given, reports.wanted)]
    return set_f1(sides[0], sides[1], labeler=f"srr_bert:{path.name}")


def _labels(report: str, model: Any, tokenizer: Any) -> frozenset[str]:
    import torch

    sentences = [text for text in _SENTENCE.split(report) if text]
    if not sentences:
        return frozenset()
    inputs = tokenizer(sentences, padding=True, truncation=True, max_length=_MOST, return_tensors="pt")
    with torch.no_grad():
        chances = model(**inputs.to(model.device)).logits.sigmoid()
    places: Sequence[int] = (chances > 0.5).any(0).nonzero().flatten().tolist()
    return frozenset(str(model.config.id2label[place]) for place in places)
