"""Report scores that are asked for by name, ``NAME=FOLDER``: checked before a run, computed after it."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from medvlm.evaluation.metrics import Metric
from medvlm.evaluation.published import (
    BERTSCORE,
    CHEXBERT,
    CRIMSON,
    GREEN,
    RADCLIQ,
    RADGRAPH,
    RATE_NER,
    SRR_BERT,
    Published,
)
from medvlm.evaluation.records import Record
from medvlm.evaluation.report_metrics import weighted
from medvlm.evaluation.report_metrics.judges import crimson_of, green, radrscore_of
from medvlm.evaluation.report_metrics.radcliq import check_radcliq, radcliq_v0, radcliq_v1, read_normaliser
from medvlm.evaluation.report_metrics.reports import Reports, reports_of
from medvlm.evaluation.scoring import Score

Scorer = Callable[[Reports, Path, str], list[Metric]]
"""Reports, folder or file, device, to scores."""


@dataclass(frozen=True, slots=True)
class Known:
    """A report score.

    Attributes:
        score: Computes it.
        source: What it needs; None for RadRScore, which the rule labeler judges where no file is named.
        file: Whether a JSONL file by the ids of the reports may stand for the weights.
    """

    score: Scorer
    source: Published | None
    file: bool = False


REPORT_METRICS: Mapping[str, Known] = {
    "bertscore": Known(weighted.bertscore, BERTSCORE),
    "chexbert": Known(weighted.chexbert, CHEXBERT),
    "radgraph": Known(weighted.radgraph, RADGRAPH, file=True),
    "radcliq": Known(radcliq_v1, RADCLIQ),
    "radcliq_v0": Known(radcliq_v0, RADCLIQ),
    "ratescore": Known(weighted.rate, RATE_NER),
    "green": Known(green, GREEN, file=True),
    "crimson": Known(crimson_of, CRIMSON, file=True),
    "srr_bert": Known(weighted.srr_bert, SRR_BERT),
    "radrscore": Known(radrscore_of, None, file=True),
}


def read_asked(asked: Sequence[str]) -> dict[str, Path | None]:
    """The names with their folders or files, all of them there.

    Args:
        asked: ``NAME`` or ``NAME=PLACE``.

    Raises:
        ValueError: If a name is unknown or there twice.
        WeightsError: If a folder is not named, or a file in it is absent; the message says where it is published.
        FileNotFoundError: If a file is absent.
    """
    found: dict[str, Path | None] = {}
    for item in asked:
        name, _, place = item.partition("=")
        if name not in REPORT_METRICS:
            near = difflib.get_close_matches(name, REPORT_METRICS, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"report metric {name!r} is unknown; expected one of {', '.join(REPORT_METRICS)}{hint}")
        if name in found:
            raise ValueError(f"report metric {name!r} is asked for twice; name it once")
        found[name] = Path(place).expanduser() if place else None
        _check(name, REPORT_METRICS[name], found[name])
    return found


def _check(name: str, known: Known, place: Path | None) -> None:
    """Refuse what is not there, before a model is asked anything."""
    if place is None:
        if known.source is not None:
            raise known.source.refusal()
        return
    if known.file and place.suffix == ".jsonl":
        if not place.is_file():
            raise FileNotFoundError(f"{name}: there is no file {place}")
    elif known.source is None:
        raise ValueError(f"{name}: {place} is no .jsonl file of a judge; name one, or none for the rule labeler")
    elif known.source is RADCLIQ:
        check_radcliq(place)
    else:
        known.source.folder(place / "radgraph-xl" if name == "radgraph" else place)
    if name == "radcliq_v0":
        read_normaliser(place / "normaliser.json")


def add_report_metrics(score: Score, asked: Sequence[str], records: Sequence[Record], *, device: str = "cpu") -> Score:
    """The score with report scores of weights and judges after those that need none.

    Args:
        score: The score.
        asked: ``NAME`` or ``NAME=PLACE``.
        records: One for each question.
        device: Where models compute.

    Raises:
        ValueError: As `read_asked`, or if no question asks for a report.
    """
    if not asked:
        return score
    places, reports = read_asked(asked), reports_of(records)
    metrics = [metric for name in places for metric in _scored(name, places[name], reports, device)]
    return replace(score, corpus=(*score.corpus, *metrics))


def _scored(name: str, place: Path | None, reports: Reports, device: str) -> list[Metric]:
    if name == "radrscore":
        return radrscore_of(reports, place, device)
    if place is None:
        raise ValueError(f"{name}: no folder was named")
    return REPORT_METRICS[name].score(reports, place, device)
