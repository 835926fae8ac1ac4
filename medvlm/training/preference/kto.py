"""KTO: Ethayarajh et al., Model Alignment as Prospect Theoretic Optimization (arXiv 2402.01306).

Answers come one by one, each called good or bad; no pair is needed. With ``r = beta (logp - logp_ref)`` and ``z`` the
divergence from the reference, estimated on answers that belong to other questions and held at 0 or more::

    good:  weight_good (1 - sigmoid(r - beta z))        bad:  weight_bad (1 - sigmoid(beta z - r))

What differs from DPO: the sigmoid itself, not its logarithm, so that a hopeless (or mislabelled) answer stops pulling;
``z`` carries no gradient. The mean is over all answers.
"""

from __future__ import annotations

import torch
from torch import Tensor


def kto(
    rewards: Tensor, good: Tensor, shift: Tensor | float, *, weight_good: float = 1.0, weight_bad: float = 1.0
) -> Tensor:
    """What each answer costs, ``(N,)``.

    Args:
        rewards: Implicit reward of each answer ``(N,)``.
        good: Whether each is wanted ``(N,)``, boolean.
        shift: ``beta z``, see `divergence`.
        weight_good: Weight of wanted answers.
        weight_bad: Weight of unwanted ones.

    Examples:
        >>> kto(torch.zeros(2), torch.tensor([True, False]), 0.0, weight_bad=2.0).tolist()
        [0.5, 1.0]
    """
    above = torch.where(good, rewards - shift, shift - rewards)
    return torch.where(good, weight_good, weight_bad) * (1 - above.sigmoid())


def divergence(log_ratios: Tensor) -> Tensor:
    """``z``: the mean log-ratio of answers shown with other questions, 0 at least, without gradient.

    Args:
        log_ratios: Of the mismatched answers ``(N,)``.

    Examples:
        >>> float(divergence(torch.tensor([1.0, 2.0]))), float(divergence(torch.tensor([-1.0])))
        (1.5, 0.0)
    """
    return log_ratios.detach().mean().clamp(min=0)
