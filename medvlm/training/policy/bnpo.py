"""BNPO: a mean over the tokens of each micro-batch.

TRL's name for the normalisation of its earlier trainers (``loss_type="bnpo"``): the token sum of a micro-batch over the
tokens of that micro-batch, then the mean over micro-batches.

Differs from GRPO: tokens weigh the same within a micro-batch. Differs from DAPO: the result depends on how a batch is
split, so that ``micro_tokens`` is a number of the algorithm; completions that teach nothing are in no micro-batch.
"""

from __future__ import annotations

from medvlm.training.policy.method import Method
from medvlm.training.policy.surrogate import clipped_surrogate

METHOD = Method(
    clipped_surrogate,
    {"clip_low": 0.2, "clip_high": 0.2, "delta": None, "dual": None},
    scale="group",
    aggregate="micro",
)
