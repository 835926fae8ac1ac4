"""Rewards that a rule can check: the form of a completion, and whether its answer is right."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from medvlm.evaluation.parser import is_correct, parse_answer
from medvlm.study import AnswerKind, Sample

_TAGS = re.compile(r"\s*<think>(?P<think>.*?)</think>\s*<answer>(?P<answer>.*?)</answer>\s*", re.DOTALL)


def format_reward(completions: Sequence[str], **columns: Any) -> list[float | None]:
    """1 where a completion is exactly one ``<think>`` block and one non-empty ``<answer>`` block, else 0.

    Examples:
        >>> format_reward(["<think>a</think><answer>B</answer>", "B"])
        [1.0, 0.0]
    """
    return [1.0 if _well_formed(text) else 0.0 for text in completions]


def _well_formed(text: str) -> bool:
    match = _TAGS.fullmatch(text)
    if match is None or not match["answer"].strip():
        return False
    return not re.search(r"</?(think|answer)>", match["think"] + match["answer"])


def accuracy_reward(
    completions: Sequence[str],
    *,
    answer: Sequence[str],
    kind: Sequence[AnswerKind],
    options: Sequence[tuple[str, ...]],
    **columns: Any,
) -> list[float | None]:
    """1 where the parsed answer is right, 0 where it is wrong or unparsed, None for reports (no rule checks those)."""
    rewards: list[float | None] = []
    for text, reference, form, choices in zip(completions, answer, kind, options, strict=True):
        if form == "report":
            rewards.append(None)
            continue
        sample = Sample("", (), "", reference, form, choices)
        rewards.append(1.0 if is_correct(parse_answer(text, form, choices), sample) else 0.0)
    return rewards
