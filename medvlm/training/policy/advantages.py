"""What an answer is compared with: its group, the others of its group, or the whole batch.

All functions take the rewards of a whole batch, before it is split. A reward that is no finite number (NaN: no function
applied) counts in no mean, and its completion gets the advantage 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from medvlm.training.policy.method import Scale

EPS = 1e-4
WHITENING_EPS = 1e-8


def group_advantages(rewards: Tensor, group: int, *, scale: Scale = "group", eps: float = EPS) -> Tensor:
    """How much better each completion is than its group (DeepSeekMath; ``none``: Dr. GRPO; ``batch``: Lite PPO).

    Args:
        rewards: ``(B,)``, groups contiguous.
        group: Completions a question.
        scale: Divide by the standard deviation (n - 1) of the group, of the whole batch, or not at all.
        eps: Added to the divisor.

    Returns:
        ``(B,)``.

    Raises:
        ValueError: If the rows do not fill whole groups of at least two.

    Examples:
        >>> group_advantages(torch.tensor([1.0, 0.0, 2.0, 2.0]), 2, scale="none")
        tensor([ 0.5000, -0.5000,  0.0000,  0.0000])
    """
    rows = _groups(rewards, group)
    centred = rows - rows.nanmean(dim=1, keepdim=True)
    if scale == "group":
        centred = centred / (deviation(rows) + eps)
    elif scale == "batch":
        centred = centred / (deviation(rows.reshape(1, -1)) + eps)
    return torch.nan_to_num(centred, nan=0.0).reshape(-1)


def apart_advantages(parts: Tensor, weights: Sequence[float], group: int, *, eps: float = EPS) -> Tensor:
    """GDPO: each reward is normalised in its group before they are summed, then the sum over the batch.

    Liu et al. (arXiv 2601.05242): summed first, different combinations of rewards give the same advantage.

    Args:
        parts: One column a reward function ``(B, F)``, groups contiguous.
        weights: One a function.
        group: Completions a question.
        eps: Added to both divisors.

    Returns:
        ``(B,)``.

    Raises:
        ValueError: See `group_advantages`.

    Examples:
        >>> apart_advantages(torch.tensor([[1.0, 0.0], [0.0, 0.0]]), [1.0, 1.0], 2)
        tensor([ 0.7070, -0.7070])
    """
    columns = torch.stack([_groups(column, group) for column in parts.unbind(1)], dim=-1)  # groups, group, F
    centred = columns - columns.nanmean(dim=1, keepdim=True)
    spread = torch.stack([deviation(one) for one in columns.unbind(-1)], dim=-1)
    apart = (centred / (spread + eps)).reshape(parts.shape)
    total = (apart * torch.tensor(weights, dtype=parts.dtype, device=parts.device)).nansum(dim=1)
    total = total.masked_fill((~parts.isfinite()).all(dim=1), torch.nan)
    return torch.nan_to_num((total - total.nanmean()) / (deviation(total[None])[0] + eps), nan=0.0)


def leave_one_out(rewards: Tensor, group: int, *, scale: Scale = "none", eps: float = EPS) -> Tensor:
    """RLOO: each reward less the mean of the others of its group.

    Args:
        rewards: ``(B,)``, groups contiguous.
        group: Completions a question.
        scale: ``batch`` also centres and scales the advantages over the batch; ``none`` leaves them.
        eps: Added to the divisor.

    Returns:
        ``(B,)``.

    Raises:
        ValueError: If the scale is ``group``, or see `group_advantages`.

    Examples:
        >>> leave_one_out(torch.tensor([1.0, 0.0, 2.0, 2.0]), 2)
        tensor([ 1., -1.,  0.,  0.])
    """
    if scale == "group":
        raise ValueError("Leave-one-out advantages are scaled by the batch or not at all, not by the group.")
    rows = _groups(rewards, group)
    others = (~rows.isnan()).sum(dim=1, keepdim=True) - 1
    found = torch.where(others > 0, rows - (rows.nansum(dim=1, keepdim=True) - rows) / others, torch.nan).reshape(-1)
    if scale == "batch":
        found = (found - found.nanmean()) / (deviation(found[None])[0] + eps)
    return torch.nan_to_num(found, nan=0.0)


def whitened_returns(rewards: Tensor, lengths: Tensor, *, cost: Tensor | None = None, gamma: float = 1.0) -> Tensor:
    """REINFORCE++: the return of each token, whitened over all tokens of the batch.

    Args:
        rewards: ``(S,)``, paid at the last token of each completion.
        lengths: Tokens of each completion ``(S,)``; one without tokens counts in nothing.
        cost: Taken from the reward of each token ``(T,)``: ``beta`` times the KL.
        gamma: What is left of a reward one token earlier.

    Returns:
        ``(T,)``.

    Examples:
        >>> whitened_returns(torch.tensor([1.0, 0.0]), torch.tensor([1, 1]))
        tensor([ 0.7071, -0.7071])
    """
    sizes: list[int] = lengths.tolist()
    earned = [rewards.new_zeros(size) for size in sizes] if cost is None else list((-cost).split(sizes))
    returns = [_discounted(one, reward, gamma) for one, reward in zip(earned, rewards, strict=True)]
    found = torch.cat([*returns, rewards.new_zeros(0)])
    found = torch.where(found.isfinite(), found, torch.nan)
    centred = found - found.nanmean()
    variance = deviation(found[None])[0] ** 2
    return torch.nan_to_num(centred * (variance + WHITENING_EPS).rsqrt(), nan=0.0)


def _discounted(earned: Tensor, reward: Tensor, gamma: float) -> Tensor:
    """Return-to-go of the tokens of one completion, its reward paid at the last."""
    if gamma == 1:
        return earned.flip(0).cumsum(0).flip(0) + reward
    out: list[Tensor] = []
    for value in earned.flip(0):
        out.append(value + (gamma * out[-1] if out else reward))
    return torch.stack(out[::-1]) if out else earned


def deviation(rows: Tensor) -> Tensor:
    """Standard deviation (n - 1) of each row ``(R, N)``, NaN left out, ``(R, 1)``; 0 where fewer than two are left."""
    count = (~rows.isnan()).sum(dim=1, keepdim=True)
    squares = torch.nansum((rows - rows.nanmean(dim=1, keepdim=True)) ** 2, dim=1, keepdim=True)
    return torch.where(count > 1, squares / (count - 1).clamp(min=1), 0.0).sqrt()


def _groups(rewards: Tensor, group: int) -> Tensor:
    """Rewards as rows of groups, NaN where one is no finite number."""
    if group < 2 or len(rewards) % group:
        raise ValueError(f"{len(rewards)} rewards do not fill groups of {group} (at least 2).")
    return torch.where(rewards.isfinite(), rewards, torch.nan).reshape(-1, group)
