"""From records to a table: accuracy with intervals, by kind and category, beside what blind answers get."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any

from medvlm.evaluation.contrasts import Comparison, contrast, in_words
from medvlm.evaluation.macro import macro_accuracy
from medvlm.evaluation.metrics import Metric, finding_f1, hallucinated_findings
from medvlm.evaluation.protocols import Protocol
from medvlm.evaluation.records import Record
from medvlm.evaluation.report_metrics import plain_metrics
from medvlm.evaluation.sections import make_sections
from medvlm.evaluation.sections.report_baselines import report_baselines
from medvlm.evaluation.sections.section import Section
from medvlm.evaluation.statistics import Interval, mean_interval, ratio_interval
from medvlm.evaluation.tables import score_text

_PER_KIND: Mapping[str, tuple[str, ...]] = {"open": ("token_f1", "token_recall"), "box": ("iou",)}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a score: a metric over a part of the questions."""

    part: str
    metric: str
    interval: Interval


@dataclass(frozen=True, slots=True)
class Score:
    """Everything that is said about one run on one set.

    Attributes:
        header: Protocol, prompt, parser, split and decoding.
        n: Questions asked, unreadable ones included.
        accuracy: Share of right answers; None where all are reports.
        rows: The same and more by kind and by category.
        corpus: Scores of reports over the whole corpus.
        unparsed: Share of questions without an answer that could be read.
        truncated: Share of answers that were cut off.
        errors: Questions that could not be asked.
        comparisons: Baselines on the same questions.
        notes: What a reader must know.
        sections: Further tables: calibration, subgroups and the like.
        provenance: What it was made of, by name: protocol, weights, decoding, versions; empty where nobody said.
        split: Whether the questions are a released split, see `medvlm.evaluation.protocols.SplitCheck.to_json`.
    """

    header: str
    n: int
    accuracy: Interval | None
    rows: tuple[Row, ...]
    corpus: tuple[Metric, ...]
    unparsed: float
    truncated: float
    errors: int
    comparisons: tuple[Comparison, ...] = ()
    notes: tuple[str, ...] = ()
    sections: tuple[Section, ...] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)
    split: Mapping[str, str | int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The score as JSON values; what is not a number is null."""
        values: dict[str, Any] = json.loads(json.dumps(_finite(asdict(self))))
        return values

    def to_text(self, width: int = 110) -> str:
        """The score as a table to print.

        Args:
            width: Columns of the terminal.
        """
        return score_text(self, width)


def score_records(records: Sequence[Record], protocol: Protocol, *, header: str = "", seed: int = 0) -> Score:
    """Score the records of one run.

    Args:
        records: One for each question.
        protocol: How to break down and cluster them.
        header: What is printed beside the score.
        seed: Seed of the intervals.

    Raises:
        ValueError: If there are no records.

    Examples:
        >>> from medvlm.evaluation.records import grade
        >>> from medvlm.study import Sample
        >>> sample = Sample("1", (), "Effusion?", "yes", "closed", group="patient 1")
        >>> records = [grade(sample, text, run="r", cluster="patient 1") for text in ("Yes.", "No.")]
        >>> score_records(records, Protocol("own")).accuracy.value
        0.5
    """
    if not records:
        raise ValueError("no records to score; ask at least one question")
    answered = [record for record in records if record.correct is not None]
    rows = _kind_rows(records, protocol, seed) + _macro_rows(answered, protocol, seed)
    rows += _category_rows(answered, protocol, seed)
    corpus, notes = _corpus(records, protocol)
    missing = [record for record in records if record.error]
    if missing:
        notes.append(f"{len(missing)} questions could not be asked and count as wrong, first: {missing[0].error}")
    return Score(
        header=header,
        n=len(records),
        accuracy=_accuracy(answered, seed) if answered else None,
        rows=tuple(rows),
        corpus=tuple(corpus),
        unparsed=sum(record.value is None for record in records) / len(records),
        truncated=sum(not record.finished for record in records) / len(records),
        errors=len(missing),
        notes=tuple(notes),
        sections=make_sections(records, protocol, seed=seed),
    )


def compare(score: Score, records: Sequence[Record], others: Mapping[str, Sequence[Record]], *, seed: int = 0) -> Score:
    """The score with baselines beside it, paired question by question, and in its notes what they say.

    Args:
        score: The score of the records.
        records: Those of the model.
        others: Those of each baseline, for the same questions.
        seed: Seed of the intervals.

    Raises:
        ValueError: If a baseline has other questions.
    """
    findings = any(row.metric.startswith("rule_chexpert") for row in score.rows)
    comparisons = contrast(records, others, findings=findings, seed=seed)
    more = report_baselines(records, others, seed=seed) if findings else None
    sections = score.sections if more is None else (*score.sections, more)
    notes = (*score.notes, *in_words(comparisons))
    return replace(score, comparisons=comparisons, notes=notes, sections=sections)


def _accuracy(records: Sequence[Record], seed: int) -> Interval:
    return _mean(records, lambda record: float(bool(record.correct)), seed)


def _mean(records: Sequence[Record], value: Callable[[Record], float], seed: int) -> Interval:
    return mean_interval([value(record) for record in records], [record.cluster for record in records], seed=seed)


def _kind_rows(records: Sequence[Record], protocol: Protocol, seed: int) -> list[Row]:
    rows = []
    for kind in sorted({record.kind for record in records}):
        part = [record for record in records if record.kind == kind]
        if kind == "report":
            if protocol.chest:
                rows.append(Row(kind, "rule_chexpert_micro_f1", _report_f1(part, seed)))
                rows.append(Row(kind, "rule_chexpert_hallucinated", _hallucinated(part, seed)))
            continue
        rows.append(Row(kind, "accuracy", _accuracy(part, seed)))
        rows += [Row(kind, name, _mean(part, partial(_named, name), seed)) for name in _PER_KIND.get(kind, ())]
    return rows


def _named(name: str, record: Record) -> float:
    return record.scores[name]


def _report_f1(records: Sequence[Record], seed: int) -> Interval:
    """Micro F1 of the findings; 1 where neither side has any."""
    clusters = [record.cluster for record in records]
    above = [2 * record.scores["hits"] for record in records]
    below = [2 * record.scores["hits"] + record.scores["extra"] + record.scores["missed"] for record in records]
    if not any(below):
        return mean_interval([1.0] * len(records), clusters, seed=seed)
    return ratio_interval(above, below, clusters, seed=seed)


def _hallucinated(records: Sequence[Record], seed: int) -> Interval:
    """Share of the findings named that the reference does not have; 0 where none is named."""
    clusters = [record.cluster for record in records]
    extra = [record.scores["extra"] for record in records]
    named = [record.scores["hits"] + record.scores["extra"] for record in records]
    if not any(named):
        return mean_interval([0.0] * len(records), clusters, seed=seed)
    return ratio_interval(extra, named, clusters, seed=seed)


def _macro_rows(records: Sequence[Record], protocol: Protocol, seed: int) -> list[Row]:
    found = [(name, macro_accuracy(records, name, seed=seed)) for name in protocol.macro]
    return [Row(f"mean over {name}", "accuracy", interval) for name, interval in found if interval]


def _category_rows(records: Sequence[Record], protocol: Protocol, seed: int) -> list[Row]:
    names = protocol.breakdown
    if names is None:
        names = tuple(sorted({name for record in records for name in record.categories}))
    rows = []
    for name in names:
        for value in sorted({record.categories[name] for record in records if name in record.categories}):
            part = [record for record in records if record.categories.get(name) == value]
            rows.append(Row(f"{name}={value or '(none)'}", "accuracy", _accuracy(part, seed)))
    return rows


def _corpus(records: Sequence[Record], protocol: Protocol) -> tuple[list[Metric], list[str]]:
    """Corpus scores of the reports, and which of them could not be had."""
    reports = [record for record in records if record.kind == "report"]
    if not reports:
        return [], []
    given, wanted = [record.value or "" for record in reports], [record.reference for record in reports]
    metrics = finding_f1(given, wanted) + hallucinated_findings(given, wanted) if protocol.chest else []
    more, missing = plain_metrics(given, wanted, chest=protocol.chest)
    return metrics + more, missing


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
