"""DAPO: clip-higher and a mean over the tokens of the batch.

Yu et al. (arXiv 2503.14476). The clipped surrogate with ``low`` 0.2 and ``high`` 0.28, divided by all tokens of the
optimiser step.

Differs from GRPO: unlikely tokens may grow further before they are clipped, and each token weighs the same. The paper's
two other parts are options here: dynamic sampling (``resample``) and overlong shaping (a reward).
"""

from __future__ import annotations

from medvlm.training.policy.method import Method
from medvlm.training.policy.surrogate import clipped_surrogate

METHOD = Method(
    clipped_surrogate,
    {"clip_low": 0.2, "clip_high": 0.28, "delta": None, "dual": None},
    scale="group",
    aggregate="token",
)
