r"""Rewards for the form of a completion: tags, ``\boxed{}``; they say nothing of whether it is right.

The patterns must match the whole completion, line ends included: published rewards that search, or whose ``.`` stops at
a line end, pay for tags anywhere (EasyR1) or refuse thoughts of two lines (MedVLThinker's answer pattern).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

_TAGS = re.compile(r"\s*<think>(?P<think>.*?)</think>\s*<answer>(?P<answer>.*?)</answer>\s*", re.DOTALL)
_BOXED = re.compile(r"\s*<think>(?P<think>.*?)</think>(?P<before>.*?)\\boxed\{(?P<answer>.+)\}(?P<after>.*)", re.DOTALL)
_ANY_TAG = re.compile(r"</?(?:think|answer)>")


def format_reward(completions: Sequence[str], **columns: Any) -> list[float | None]:
    """1 where a completion is exactly one ``<think>`` block and one non-empty ``<answer>`` block, else 0.

    Examples:
        >>> format_reward(["<think>a</think><answer>B</answer>", "B"])
        [1.0, 0.0]
    """
    return [1.0 if _well_formed(text) else 0.0 for text in completions]


def boxed_reward(completions: Sequence[str], **columns: Any) -> list[float | None]:
    r"""1 where a completion is one ``<think>`` block and then text with exactly one non-empty ``\boxed{}``, else 0.

    The form of the EasyR1 family (DeepMedix-R1).

    Examples:
        >>> boxed_reward([r"<think>a</think> \boxed{B}", r"\boxed{B}", r"<think>a \boxed{B}</think>"])
        [1.0, 0.0, 0.0]
    """
    return [1.0 if _boxed_once(text) else 0.0 for text in completions]


def _well_formed(text: str) -> bool:
    match = _TAGS.fullmatch(text)
    if match is None or not match["answer"].strip():
        return False
    return not _ANY_TAG.search(match["think"] + match["answer"])


def _boxed_once(text: str) -> bool:
    match = _BOXED.fullmatch(text)
    if match is None or not match["answer"].strip() or text.count("\\boxed") != 1:
        return False
    inside = match["answer"]
    return inside.count("{") == inside.count("}") and len(_ANY_TAG.findall(text)) == 2
