"""The loss of a micro-batch from its tokens: one pure function for every objective, with all options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from medvlm.training.policy.correction import Correction, correction_weights, off_policy_mask
from medvlm.training.policy.kl import Estimator, kl_estimate
from medvlm.training.policy.method import Method
from medvlm.training.policy.tokens import Level, Scored, log_ratios


@dataclass(frozen=True, slots=True)
class TermOptions:
    """What the terms of a loss depend on, beside the method.

    Attributes:
        numbers: The numbers of the method's cost, complete (`Method.fill`).
        level: What the importance ratio is taken over.
        kl: How the KL to the reference is estimated.
        correction: How sampler and trainer are reconciled; None does not.
        correction_low: Least weight of the correction.
        correction_high: Largest weight of the correction.
        off_policy: Threshold of `off_policy_mask`; None keeps all.
        entropy_from: The policy learns from tokens with at least this entropy; None takes all.
    """

    numbers: Mapping[str, float | None] = field(default_factory=dict)
    level: Level = "token"
    kl: Estimator = "corrected"
    correction: Correction | None = None
    correction_low: float | None = None
    correction_high: float | None = 3.0
    off_policy: float | None = None
    entropy_from: float | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """What each token ``(T,)`` adds to a loss, before weights and counts.

    Attributes:
        policy: Cost of the policy objective.
        kl: Estimate of the KL to the reference; None without a reference.
        bonus: Entropy where the bonus acts, 0 elsewhere; None without entropies.
        clipped: Whether the gradient was cut.
        ratio: Importance ratio.
    """

    policy: Tensor
    kl: Tensor | None
    bonus: Tensor | None
    clipped: Tensor
    ratio: Tensor


def policy_terms(
    method: Method,
    scored: Scored,
    options: TermOptions,
    *,
    reference: Tensor | None = None,
    sampled: Tensor | None = None,
    entropies: Tensor | None = None,
) -> Terms:
    """Terms of every token.

    Args:
        method: The objective.
        scored: The tokens.
        options: See `TermOptions`.
        reference: Log-probabilities under the reference ``(T,)``.
        sampled: Log-probabilities as the sampler reported them ``(T,)``; the correction and the off-policy mask need
            them.
        entropies: Of the policy at each token ``(T,)``, differentiable; the mask and the bonus need them.

    Raises:
        ValueError: If an option has another name, or needs what is not given.
    """
    kept = _kept(options, entropies)
    weights = _weights(scored, options, sampled)
    if method.weighs_itself:
        scored = Scored(scored.logps, scored.old, scored.advantages, scored.lengths, weights)
    ratio = log_ratios(scored, options.level).exp()
    cost, clipped = method.cost(ratio, scored, **options.numbers)
    if options.off_policy is not None:
        cost = cost * off_policy_mask(scored, _given(sampled, "off_policy"), options.off_policy)
    if kept is not None:
        cost = cost * kept
    if weights is not None and not method.weighs_itself:
        cost = cost * weights
    kl = None if reference is None else kl_estimate(scored.logps, reference, options.kl, ratio=ratio)
    bonus = entropies if entropies is None or kept is None else entropies * kept
    return Terms(cost, kl, bonus, clipped, ratio.detach())


def _kept(options: TermOptions, entropies: Tensor | None) -> Tensor | None:
    """1 at the tokens whose entropy is high enough."""
    if options.entropy_from is None:
        return None
    found = _given(entropies, "entropy_from").detach()
    return (found >= options.entropy_from).to(found.dtype)


def _weights(scored: Scored, options: TermOptions, sampled: Tensor | None) -> Tensor | None:
    """Weight of each token for what sampler and trainer disagree on."""
    if options.correction is None:
        return scored.correction
    return correction_weights(
        scored.old,
        _given(sampled, "correction"),
        scored.lengths,
        options.correction,
        low=options.correction_low,
        high=options.correction_high,
    )


def _given(values: Tensor | None, option: str) -> Tensor:
    if values is None:
        raise ValueError(f"{option} needs values of every token that were not given.")
    return values
