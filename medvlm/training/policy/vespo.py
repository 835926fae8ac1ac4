"""VESPO: a smooth weight of the whole completion's ratio, off-policy answers fade on both sides.

As TRL has it (``loss_type="vespo"``): ``w = exp(sum_t (logp - logp_old))``, ``phi(w) = e^l w^k e^(-l w)`` (1 at
``w = 1``), ``(k, l) = (2, 3)`` where ``A >= 0`` and ``(3, 2)`` otherwise; a token costs ``-sg[phi] A logp``, with a
token mean.

Differs from GRPO: nothing is clipped; an answer counts less the further the policy has moved from it, either way. The
sampler correction is a part of ``w``.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from medvlm.training.policy.method import Method
from medvlm.training.policy.tokens import LARGEST, Scored, completion_sums

SMALLEST = math.log(1e-8)


def faded_reinforce(
    ratio: Tensor,
    scored: Scored,
    *,
    k_positive: float = 2.0,
    lambda_positive: float = 3.0,
    k_negative: float = 3.0,
    lambda_negative: float = 2.0,
) -> tuple[Tensor, Tensor]:
    """REINFORCE with a gamma-shaped weight of the completion's ratio.

    Args:
        ratio: Not used: the weight is of the whole completion, at any level.
        scored: The tokens.
        k_positive: Power of the ratio where the advantage is not negative.
        lambda_positive: Decay there.
        k_negative: Power of the ratio elsewhere.
        lambda_negative: Decay there.

    Returns:
        Cost of each token ``(T,)``, and that none is cut.
    """
    log = _completion_log_ratio(scored)
    good = scored.advantages >= 0
    power = torch.where(good, torch.full_like(log, k_positive), torch.full_like(log, k_negative))
    decay = torch.where(good, torch.full_like(log, lambda_positive), torch.full_like(log, lambda_negative))
    weight = (decay + power * log - decay * log.exp()).exp()
    return -weight * scored.advantages * scored.logps, torch.zeros_like(good)


def _completion_log_ratio(scored: Scored) -> Tensor:
    """Detached logarithm of each completion's ratio to the sampler, at its tokens ``(T,)``."""
    gap = (scored.logps - scored.old).detach().clamp(-LARGEST, LARGEST)
    if scored.correction is not None:
        gap = gap + scored.correction.log().clamp(SMALLEST, LARGEST)
    return completion_sums(gap, scored.lengths).clamp(SMALLEST, LARGEST).repeat_interleave(scored.lengths)


METHOD = Method(
    faded_reinforce,
    {"k_positive": 2.0, "lambda_positive": 3.0, "k_negative": 3.0, "lambda_negative": 2.0},
    scale="group",
    aggregate="token",
    weighs_itself=True,
)
