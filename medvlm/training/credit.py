"""What each token of a batch of rollouts is credited with: rewards against a baseline, less what the KL costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from medvlm.training.grpo_options import GRPOOptions
from medvlm.training.policy import apart_advantages, group_advantages, leave_one_out, whitened_returns
from medvlm.training.policy.tokens import completion_sums
from medvlm.training.rollouts import Rollout
from medvlm.training.step import Micro

Gather = Callable[[Tensor], tuple[Tensor, slice]]
"""Rows of all processes, and which of them are this one's (`medvlm.training.objective.Objective.gather`)."""


def compare(rollouts: Sequence[Rollout], options: GRPOOptions, weights: Sequence[float], gather: Gather) -> None:
    """Fill in the advantage of every rollout.

    Args:
        rollouts: Of this process, rewarded, groups contiguous.
        options: See `GRPOOptions.resolved`.
        weights: One a reward.
        gather: Rows of all processes.
    """
    credited = token_credit(rollouts, options, weights, gather)
    for rollout, values in zip(rollouts, credited, strict=True):
        rollout.advantage = float(values[0]) if len(values) else 0.0


def token_credit(
    rollouts: Sequence[Rollout],
    options: GRPOOptions,
    weights: Sequence[float],
    gather: Gather,
    cost: Sequence[Tensor] | None = None,
) -> list[Tensor]:
    """Advantage of each token of each rollout.

    Args:
        rollouts: See `compare`.
        options: See `compare`.
        weights: See `compare`.
        gather: See `compare`.
        cost: What is taken from the reward at each token of each rollout; None takes nothing.
    """
    sizes = [rollout.length for rollout in rollouts]
    spent = torch.zeros(sum(sizes)) if cost is None else torch.cat([*cost, torch.zeros(0)])
    rewards, _ = gather(torch.tensor([rollout.reward for rollout in rollouts]))
    lengths, _ = gather(torch.tensor(sizes, dtype=torch.long))
    costs, own = gather(spent)
    if options.normalise == "apart":
        parts = torch.tensor([list(rollout.parts.values()) for rollout in rollouts]).reshape(-1, len(weights))
        scalars = apart_advantages(gather(parts)[0], weights, options.group)
        return list(scalars.repeat_interleave(lengths)[own].split(sizes))
    return list(_credit(rewards, lengths, costs, options)[own].split(sizes))


def tax(
    rollouts: Sequence[Rollout],
    owners: Sequence[tuple[Micro, Sequence[Rollout]]],
    options: GRPOOptions,
    weights: Sequence[float],
    gather: Gather,
) -> None:
    """Take ``beta`` times the KL to the reference from the reward of each token, and compare again.

    Args:
        rollouts: See `compare`.
        owners: The micro-batches and whose tokens they hold; their column ``advantage`` is replaced.
        options: See `compare`.
        weights: See `compare`.
        gather: See `compare`.
    """
    cost = {id(rollout): torch.zeros(rollout.length) for rollout in rollouts}
    for micro, mine in owners:
        columns = micro.columns
        gap = (columns.get("old", columns["sampled"]) - columns["reference"]).nan_to_num(nan=0.0).cpu()
        for rollout, values in zip(mine, gap.split(columns["lengths"].tolist()), strict=True):
            cost[id(rollout)] = options.beta * values
    credited = token_credit(rollouts, options, weights, gather, [cost[id(rollout)] for rollout in rollouts])
    values_of = {id(rollout): values for rollout, values in zip(rollouts, credited, strict=True)}
    for micro, mine in owners:
        values = torch.cat([values_of[id(rollout)] for rollout in mine])
        micro.columns["advantage"] = values.to(micro.columns["place"].device)


def _credit(rewards: Tensor, lengths: Tensor, costs: Tensor, options: GRPOOptions) -> Tensor:
    """Advantage of each token of the whole batch ``(T,)``."""
    baseline, scale = options.method.baseline, options.scale or options.method.scale
    if baseline == "group_whitened":
        rewards = group_advantages(rewards, options.group, scale="none").masked_fill(~rewards.isfinite(), torch.nan)
    if baseline in ("whitened", "group_whitened"):
        return whitened_returns(rewards, lengths, cost=costs)
    paid = rewards - completion_sums(costs, lengths)
    if baseline == "leave_one_out":
        scalars = leave_one_out(paid, options.group, scale=scale)
    else:
        scalars = group_advantages(paid, options.group, scale=scale)
    return scalars.repeat_interleave(lengths)


def flat_groups(rollouts: Sequence[Rollout], group: int) -> list[int]:
    """Which groups have nothing to compare: fewer than two different rewards.

    Args:
        rollouts: Groups contiguous.
        group: Completions a question.
    """
    rewards = torch.tensor([rollout.reward for rollout in rollouts]).reshape(-1, group)
    return [place for place, row in enumerate(rewards) if len(row[row.isfinite()].unique()) < 2]
