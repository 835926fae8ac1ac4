"""Rewards for reports that need no weights: findings by the rule labeler, BLEU, ROUGE-L, words of change.

One of them alone is gamed: findings by lists, n-gram overlap by normal sentences, all of them by length (RadGraph alone
made reports half as long, GREEN alone twice). Recipes sum at least two of opposite bias and a length reward.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from medvlm.evaluation.labeler import FINDINGS, label_report, says_normal
from medvlm.evaluation.metrics import f1, finding_counts, rouge_l, sentence_bleu
from medvlm.study import AnswerKind
from medvlm.training.rewards.reading import report_of


def finding_f1_reward(
    completions: Sequence[str],
    *,
    answer: Sequence[str],
    kind: Sequence[AnswerKind],
    uncertain: bool = False,
    **columns: Any,
) -> list[float | None]:
    """F1 over the findings that two reports state, by the rule labeler; None where no report was asked for.

    Where the reference states no finding, a report earns 1 only if it states none either and says so: that something is
    normal, clear or absent. Silence and junk earn nothing.

    Args:
        completions: What was written.
        answer: Reference reports.
        kind: Forms of answer.
        uncertain: Whether an uncertain finding counts as stated.
        **columns: Not used.

    Examples:
        >>> asked = {"answer": ["Large effusion. Cardiomegaly.", "Clear lungs."], "kind": ["report"] * 2}
        >>> finding_f1_reward(["Large effusion.", "No effusion."], **asked), finding_f1_reward(["", ""], **asked)
        ([0.6666666666666666, 1.0], [0.0, 0.0])
    """
    return _pairwise(lambda given, wanted: _finding_f1(given, wanted, uncertain), completions, answer, kind)


def _finding_f1(given: str, wanted: str, uncertain: bool) -> float:
    counts = [sum(column) for column in zip(*finding_counts(given, wanted, uncertain=uncertain).values(), strict=True)]
    if any(counts):
        return f1(counts)
    denied = any(label in FINDINGS for label in label_report(given))
    return 1.0 if denied or says_normal(given) else 0.0


def bleu_reward(
    completions: Sequence[str], *, answer: Sequence[str], kind: Sequence[AnswerKind], **columns: Any
) -> list[float | None]:
    """BLEU-4 of sacrebleu, one report at a time; None where no report was asked for.

    Raises:
        ImportError: If sacrebleu is not installed.
    """
    return _pairwise(sentence_bleu, completions, answer, kind)


def rouge_l_reward(
    completions: Sequence[str], *, answer: Sequence[str], kind: Sequence[AnswerKind], **columns: Any
) -> list[float | None]:
    """ROUGE-L F1 of rouge-score; None where no report was asked for.

    Raises:
        ImportError: If rouge-score is not installed.
        ValueError: If a reference has no letter from a to z.
    """
    return _pairwise(lambda given, wanted: rouge_l([given], [wanted]).value, completions, answer, kind)


def _pairwise(
    score: Callable[[str, str], float], completions: Sequence[str], answer: Sequence[str], kind: Sequence[AnswerKind]
) -> list[float | None]:
    """Score each report with its reference; an empty or unreadable one earns 0, what is no report None."""
    values: list[float | None] = []
    for text, wanted, form in zip(completions, answer, kind, strict=True):
        given = report_of(text) if form == "report" else ""
        values.append(None if form != "report" else score(given, wanted) if given else 0.0)
    return values
