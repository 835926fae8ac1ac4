"""Policy-gradient arithmetic as pure functions of tensors.

GRPO: Shao et al., DeepSeekMath (arXiv 2402.03300); clip-higher and token mean: DAPO (2503.14476); constant
denominator: Dr. GRPO (2503.20783). The loss value is about zero on-policy by construction: it is no sign of health.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

Scale = Literal["group", "batch", "none"]
Aggregate = Literal["token", "sequence", "constant"]


def group_advantages(rewards: Tensor, group: int, *, scale: Scale = "group", eps: float = 1e-4) -> Tensor:
    """How much better each completion is than its group.

    Args:
        rewards: ``(B,)``, groups contiguous; a NaN row counts in no mean and gets advantage 0.
        group: Completions a question.
        scale: Divide by the standard deviation (n - 1) of the group, of the whole batch, or not at all.
        eps: Added to the divisor.

    Raises:
        ValueError: If the rows do not fill whole groups of at least two.

    Examples:
        >>> group_advantages(torch.tensor([1.0, 0.0, 2.0, 2.0]), 2, scale="none")
        tensor([ 0.5000, -0.5000,  0.0000,  0.0000])
    """
    if group < 2 or len(rewards) % group:
        raise ValueError(f"{len(rewards)} rewards do not fill groups of {group} (at least 2).")
    rows = rewards.reshape(-1, group)
    centred = rows - rows.nanmean(dim=1, keepdim=True)
    if scale == "group":
        centred = centred / (_std(rows) + eps)
    elif scale == "batch":
        centred = centred / (_std(rewards[None]) + eps)
    return torch.nan_to_num(centred, nan=0.0).reshape(-1)


def _std(rows: Tensor) -> Tensor:
    """Standard deviation (n - 1) of each row, NaN left out; 0 where fewer than two values are left."""
    count = (~rows.isnan()).sum(dim=1, keepdim=True)
    squares = torch.nansum((rows - rows.nanmean(dim=1, keepdim=True)) ** 2, dim=1, keepdim=True)
    return torch.where(count > 1, squares / (count - 1).clamp(min=1), 0.0).sqrt()


def policy_loss(
    logps: Tensor, old: Tensor, advantages: Tensor, *, clip_low: float = 0.2, clip_high: float = 0.28
) -> tuple[Tensor, Tensor]:
    """Clipped surrogate of every token.

    Args:
        logps: Log-probabilities under the policy that is trained ``(T,)``.
        old: The same tokens under the policy that sampled; on the first pass simply ``logps.detach()``.
        advantages: One a token ``(T,)``.
        clip_low: The ratio counts down to ``1 - clip_low``.
        clip_high: The ratio counts up to ``1 + clip_high``.

    Returns:
        Loss of each token, and whether it was clipped (its gradient is then zero).
    """
    ratio = (logps - old).exp()
    bounded = ratio.clamp(1 - clip_low, 1 + clip_high)
    clipped = ((ratio > 1 + clip_high) & (advantages > 0)) | ((ratio < 1 - clip_low) & (advantages < 0))
    return -torch.minimum(ratio * advantages, bounded * advantages), clipped


def reference_kl(logps: Tensor, old: Tensor, reference: Tensor) -> Tensor:
    """Estimate of KL(policy || reference) at each token whose gradient is that of the KL.

    The estimator ``k3 = exp(d) - d - 1`` with ``d = reference - logps`` has the gradient of the opposite KL; multiplied
    by the differentiable importance ratio it has the right one (DeepSeek-V3.2).
    """
    gap = reference - logps
    return (logps - old).exp() * (gap.exp() - gap - 1)


def token_weights(lengths: Sequence[int], aggregate: Aggregate) -> Tensor:
    """Weight of each token of completions laid end to end, so that every aggregate is a weighted sum over a count.

    Args:
        lengths: Tokens of each completion.
        aggregate: ``sequence`` gives each completion the same weight; the others each token.

    Examples:
        >>> token_weights([1, 2], "sequence")
        tensor([1.0000, 0.5000, 0.5000])
    """
    sizes = torch.tensor(lengths, dtype=torch.float32)
    weight = 1 / sizes.clamp(min=1) if aggregate == "sequence" else torch.ones_like(sizes)
    return weight.repeat_interleave(torch.tensor(lengths, dtype=torch.long))


def denominator(lengths: Sequence[int], aggregate: Aggregate, limit: int) -> float:
    """What the weighted sum is divided by, never less than 1.

    Args:
        lengths: Tokens of each completion of the whole batch, 0 for one that is left out.
        aggregate: ``token`` divides by tokens, ``sequence`` by completions, ``constant`` by completions x ``limit``.
        limit: Most tokens of a completion.
    """
    counts = {"token": sum(lengths), "sequence": len(lengths), "constant": len(lengths) * limit}
    return float(max(counts[aggregate], 1))
