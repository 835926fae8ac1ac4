"""REINFORCE++: no group, rewards whitened over all tokens of the batch.

Hu et al. (arXiv 2501.03262). The return of a token is the answer's reward less ``beta`` times the KL of the tokens from
it on; returns are centred and scaled over all tokens of the global batch; the surrogate is PPO's, with a token mean.

Differs from GRPO: the baseline is the batch, so that an answer may have an advantage although all answers of its group
are alike. The baseline form centres each group first and then whitens, which suits several answers a question.
"""

from __future__ import annotations

from dataclasses import replace

from medvlm.training.policy.method import Method
from medvlm.training.policy.surrogate import clipped_surrogate

METHOD = Method(
    clipped_surrogate,
    {"clip_low": 0.2, "clip_high": 0.2, "delta": None, "dual": None},
    baseline="whitened",
    scale="batch",
    aggregate="token",
    kl_place="reward",
)
BASELINE = replace(METHOD, baseline="group_whitened")
