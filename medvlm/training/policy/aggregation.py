"""How the costs of tokens become one number: a weight for each token, and a count by which the sum is divided.

The count is known before the first backward pass, so that a batch may be split in any way. ``micro`` alone depends
on the split, by its definition.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import torch
from torch import Tensor

from medvlm.training.policy.method import Aggregate


def token_weights(lengths: Sequence[int], aggregate: Aggregate) -> Tensor:
    """Weight of each token of the completions of a micro-batch, laid end to end, ``(T,)``.

    Args:
        lengths: Tokens of each completion.
        aggregate: ``sequence`` gives each completion the same weight, ``micro`` each micro-batch, the others each
            token.

    Raises:
        ValueError: If the aggregate has another name.

    Examples:
        >>> token_weights([1, 2], "sequence")
        tensor([1.0000, 0.5000, 0.5000])
        >>> token_weights([1, 3], "micro")
        tensor([0.2500, 0.2500, 0.2500, 0.2500])
    """
    if aggregate not in get_args(Aggregate):
        raise ValueError(f"Unknown aggregate {aggregate!r}. Known: {', '.join(get_args(Aggregate))}.")
    sizes = torch.tensor(lengths, dtype=torch.float32)
    if aggregate == "sequence":
        weight = 1 / sizes.clamp(min=1)
    elif aggregate == "micro":
        weight = torch.ones_like(sizes) / sizes.sum().clamp(min=1)
    else:
        weight = torch.ones_like(sizes)
    return weight.repeat_interleave(torch.tensor(lengths, dtype=torch.long))


def denominator(lengths: Sequence[int], aggregate: Aggregate, limit: int, *, micros: int = 1) -> float:
    """What the weighted sum of an optimiser step is divided by, never less than 1.

    Args:
        lengths: Tokens of each completion of the whole step, 0 for one that is left out of the loss.
        aggregate: ``token`` divides by tokens, ``sequence`` and ``sum`` by completions, ``constant`` by completions x
            ``limit``, ``micro`` by micro-batches.
        limit: Most tokens of a completion.
        micros: Micro-batches of the step.
    """
    counts = {
        "token": sum(lengths),
        "sequence": len(lengths),
        "sum": len(lengths),
        "constant": len(lengths) * limit,
        "micro": micros,
    }
    return float(max(counts[aggregate], 1))
