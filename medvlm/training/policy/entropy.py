"""Entropy as a tool: learn from the uncertain tokens only, and hold the entropy up.

Beyond the 80/20 rule (arXiv 2506.01939): the policy's gradient of the fifth of the tokens with the highest entropy is
enough. The bonus subtracts ``c`` times the mean entropy from the loss; Skywork-OR1 (arXiv 2505.22312) moves ``c`` by a
small step towards a target.
"""

from __future__ import annotations

from torch import Tensor


def entropy_threshold(entropies: Tensor, quantile: float) -> float:
    """Entropy from which on a token is among the ``quantile`` most uncertain.

    Args:
        entropies: Of every token of the batch, all ranks together ``(T,)``.
        quantile: Share of tokens that is kept, above 0 and at most 1.

    Returns:
        The threshold; minus infinity where there is no token.

    Raises:
        ValueError: If the share is out of range.
    """
    if not 0 < quantile <= 1:
        raise ValueError(f"entropy_quantile is the share of tokens that is kept, in (0, 1], not {quantile}.")
    if not len(entropies):
        return -float("inf")
    return float(entropies.detach().float().quantile(1 - quantile))


def next_coefficient(
    coefficient: float, entropy: float, target: float, *, step: float = 0.005, low: float = 0.0, high: float = 1.0
) -> float:
    """The bonus of the next optimiser step: a step up where the entropy is at or below its target, else down.

    Args:
        coefficient: The present one.
        entropy: Mean over the tokens of the last step.
        target: The entropy that is wanted.
        step: How far the coefficient moves.
        low: Least coefficient.
        high: Largest coefficient.

    Examples:
        >>> next_coefficient(0.01, 0.1, 0.2), next_coefficient(0.001, 0.3, 0.2)
        (0.015, 0.0)
    """
    if entropy <= target:
        return min(coefficient + step, high)
    return max(coefficient - step, low)
