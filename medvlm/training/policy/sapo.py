"""SAPO: a soft gate instead of a hard clip.

Gao et al., Soft Adaptive Policy Optimization (arXiv 2511.20347). A token costs ``-(4 / tau) sigmoid(tau (rho - 1)) A``,
``tau`` 1.0 where ``A > 0`` and 1.05 otherwise; completions and batch as in GRPO.

Differs from GRPO: the gradient fades as the ratio leaves 1 (at 1 it is that of REINFORCE) instead of stopping at a
bound, and faster for bad answers.
"""

from __future__ import annotations

import torch
from torch import Tensor

from medvlm.training.policy.method import Method
from medvlm.training.policy.tokens import Scored


def soft_gate(
    ratio: Tensor, scored: Scored, *, tau_positive: float = 1.0, tau_negative: float = 1.05
) -> tuple[Tensor, Tensor]:
    """Cost of each token through a sigmoid of its ratio.

    Args:
        ratio: Importance ratio at each token ``(T,)``.
        scored: The tokens.
        tau_positive: Steepness where the advantage is positive.
        tau_negative: Steepness elsewhere.

    Returns:
        Cost of each token ``(T,)``, and that none is cut.
    """
    good = scored.advantages > 0
    tau = torch.where(good, torch.full_like(ratio, tau_positive), torch.full_like(ratio, tau_negative))
    gate = torch.sigmoid(tau * (ratio - 1)) * 4 / tau
    return -gate * scored.advantages, torch.zeros_like(good)


METHOD = Method(soft_gate, {"tau_positive": 1.0, "tau_negative": 1.05}, scale="group", aggregate="sequence")
