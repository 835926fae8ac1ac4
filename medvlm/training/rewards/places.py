"""Rewards for boxes: the overlap of one or several, and the hit that counts in tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from medvlm.evaluation.boxes import read_boxes, soft_box_f1
from medvlm.evaluation.metrics import box_iou
from medvlm.evaluation.parser import parse_answer
from medvlm.evaluation.values import to_box
from medvlm.study import AnswerKind, SampleError
from medvlm.training.rewards.reading import said


def box_iou_reward(
    completions: Sequence[str],
    *,
    answer: Sequence[str],
    kind: Sequence[AnswerKind],
    most: int = 16,
    **columns: Any,
) -> list[float | None]:
    """Soft F1 of the boxes of an answer, matched one to one: for a single box twice its IoU over 1 + IoU.

    RadVLM-GRPO's grounding reward, except that "no finding" where there is none earns 1. Boxes count inside the
    declared answer only (DeepMedix-R1 pays for coordinates in thoughts, whatever they enclose).

    Args:
        completions: What was written.
        answer: Boxes in shares of the image, ``x0 y0 x1 y1`` or several in brackets, or ``none``.
        kind: Forms of answer.
        most: A list of more boxes earns nothing.
        **columns: Not used.

    Raises:
        SampleError: If a reference holds no box and does not say none.

    Examples:
        >>> box_iou_reward(["[0, 0, 0.5, 0.5]", "none"], answer=["0 0 0.5 0.5", "none"], kind=["box"] * 2)
        [1.0, 1.0]
    """
    rewards: list[float | None] = []
    for text, reference, form in zip(completions, answer, kind, strict=True):
        if form != "box":
            rewards.append(None)
            continue
        wanted, given = read_boxes(reference), read_boxes(said(text))
        if wanted is None:
            raise SampleError(f"answer {reference!r} is no list of boxes x0 y0 x1 y1 in 0..1, and not 'none'")
        rewards.append(0.0 if given is None or len(given) > most else soft_box_f1(given, wanted))
    return rewards


def box_hit_reward(
    completions: Sequence[str],
    *,
    answer: Sequence[str],
    kind: Sequence[AnswerKind],
    threshold: float = 0.5,
    **columns: Any,
) -> list[float | None]:
    """1 where the one box of an answer overlaps the reference by more than ``threshold`` (IoU): MedGround-R1's reward.

    Args:
        completions: What was written.
        answer: ``x0 y0 x1 y1`` in shares of the image.
        kind: Forms of answer.
        threshold: IoU that must be passed.
        **columns: Not used.

    Raises:
        SampleError: If a reference is no box.

    Examples:
        >>> box_hit_reward(["0 0 0.5 0.5", "0 0 0.5 0.25"], answer=["0 0 0.5 0.5"] * 2, kind=["box"] * 2)
        [1.0, 0.0]
    """
    rewards: list[float | None] = []
    for text, reference, form in zip(completions, answer, kind, strict=True):
        if form != "box":
            rewards.append(None)
            continue
        wanted, given = to_box(reference), to_box(parse_answer(text, "box").value or "")
        if wanted is None:
            raise SampleError(f"answer {reference!r} is no box x0 y0 x1 y1 in 0..1")
        rewards.append(float(given is not None and box_iou(given, wanted) > threshold))
    return rewards
