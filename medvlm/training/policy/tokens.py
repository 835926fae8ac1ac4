"""What a policy loss is computed from: completion tokens laid end to end, and sums over each completion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

Level = Literal["token", "sequence", "sequence_token", "product"]
LARGEST = 20.0
"""Log-ratios are cut here: ``exp`` of more is no importance weight, and infinite times an advantage of 0 is NaN."""


@dataclass(frozen=True, slots=True)
class Scored:
    """Tokens of completions laid end to end, without padding.

    Attributes:
        logps: Log-probabilities under the policy that is trained ``(T,)``.
        old: The same under the policy that the rollouts came from ``(T,)``; on the first pass ``logps.detach()``.
        advantages: One a token ``(T,)``.
        lengths: Tokens of each completion ``(S,)``, integers that sum to ``T``.
        correction: Weight of each token for what sampler and trainer disagree on ``(T,)``, see
            `medvlm.training.policy.correction`; None weighs all alike.
    """

    logps: Tensor
    old: Tensor
    advantages: Tensor
    lengths: Tensor
    correction: Tensor | None = None


def completion_sums(values: Tensor, lengths: Tensor) -> Tensor:
    """Sum over the tokens of each completion, ``(S,)``.

    Examples:
        >>> completion_sums(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([2, 0, 1]))
        tensor([3., 0., 3.])
    """
    owner = torch.arange(len(lengths), device=values.device).repeat_interleave(lengths)
    return values.new_zeros(len(lengths)).index_add(0, owner, values)


def completion_means(values: Tensor, lengths: Tensor) -> Tensor:
    """Mean over the tokens of each completion, ``(S,)``; 0 for one without tokens."""
    return completion_sums(values, lengths) / lengths.clamp(min=1)


def log_ratios(scored: Scored, level: Level = "token") -> Tensor:
    """Logarithm of the importance ratio at each token, ``(T,)``.

    Args:
        scored: The tokens.
        level: ``token`` is each token's own; ``sequence`` is the mean over its completion (GSPO); ``sequence_token``
            has the value of that and the gradient of the token's own (GSPO-token); ``product`` is the sum over the
            completion, the ratio of the probabilities of whole answers (RLOO).

    Raises:
        ValueError: If the level has another name.
    """
    gap = scored.logps - scored.old
    if level == "token":
        return _bounded(gap)
    if level == "product":
        return _bounded(completion_sums(gap, scored.lengths)).repeat_interleave(scored.lengths)
    mean = completion_means(gap, scored.lengths).repeat_interleave(scored.lengths)
    if level == "sequence":
        return _bounded(mean)
    if level == "sequence_token":
        return _bounded(mean.detach() + scored.logps - scored.logps.detach())
    raise ValueError(f"Unknown level {level!r} of the importance ratio. Known: {', '.join(get_args(Level))}.")


def _bounded(gap: Tensor) -> Tensor:
    return gap.clamp(-LARGEST, LARGEST)
