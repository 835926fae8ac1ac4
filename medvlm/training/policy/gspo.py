"""GSPO: one importance ratio for a whole completion.

Zheng et al., Group Sequence Policy Optimization (arXiv 2507.18071). ``s_i = exp(mean_t (logp - logp_old))`` takes the
place of ``rho`` at every token of completion ``i``; a batch is the mean of its completions.

Differs from GRPO: a completion is clipped as a whole, and as the mean moves less than single tokens do, the bounds are
a thousandth of GRPO's. GSPO-token has the same value, but its gradient reaches a token with that token's own advantage
(``s_i sg[...] exp(logp - sg[logp])``); with one advantage a completion the two have the same gradient.
"""

from __future__ import annotations

from dataclasses import replace

from medvlm.training.policy.method import Method
from medvlm.training.policy.surrogate import clipped_surrogate

METHOD = Method(
    clipped_surrogate,
    {"clip_low": 3e-4, "clip_high": 4e-4, "delta": None, "dual": None},
    level="sequence",
    scale="group",
    aggregate="sequence",
)
TOKEN = replace(METHOD, level="sequence_token")
