"""Preference losses: pure functions of the implicit rewards of chosen and rejected answers, and what each reward is.

The implicit reward of an answer is ``beta`` times its log-probability, summed or a mean over its tokens, less that of
the reference where the loss has one; of ORPO it is the logarithm of its odds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from medvlm.training.preference.dpo import dpo
from medvlm.training.preference.ipo import ipo
from medvlm.training.preference.kto import divergence, kto
from medvlm.training.preference.orpo import log_odds, orpo
from medvlm.training.preference.simpo import simpo

__all__ = [
    "LOSSES",
    "Loss",
    "divergence",
    "dpo",
    "implicit_rewards",
    "ipo",
    "kto",
    "log_odds",
    "orpo",
    "pair_losses",
    "simpo",
]

LossName = Literal["dpo", "rpo", "ipo", "simpo", "orpo", "cpo", "kto"]


@dataclass(frozen=True, slots=True)
class Loss:
    """What a loss compares.

    Attributes:
        reference: Whether it compares with a reference model.
        mean: Whether the log-probability of an answer is a mean over its tokens.
        beta: The usual one.
        alpha: Usual weight of the negative log-likelihood of the chosen answers.
    """

    reference: bool
    mean: bool
    beta: float
    alpha: float = 0.0


LOSSES: dict[LossName, Loss] = {
    "dpo": Loss(reference=True, mean=False, beta=0.1),
    "rpo": Loss(reference=True, mean=False, beta=0.1, alpha=1.0),
    "ipo": Loss(reference=True, mean=True, beta=0.1),
    "simpo": Loss(reference=False, mean=True, beta=2.5),
    "orpo": Loss(reference=False, mean=True, beta=0.1, alpha=1.0),
    "cpo": Loss(reference=False, mean=False, beta=0.1, alpha=1.0),
    "kto": Loss(reference=True, mean=False, beta=0.1),
}


def implicit_rewards(
    name: LossName, logps: Tensor, lengths: Tensor, reference: Tensor | None = None, *, beta: float
) -> Tensor:
    """What a loss takes an answer to be worth, ``(N,)``.

    Args:
        name: The loss.
        logps: Log-probability of each answer, summed over its tokens ``(N,)``.
        lengths: Tokens of each ``(N,)``.
        reference: The same sums under the reference ``(N,)``; None for a loss without one.
        beta: Its scale (of ORPO a weight of the loss, and no part of the reward).

    Raises:
        ValueError: If the loss needs a reference and there is none.
    """
    loss = LOSSES[name]
    if loss.reference and reference is None:
        raise ValueError(f"The loss {name!r} compares with a reference; give its log-probabilities.")
    scores = logps - reference if loss.reference and reference is not None else logps
    scores = scores / lengths if loss.mean else scores
    return log_odds(scores) if name == "orpo" else beta * scores


def pair_losses(
    name: LossName, chosen: Tensor, rejected: Tensor, *, beta: float, gamma: float, smoothing: float
) -> Tensor:
    """What each pair costs under a paired loss, ``(N,)``.

    Args:
        name: Any loss but KTO, which knows no pairs.
        chosen: Implicit reward of each chosen answer ``(N,)``.
        rejected: That of the rejected one ``(N,)``.
        beta: As in `implicit_rewards`.
        gamma: Margin of SimPO.
        smoothing: Label smoothing of DPO, RPO and CPO.

    Raises:
        ValueError: If the loss is not a paired one.
    """
    if name == "ipo":
        return ipo(chosen, rejected, beta=beta)
    if name == "simpo":
        return simpo(chosen, rejected, gamma=gamma)
    if name == "orpo":
        return orpo(chosen, rejected, beta=beta)
    if name == "kto":
        raise ValueError("KTO judges answers one by one; call `kto`.")
    return dpo(chosen, rejected, smoothing=smoothing)
