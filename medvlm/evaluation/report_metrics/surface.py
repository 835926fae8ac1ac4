"""What reports are like as a body: how long, how often the same, how often all normal, what they say has changed."""

from __future__ import annotations

import re
from collections.abc import Sequence

from medvlm.datamodules.sets.sections import section_texts
from medvlm.evaluation.labeler import label_report, says_normal
from medvlm.evaluation.metrics import Metric, bleu, f1, pairs, rouge_l
from medvlm.evaluation.temporal import changes
from medvlm.evaluation.text import clean, words

_INLINE = re.compile(r"(?<=[.!?:])[ \t]+(?=(?:findings|impression):)", re.IGNORECASE)
SECTIONS = ("findings", "impression")


def length(predictions: Sequence[str], references: Sequence[str]) -> list[Metric]:
    """Mean number of words (of CJK characters), and the ratio to the references' of all words together.

    Args:
        predictions: One text a study.
        references: The text wanted for each.

    Raises:
        ValueError: If there is nothing to count, or the counts differ.
    """
    given, wanted = ([len(words(text)) for text in side] for side in pairs(predictions, references))
    metrics = [Metric("length[words, mean]", sum(given) / len(given), len(given))]
    if sum(wanted):
        metrics.append(Metric("length_ratio[words: predictions / references]", sum(given) / sum(wanted), len(given)))
    return metrics


def distinct(predictions: Sequence[str], references: Sequence[str]) -> list[Metric]:
    """Share of different texts among the predictions and among the references; a model that repeats itself has few.

    Args:
        predictions: One text a study.
        references: The text wanted for each.

    Raises:
        ValueError: If there is nothing to count, or the counts differ.
    """
    sides = zip(("predictions", "references"), pairs(predictions, references), strict=True)
    return [
        Metric(f"distinct_reports[{name}|no case]", len({text.lower() for text in texts}) / len(texts), len(texts))
        for name, texts in sides
    ]


def all_normal(predictions: Sequence[str], references: Sequence[str]) -> list[Metric]:
    """Share of chest reports in which the rule labeler reads no finding, of predictions and of references.

    The report must deny a finding or call something normal: an empty text or one of something else says nothing.

    Args:
        predictions: One report a study.
        references: The report wanted for each.

    Raises:
        ValueError: If there is nothing to count, or the counts differ.
    """
    sides = zip(("predictions", "references"), pairs(predictions, references), strict=True)
    return [
        Metric(f"rule_chexpert_all_normal[{name}]", sum(map(_normal, texts)) / len(texts), len(texts))
        for name, texts in sides
    ]


def _normal(report: str) -> bool:
    labels = label_report(report)
    return "No Finding" in labels and (says_normal(report) or "absent" in labels.values())


def temporal(predictions: Sequence[str], references: Sequence[str]) -> list[Metric]:
    """Micro F1 over every (finding, change) that reports state, by rule; none where no reference states one.

    Args:
        predictions: One chest report a study; an empty one states nothing.
        references: The report wanted for each.

    Raises:
        ValueError: If there is nothing to score, or the counts differ.

    Examples:
        >>> temporal(["No new effusion."], ["New effusion. Stable nodule."])[0].value
        0.0
    """
    given, wanted = ([changes(text) for text in side] for side in pairs(predictions, references))
    stated = sum(map(bool, wanted))
    if not stated:
        return []
    both = list(zip(given, wanted, strict=True))
    counts = [sum(len(a & b) for a, b in both), sum(len(a - b) for a, b in both), sum(len(b - a) for a, b in both)]
    return [Metric(f"rule_temporal_f1[micro|{stated} references state a change]", f1(counts), len(both))]


def sectionwise(predictions: Sequence[str], references: Sequence[str]) -> list[Metric]:
    """BLEU-4 and ROUGE-L of the findings and of the impression apart, over the references that have the section.

    A prediction without the section counts as empty there. References without headings have no row.

    Args:
        predictions: One report a study, with its headings.
        references: The report wanted for each.

    Raises:
        ImportError: If a package is not installed.
        ValueError: If there is nothing to score, the counts differ, or texts are of no script that ROUGE reads.
    """
    pairs(predictions, references)
    given, wanted = ([_sections(text) for text in side] for side in (predictions, references))
    metrics = []
    for name in SECTIONS:
        both = [(a.get(name, ""), b[name]) for a, b in zip(given, wanted, strict=True) if b.get(name)]
        for metric in (bleu, rouge_l) if both else ():
            found = metric([a for a, _ in both], [b for _, b in both])
            metrics.append(Metric(f"{name}:{found.name}", found.value, found.n))
    return metrics


def _sections(report: str) -> dict[str, str]:
    return section_texts(_INLINE.sub("\n", clean(report)), "lenient")
