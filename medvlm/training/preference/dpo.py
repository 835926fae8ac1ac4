"""DPO and its kin that compare summed log-probabilities: DPO, cDPO, RPO and CPO.

DPO: Rafailov et al., Direct Preference Optimization (arXiv 2305.18290). With ``r = beta (logp - logp_ref)`` of a whole
answer, chosen ``w`` and rejected ``l``::

    loss = -log sigmoid(r_w - r_l)

cDPO (Mitchell, 2023) believes that a share ``e`` of the pairs is the wrong way round (label smoothing)::

    loss = -(1 - e) log sigmoid(r_w - r_l) - e log sigmoid(r_l - r_w)

RPO (Pang et al., arXiv 2404.19733; Liu et al., arXiv 2405.16436) adds ``alpha`` times the negative log-likelihood of
the chosen answers, here a mean over their tokens, so that their probability does not fall with that of the rejected.

CPO: Xu et al., Contrastive Preference Optimization (arXiv 2401.08417): the same as RPO with a uniform reference, so
that ``r = beta logp`` and no reference is kept.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import logsigmoid


def dpo(chosen: Tensor, rejected: Tensor, *, smoothing: float = 0.0) -> Tensor:
    """What each pair costs, ``(N,)``.

    Args:
        chosen: Implicit reward of each chosen answer ``(N,)``.
        rejected: That of the rejected answer of the same pair ``(N,)``.
        smoothing: Share of pairs that is believed to be the wrong way round, below 0.5.

    Examples:
        >>> import torch
        >>> zero = torch.zeros(1)
        >>> round(float(dpo(zero, zero)), 4), float(dpo(zero, zero, smoothing=0.1) - dpo(zero, zero))
        (0.6931, 0.0)
    """
    margin = chosen - rejected
    return -(1 - smoothing) * logsigmoid(margin) - smoothing * logsigmoid(-margin)
