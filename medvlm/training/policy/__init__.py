"""Policy objectives as pure functions of tensors: no model, no trainer.

A completion token has log-probabilities (policy, rollout policy, reference, sampler), an advantage and an entropy; here
they become costs. ``METHODS`` names every objective; each has a file that opens with its paper, its formula and what
differs from GRPO. The value of such a loss is about zero on-policy by construction: it is no sign of health.
"""

from __future__ import annotations

from medvlm.training.policy import (
    bnpo,
    cispo,
    dapo,
    dr_grpo,
    grpo,
    gspo,
    luspo,
    reinforce_pp,
    rloo,
    sapo,
    vespo,
)
from medvlm.training.policy.advantages import apart_advantages, group_advantages, leave_one_out, whitened_returns
from medvlm.training.policy.aggregation import denominator, token_weights
from medvlm.training.policy.correction import correction_weights, off_policy_mask
from medvlm.training.policy.entropy import entropy_threshold, next_coefficient
from medvlm.training.policy.kl import kl_estimate
from medvlm.training.policy.method import Aggregate, Baseline, Method, Place, Scale
from medvlm.training.policy.surrogate import clipped_surrogate
from medvlm.training.policy.terms import TermOptions, Terms, policy_terms
from medvlm.training.policy.tokens import Level, Scored, log_ratios

METHODS: dict[str, Method] = {
    "grpo": grpo.METHOD,
    "dr_grpo": dr_grpo.METHOD,
    "dapo": dapo.METHOD,
    "bnpo": bnpo.METHOD,
    "gspo": gspo.METHOD,
    "gspo_token": gspo.TOKEN,
    "cispo": cispo.METHOD,
    "sapo": sapo.METHOD,
    "rloo": rloo.METHOD,
    "reinforce_pp": reinforce_pp.METHOD,
    "reinforce_pp_baseline": reinforce_pp.BASELINE,
    "luspo": luspo.METHOD,
    "vespo": vespo.METHOD,
}

__all__ = [
    "METHODS",
    "Aggregate",
    "Baseline",
    "Level",
    "Method",
    "Place",
    "Scale",
    "Scored",
    "TermOptions",
    "Terms",
    "apart_advantages",
    "clipped_surrogate",
    "correction_weights",
    "denominator",
    "entropy_threshold",
    "group_advantages",
    "kl_estimate",
    "leave_one_out",
    "log_ratios",
    "next_coefficient",
    "off_policy_mask",
    "policy_terms",
    "token_weights",
    "whitened_returns",
]
