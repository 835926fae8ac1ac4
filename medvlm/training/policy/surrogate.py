"""The clipped surrogate of PPO, which most objectives of the family share, with its two extra bounds.

Schulman et al., arXiv 1707.06347: ``-min(rho A, clip(rho, 1 - low, 1 + high) A)``. It leaves a bad answer that became
likelier (``A < 0``, large ``rho``) unbounded: ``delta`` bounds the ratio there (two-sided clipping, INTELLECT-2, arXiv
2505.07291), ``dual`` the cost (dual clip, Ye et al., arXiv 1912.09729).
"""

from __future__ import annotations

import torch
from torch import Tensor

from medvlm.training.policy.tokens import Scored


def clipped_surrogate(
    ratio: Tensor,
    scored: Scored,
    *,
    clip_low: float = 0.2,
    clip_high: float = 0.28,
    delta: float | None = None,
    dual: float | None = None,
) -> tuple[Tensor, Tensor]:
    """Clipped surrogate of every token.

    Args:
        ratio: Importance ratio at each token ``(T,)``.
        scored: The tokens.
        clip_low: The ratio counts down to ``1 - clip_low``.
        clip_high: The ratio counts up to ``1 + clip_high``.
        delta: Most that an unclipped ratio counts; None is no bound. Below ``1 + clip_high`` it would decide alone.
        dual: Most that a token costs, as a multiple of ``-A`` where ``A < 0``; None is no bound.

    Returns:
        Cost of each token ``(T,)``, and whether it was clipped (its gradient is then zero).
    """
    advantages = scored.advantages
    bounded = ratio.clamp(1 - clip_low, 1 + clip_high)
    free = ratio if delta is None else ratio.clamp(max=delta)
    clipped = ((ratio > 1 + clip_high) & (advantages > 0)) | ((ratio < 1 - clip_low) & (advantages < 0))
    cost = -torch.minimum(free * advantages, bounded * advantages)
    if delta is not None:
        clipped = clipped | ((ratio > delta) & (advantages < 0))
    if dual is not None:
        clipped = clipped | ((advantages < 0) & (ratio > dual))
        cost = torch.where(advantages < 0, torch.minimum(cost, -dual * advantages), cost)
    return cost, clipped
