"""Which token comes next, and the random numbers that decide it: those of a batch, of several processes, of a question.

Numbers of a batch are one stream for all its branches. In several processes each takes those that its branches would
have had in one. A question may have a stream of its own: then its answers do not depend on what is asked beside it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from medvlm import ranks


class RankDraws:
    """The numbers of one generator, dealt to the branches of all processes in the order of ranks.

    Processes hold neighbouring shares of a batch, and at each decoding step say how many branches still run; all draw
    as many numbers as there are branches, and each keeps its own. The answers are those of one process that holds the
    whole batch (up to what padding to another length changes in the last bits), whatever the number of processes.

    Args:
        generator: The same seed in every process.
    """

    def __init__(self, generator: torch.Generator) -> None:
        self.generator = generator

    def uniform(self, count: int, dtype: torch.dtype) -> Tensor:
        """Numbers in [0, 1) for the running branches of this process, ``(count, 1)``; every process must call it."""
        return self._deal(count, dtype)[0]

    def finish(self, dtype: torch.dtype) -> None:
        """Draw along, for no branch, until no process has one that runs."""
        while self._deal(0, dtype)[1]:
            pass

    def _deal(self, count: int, dtype: torch.dtype) -> tuple[Tensor, int]:
        """Own numbers, and how many all processes took."""
        counts = ranks.gather_counts(count)
        first, total = sum(counts[: ranks.rank()]), sum(counts)
        drawn = torch.rand((total, 1), dtype=dtype, device=self.generator.device, generator=self.generator)
        return drawn[first : first + count], total


class OwnDraws:
    """A stream of numbers for each branch: its answer is the same in any batch, in any process.

    Args:
        names: What seeds the stream of each branch, in the order of branches.
    """

    def __init__(self, names: Sequence[str]) -> None:
        seeds = [int.from_bytes(hashlib.blake2b(name.encode(), digest_size=16).digest()) for name in names]
        self._streams = [np.random.Generator(np.random.Philox(key=seed)) for seed in seeds]

    def uniform(self, branches: Sequence[int], dtype: torch.dtype) -> Tensor:
        """The next number in [0, 1) of each of these branches, ``(len(branches), 1)``."""
        return torch.tensor([[self._streams[branch].random()] for branch in branches], dtype=dtype)


Draws = torch.Generator | RankDraws | OwnDraws
"""Where random numbers come from."""


def draw(
    logps: Tensor, temperature: float, forbidden: Tensor, generator: Draws | None, branches: Sequence[int]
) -> tuple[list[int], list[float]]:
    """One token and its log-probability for each row.

    Args:
        logps: Log-probabilities ``(N, V)`` at the sampling temperature.
        temperature: 0 takes the likeliest token.
        forbidden: Tokens that are never drawn.
        generator: Source of randomness.
        branches: Number of the branch of each row.
    """
    allowed = logps.index_fill(-1, forbidden, -torch.inf)
    drawn = pick(allowed.exp(), generator, branches) if temperature else allowed.argmax(-1, keepdim=True)
    return drawn[:, 0].tolist(), logps.gather(-1, drawn)[:, 0].tolist()


def pick(chances: Tensor, generator: Draws | None, branches: Sequence[int] = ()) -> Tensor:
    """One column of each row, as likely as its chance, ``(N, 1)``.

    One random number a row instead of one a word, as ``multinomial`` takes. Sums over a whole vocabulary need fp64.

    Args:
        chances: ``(N, V)``, of any sum.
        generator: Source of randomness.
        branches: Number of the branch of each row, for `OwnDraws`.
    """
    exact = exact_dtype(chances.device)
    edges = chances.cumsum(-1, dtype=exact)
    if isinstance(generator, RankDraws):
        place = generator.uniform(len(edges), exact)
    elif isinstance(generator, OwnDraws):
        place = generator.uniform(branches, exact).to(edges.device)
    else:
        place = torch.rand((len(edges), 1), dtype=exact, device=edges.device, generator=generator)
    place = place * edges[:, -1:]
    # right: a column of no width is never hit, so what is banned is not drawn, not even by a random number of 0
    return torch.searchsorted(edges, place, right=True).clamp(max=edges.shape[1] - 1)


def exact_dtype(device: torch.device) -> torch.dtype:
    """The widest type of a device: MPS has no fp64."""
    return torch.float32 if device.type == "mps" else torch.float64
