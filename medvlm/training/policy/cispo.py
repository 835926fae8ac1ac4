"""CISPO: the importance weight is clipped, not the update.

MiniMax-M1 (arXiv 2506.13585); the cap of 5 is ScaleRL's (arXiv 2510.13786). A token costs
``-sg[min(rho, clip_high)] A logp``, divided by all tokens of the optimiser step.

Differs from GRPO: no token loses its gradient, however far the policy moved; ``clip_high`` is the cap itself (as in
TRL), not a distance from 1, and there is no lower bound.
"""

from __future__ import annotations

from torch import Tensor

from medvlm.training.policy.method import Method
from medvlm.training.policy.tokens import Scored


def capped_reinforce(ratio: Tensor, scored: Scored, *, clip_high: float = 5.0) -> tuple[Tensor, Tensor]:
    """REINFORCE with a capped importance weight.

    Args:
        ratio: Importance ratio at each token ``(T,)``.
        scored: The tokens.
        clip_high: The cap.

    Returns:
        Cost of each token ``(T,)``, and whether its weight was capped (its gradient stays).
    """
    weight = ratio.clamp(max=clip_high).detach()
    return -weight * scored.advantages * scored.logps, (ratio > clip_high) & (scored.advantages > 0)


METHOD = Method(capped_reinforce, {"clip_high": 5.0}, scale="group", aggregate="token")
