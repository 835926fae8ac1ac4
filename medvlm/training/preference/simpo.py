"""SimPO: Meng et al., Simple Preference Optimization with a Reference-Free Reward (arXiv 2405.14734).

With ``r = beta`` times the mean log-probability of the tokens of an answer::

    loss = -log sigmoid(r_w - r_l - gamma)

What differs from DPO: no reference, a mean over tokens instead of a sum (so that long answers gain nothing), and a
margin ``gamma`` that the chosen answer must win by. The paper's ``beta`` is 2 to 2.5, ``gamma`` about 0.55 of it.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import logsigmoid


def simpo(chosen: Tensor, rejected: Tensor, *, gamma: float = 1.375) -> Tensor:
    """What each pair costs, ``(N,)``.

    Args:
        chosen: ``beta`` times the mean log-probability of each chosen answer ``(N,)``.
        rejected: That of the rejected answer of the same pair ``(N,)``.
        gamma: Margin.

    Examples:
        >>> import torch
        >>> round(float(simpo(torch.tensor([1.375]), torch.zeros(1))), 4)
        0.6931
    """
    return -logsigmoid(chosen - rejected - gamma)
