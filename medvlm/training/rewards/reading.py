"""What a reward reads of a completion: its declared answer, by the same parser as evaluation."""

from __future__ import annotations

from medvlm.evaluation.parser import parse_answer


def said(text: str) -> str:
    """The answer of a completion as text: thoughts left out, declared answers agreeing; empty if there is none.

    Args:
        text: A completion.

    Examples:
        >>> said("<think>a or b</think><answer> Edema </answer>"), said("<answer>a</answer><answer>b</answer>")
        ('Edema', '')
    """
    return parse_answer(text, "open").value or ""


def report_of(text: str) -> str:
    """The report of a completion; empty if there is none.

    Args:
        text: A completion.
    """
    return parse_answer(text, "report").value or ""
