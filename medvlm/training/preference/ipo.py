"""IPO: Azar et al., A General Theoretical Paradigm to Understand Learning from Human Preferences (arXiv 2310.12036).

With ``h`` the log-ratio of an answer to the reference, a mean over its tokens::

    loss = (h_w - h_l - 1 / (2 beta))^2

What differs from DPO: a square instead of a logistic loss, so that pairs which all raters agree on do not pull without
end. The paper writes sums over tokens; its authors' results are of means (as in TRL), which do not grow with length.
"""

from __future__ import annotations

from torch import Tensor


def ipo(chosen: Tensor, rejected: Tensor, *, beta: float = 0.1) -> Tensor:
    """What each pair costs, ``(N,)``.

    Args:
        chosen: ``beta`` times the mean log-ratio of each chosen answer ``(N,)``.
        rejected: That of the rejected answer of the same pair ``(N,)``.
        beta: By which both were multiplied.

    Examples:
        >>> import torch
        >>> float(ipo(torch.tensor([0.5]), torch.zeros(1), beta=0.1)), float(ipo(torch.zeros(1), torch.zeros(1)))
        (0.0, 25.0)
    """
    return ((chosen - rejected) / beta - 1 / (2 * beta)) ** 2
