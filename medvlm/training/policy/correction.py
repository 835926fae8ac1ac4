"""Weights for what the sampler and the trainer disagree on, and for what is too far off-policy.

An engine that samples in another precision, or with older weights, draws from another distribution than the trainer
computes. ``w = exp(old - sampled)`` makes up for it: truncated (TIS) or left out where it is out of bounds (MIS,
IcePop), at each token or over whole completions. The weights carry no gradient and multiply the policy's cost only.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from torch import Tensor

from medvlm.training.policy.tokens import LARGEST, Scored, completion_means, completion_sums

Correction = Literal["token_truncate", "token_mask", "sequence_truncate", "sequence_mask"]


@torch.no_grad()
def correction_weights(
    old: Tensor,
    sampled: Tensor,
    lengths: Tensor,
    mode: Correction = "sequence_mask",
    *,
    low: float | None = None,
    high: float | None = 3.0,
) -> Tensor:
    """Weight of each token.

    Args:
        old: Log-probabilities under the trainer's copy of the policy that sampled ``(T,)``.
        sampled: The same as the sampler reported them ``(T,)``; NaN where it did not, which is corrected by nothing.
        lengths: Tokens of each completion ``(S,)``.
        mode: ``token`` takes each token alone, ``sequence`` the product over its completion; ``truncate`` brings a
            weight into the bounds, ``mask`` makes it 0 outside them.
        low: Least weight; None is no bound.
        high: Largest weight; None is no bound.

    Returns:
        ``(T,)``.

    Raises:
        ValueError: If the mode has another name.
    """
    if mode not in get_args(Correction):
        raise ValueError(f"Unknown correction {mode!r}. Known: {', '.join(get_args(Correction))}.")
    gap = torch.nan_to_num(old - sampled, nan=0.0)
    if mode.startswith("sequence"):
        gap = completion_sums(gap, lengths).repeat_interleave(lengths)
    weights = gap.clamp(-LARGEST, LARGEST).exp()
    least, most = -math.inf if low is None else low, math.inf if high is None else high
    if mode.endswith("truncate"):
        return weights.clamp(least, most)
    return weights.masked_fill((weights < least) | (weights > most), 0.0)


@torch.no_grad()
def off_policy_mask(scored: Scored, sampled: Tensor, threshold: float) -> Tensor:
    """1 at the tokens of completions that are kept, 0 at bad ones that the policy has moved away from (DeepSeek-V3.2).

    Args:
        scored: The tokens.
        sampled: Log-probabilities as the sampler reported them ``(T,)``; NaN is no evidence.
        threshold: A completion with ``A < 0`` goes if the mean over its tokens of ``sampled - logp`` is above.

    Returns:
        ``(T,)``.
    """
    gap = completion_means(torch.nan_to_num(sampled - scored.logps, nan=0.0), scored.lengths)
    near = (gap <= threshold).repeat_interleave(scored.lengths)
    return ((scored.advantages >= 0) | near).to(scored.logps.dtype)
