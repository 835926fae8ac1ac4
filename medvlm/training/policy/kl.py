"""Estimates of KL(policy || reference) at each token, from the two log-probabilities of the token that was sampled.

With ``d = reference - logp``: ``k1 = -d``, ``k2 = d^2 / 2``, ``k3 = e^d - d - 1`` (Schulman, Approximating KL
Divergence). What each is worth as a part of the loss, on-policy and in expectation:

=========  ==================  ==================================================
estimator  value               gradient
=========  ==================  ==================================================
k1         the KL              zero: a penalty in the reward, useless as a loss
k2         biased              that of the KL
k3         the KL              that of the opposite KL(reference || policy)
corrected  the KL              that of the KL (DeepSeek-V3.2): ``rho * k3``
=========  ==================  ==================================================
"""

from __future__ import annotations

from typing import Literal, get_args

from torch import Tensor

from medvlm.training.policy.tokens import LARGEST

Estimator = Literal["k1", "k2", "k3", "corrected"]


def kl_estimate(
    logps: Tensor, reference: Tensor, estimator: Estimator = "corrected", *, ratio: Tensor | None = None
) -> Tensor:
    """KL to the reference at each token.

    Args:
        logps: Log-probabilities under the policy ``(T,)``.
        reference: The same under the reference ``(T,)``.
        estimator: By name.
        ratio: Importance ratio at each token ``(T,)``, differentiable; ``corrected`` needs it.

    Returns:
        ``(T,)``.

    Raises:
        ValueError: If the estimator has another name, or ``corrected`` gets no ratio.
    """
    gap = (reference - logps).clamp(-LARGEST, LARGEST)
    if estimator == "k1":
        return -gap
    if estimator == "k2":
        return gap**2 / 2
    k3 = gap.exp() - gap - 1
    if estimator == "k3":
        return k3
    if estimator != "corrected":
        raise ValueError(f"Unknown KL estimator {estimator!r}. Known: {', '.join(get_args(Estimator))}.")
    if ratio is None:
        raise ValueError("The corrected KL needs the importance ratio: kl_estimate(..., ratio=...).")
    return ratio * k3
