"""GRPO: each answer against the others of its group, no critic.

Shao et al., DeepSeekMath (arXiv 2402.03300). ``A_i = (r_i - mean_g) / (std_g + eps)``, a token costs
``-min(rho A, clip(rho, 1 - low, 1 + high) A)`` with ``rho = exp(logp - logp_old)``, a completion the mean of its
tokens, a batch the mean of its completions. All others of this folder say how they differ from this.

A token of a short completion therefore weighs more than one of a long completion.
"""

from __future__ import annotations

from medvlm.training.policy.method import Method
from medvlm.training.policy.surrogate import clipped_surrogate

METHOD = Method(
    clipped_surrogate,
    {"clip_low": 0.2, "clip_high": 0.2, "delta": None, "dual": None},
    scale="group",
    aggregate="sequence",
)
