"""Random numbers for sampling in several processes: each takes those that its branches would have had in one."""

from __future__ import annotations

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
