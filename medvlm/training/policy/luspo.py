"""LUSPO: GSPO without its division by the length of a completion.

Length-Unbiased Sequence Policy Optimization, as TRL has it (``loss_type="luspo"``): the cost of GSPO's ratio counts
once a token, and a batch is the mean over completions of these sums.

Differs from GRPO: one ratio a completion, and long completions weigh more than short ones, by their length.
"""

from __future__ import annotations

from medvlm.training.policy.method import Method
from medvlm.training.policy.surrogate import clipped_surrogate

METHOD = Method(
    clipped_surrogate,
    {"clip_low": 2e-3, "clip_high": 2.5e-3, "delta": None, "dual": None},
    level="sequence",
    scale="group",
    aggregate="sum",
)
