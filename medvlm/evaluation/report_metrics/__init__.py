"""Scores of reports by name; every one carries its signature: package, version, tokenizer, case, settings, n.

Those here need no weights and are of any corpus of at least one pair.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from medvlm.evaluation.metrics import Metric
from medvlm.evaluation.report_metrics.cider import cider
from medvlm.evaluation.report_metrics.overlap import bleu_all, bleu_coco, meteor, rouge_all, rouge_words
from medvlm.evaluation.report_metrics.surface import all_normal, distinct, length, sectionwise, temporal

ReportMetric = Callable[[Sequence[str], Sequence[str]], list[Metric]]
"""Predictions and references, one text a study, to scores."""

PLAIN: Mapping[str, ReportMetric] = {
    "bleu": bleu_all,
    "bleu_coco": bleu_coco,
    "rouge": rouge_all,
    "rouge_words": rouge_words,
    "cider": cider,
    "meteor": meteor,
    "length": length,
    "distinct": distinct,
    "sectionwise": sectionwise,
}
FIRST = ("bleu[", "rougeL_f1[")
"""What papers quote; it stands over the other scores."""
CHEST: Mapping[str, ReportMetric] = {"all_normal": all_normal, "temporal": temporal}


def plain_metrics(
    predictions: Sequence[str], references: Sequence[str], *, chest: bool = True
) -> tuple[list[Metric], list[str]]:
    """All scores that need no weights, and why some could not be had.

    Args:
        predictions: One report a study; an empty one counts.
        references: The report wanted for each.
        chest: Whether reports are of the chest, whose findings the rule labeler reads.

    Raises:
        ValueError: If there is nothing to score, or the counts differ.
    """
    metrics: list[Metric] = []
    notes: list[str] = []
    for name, metric in {**PLAIN, **(CHEST if chest else {})}.items():
        try:
            metrics += metric(predictions, references)
        except (ImportError, ValueError) as error:
            notes.append(f"{name} not available: {error}")
    return sorted(metrics, key=lambda metric: not metric.name.startswith(FIRST)), notes
