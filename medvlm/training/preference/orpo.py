"""ORPO: Hong et al., Monolithic Preference Optimization without Reference Model (arXiv 2403.07691).

With ``p`` the exponential of the mean log-probability of the tokens of an answer and ``odds = p / (1 - p)``::

    loss = NLL(chosen) - beta log sigmoid(log odds_w - log odds_l)

What differs from DPO: no reference; the negative log-likelihood of the chosen answers keeps the model in place. Here it
counts answer tokens only, where the paper's code counts those of the prompt too.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

NEVER_CERTAIN = 1e-7
"""A mean log-probability of 0 has infinite odds; it is held this far below."""


def log_odds(mean_logps: Tensor) -> Tensor:
    """Logarithm of ``p / (1 - p)`` from that of ``p``, in fp32 and without loss near ``p = 1``.

    Args:
        mean_logps: ``(N,)``, 0 at most.

    Examples:
        >>> [round(float(value), 4) for value in log_odds(torch.tensor([0.5, 0.8]).log())]
        [0.0, 1.3863]
    """
    held = mean_logps.float().clamp(max=-NEVER_CERTAIN)
    near = held > -math.log(2)  # either form is exact on its own side
    small = torch.where(near, held, -1.0)
    large = torch.where(near, -1.0, held)
    return held - torch.where(near, torch.log(-torch.expm1(small)), torch.log1p(-large.exp()))


def orpo(chosen: Tensor, rejected: Tensor, *, beta: float = 0.1) -> Tensor:
    """What each pair costs beside the negative log-likelihood, ``(N,)``.

    Args:
        chosen: `log_odds` of each chosen answer ``(N,)``.
        rejected: Those of the rejected answer of the same pair ``(N,)``.
        beta: Weight of the odds ratio (lambda in the paper).

    Examples:
        >>> round(float(orpo(torch.zeros(1), torch.zeros(1))), 4)
        0.0693
    """
    return -beta * logsigmoid(chosen - rejected)
