"""What an optimiser step is made of: trees that pass the model together, and the learning rate of its place."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from torch import Tensor

from medvlm.tree import Tree


@dataclass(slots=True)
class Micro:
    """Trees that go through the model together.

    Attributes:
        trees: One row each.
        images: Prepared pixels in the order in which the rows show them.
        columns: What the objective knows of each counted token, ``(T,)`` each, in the order of ``pack``.
    """

    trees: list[Tree]
    images: list[Tensor]
    columns: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Schedule:
    """Learning rate over the batches of a stage."""

    lr: float
    steps: int
    warmup: int = 0
    decay: str = "cosine"
    weight_decay: float = 0.0
    clip_norm: float = 1.0

    def factor(self, step: int) -> float:
        """Share of the full rate at a batch, counted from 0.

        Examples:
            >>> [round(Schedule(1.0, 4, decay="linear").factor(step), 2) for step in range(4)]
            [1.0, 0.75, 0.5, 0.25]
        """
        if step < self.warmup:
            return (step + 1) / self.warmup
        done = (step - self.warmup) / max(1, self.steps - self.warmup)
        return {"cosine": 0.5 * (1 + math.cos(math.pi * done)), "linear": 1 - done, "none": 1.0}[self.decay]
