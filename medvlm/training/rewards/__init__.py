"""Rewards: plain functions ``f(completions, **columns) -> list[float | None]``, the signature that TRL's users know.

``None`` means "does not apply" and never counts as 0. The columns are the samples' fields, one entry a completion:
``answer``, ``kind``, ``options``, ``categories``, ``extra`` and more (``medvlm.training.rewards.scoring.COLUMNS``).
Keyword-only arguments that are no column are options, and a recipe may set them.
"""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from importlib import import_module
from typing import Any

from medvlm.training.rewards.answers import (
    accuracy_reward,
    jaccard_reward,
    mcq_gated_reward,
    mcq_letter_reward,
    number_reward,
    option_text_reward,
    token_f1_reward,
    yes_no_reward,
)
from medvlm.training.rewards.form import boxed_reward, format_reward
from medvlm.training.rewards.judge import judge_reward
from medvlm.training.rewards.places import box_hit_reward, box_iou_reward
from medvlm.training.rewards.process import process_reward, step_model_reward, temporal_reward
from medvlm.training.rewards.reports import bleu_reward, finding_f1_reward, rouge_l_reward
from medvlm.training.rewards.retrieval import retrieval_reward
from medvlm.training.rewards.rubric import rubric_reward
from medvlm.training.rewards.shape import (
    cosine_length_reward,
    language_reward,
    length_reward,
    overlong_reward,
    repetition_reward,
)
from medvlm.training.rewards.weighted import bertscore_reward, chexbert_reward, radgraph_reward, ratescore_reward

Reward = Callable[..., list[float | None]]

REWARDS: dict[str, Reward] = {
    "accuracy": accuracy_reward,
    "bertscore": bertscore_reward,
    "bleu": bleu_reward,
    "box_hit": box_hit_reward,
    "box_iou": box_iou_reward,
    "boxed": boxed_reward,
    "chexbert": chexbert_reward,
    "cosine_length": cosine_length_reward,
    "finding_f1": finding_f1_reward,
    "format": format_reward,
    "jaccard": jaccard_reward,
    "judge": judge_reward,
    "language": language_reward,
    "length": length_reward,
    "mcq_gated": mcq_gated_reward,
    "mcq_letter": mcq_letter_reward,
    "number": number_reward,
    "option_text": option_text_reward,
    "overlong": overlong_reward,
    "process": process_reward,
    "radgraph": radgraph_reward,
    "ratescore": ratescore_reward,
    "repetition": repetition_reward,
    "retrieval": retrieval_reward,
    "rouge_l": rouge_l_reward,
    "rubric": rubric_reward,
    "step_model": step_model_reward,
    "temporal": temporal_reward,
    "token_f1": token_f1_reward,
    "yes_no": yes_no_reward,
}


def find_reward(name: str) -> Reward:
    """The reward called ``name``, or the user's own at ``package.module:function``.

    Raises:
        ValueError: If there is none; the message names the nearest.
    """
    if ":" in name:
        return _outside(name)
    if name not in REWARDS:
        near = get_close_matches(name, REWARDS) or sorted(REWARDS)
        raise ValueError(f"Unknown reward {name!r}. Nearest: {', '.join(near)}; your own: package.module:function.")
    return REWARDS[name]


def _outside(path: str) -> Reward:
    module, _, attribute = path.partition(":")
    try:
        found: dict[str, Any] = vars(import_module(module))
    except ModuleNotFoundError as error:
        raise ValueError(f"reward {path!r}: {error}. It must be an installed package.module:function.") from error
    if not callable(found.get(attribute)):
        raise ValueError(f"reward {path!r}: {module} has no function {attribute!r}.")
    reward: Reward = found[attribute]
    return reward
