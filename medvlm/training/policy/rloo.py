"""RLOO: an answer against the mean of the others of its group.

Ahmadian et al., Back to Basics (arXiv 2402.14740). ``A_i = r_i - mean of r_j, j != i``, the KL to the reference taken
from the reward (``r_i - beta sum_t (logp_old - logp_ref)``); an answer is one action, with the ratio of whole
probabilities ``exp(sum_t (logp - logp_old))`` clipped at 0.2.

Differs from GRPO: the baseline leaves the answer itself out (``A`` is ``G / (G - 1)`` times the centred reward), there
is no division by a standard deviation, and tokens of an answer share one ratio and one cost.
"""

from __future__ import annotations

from medvlm.training.policy.method import Method
from medvlm.training.policy.surrogate import clipped_surrogate

METHOD = Method(
    clipped_surrogate,
    {"clip_low": 0.2, "clip_high": 0.2, "delta": None, "dual": None},
    level="product",
    baseline="leave_one_out",
    scale="none",
    aggregate="sequence",
    kl_place="reward",
)
