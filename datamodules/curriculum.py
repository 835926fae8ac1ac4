"""An order of batches by difficulty: easy questions first, or hard ones, over the steps of a stage.

Groups lie in order of their rate and are divided into levels of at least one batch each, as many as there are steps at
most. Each level is drawn for its share of the steps, in an endless order of its own (:class:`.batches.StepSampler`), so
that no group comes twice before all others of its level came once. What a step draws depends on the seed and the step
alone: a run resumes exactly and ranks divide every batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from medvlm.study import Sample, SampleError

from .batches import StepSampler

Order = Literal["random", "easy_first", "hard_first"]


def by_difficulty(
    groups: Sequence[Sequence[Sample]], rates: Mapping[str, float], order: Order, where: str
) -> list[list[Sample]]:
    """Put groups in order of the mean rate of their questions; equal ones stay in theirs.

    Args:
        groups: Questions by image.
        rates: Pass rates by sample id.
        order: ``easy_first`` or ``hard_first``.
        where: Of the rates, for the message.

    Raises:
        SampleError: If a group has no question with a rate.
    """
    found = [[rates[sample.id] for sample in group if sample.id in rates] for group in groups]
    without = sum(not values for values in found)
    if without:
        raise SampleError(
            f"{where}: {without} of {len(groups)} groups have no question with a rate; probe this set (medvlm probe)"
        )
    sign = -1 if order == "easy_first" else 1
    return [list(groups[index]) for index in sorted(range(len(groups)), key=lambda index: sign * fmean(found[index]))]


@dataclass
class CurriculumSampler:
    """Batches from groups that lie in order, from the first level to the last.

    Attributes:
        n_items: Number of groups.
        batch_size: Groups a step, over all ranks.
        steps: Steps of the stage; further ones draw from the last level.
        seed: Order within levels.
        start_step: First step that a loader gives.
        rank: This process.
        world_size: Number of processes.

    Examples:
        >>> order = CurriculumSampler(6, 2, steps=6)
        >>> [sorted(index for _, index in order.draws(step)) for step in range(6)]
        [[0, 1], [0, 1], [2, 3], [2, 3], [4, 5], [4, 5]]
    """

    n_items: int
    batch_size: int
    steps: int
    seed: int = 0
    start_step: int = 0
    rank: int = 0
    world_size: int = 1

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps={self.steps}: expected 1 or more, the steps of the stage")
        count = max(1, min(self.steps, self.n_items // max(1, self.batch_size)))
        self._edges = [self.n_items * level // count for level in range(count + 1)]
        self._first = [-(-self.steps * level // count) for level in range(count)]  # first step of each level
        self._levels = [
            StepSampler(high - low, self.batch_size, self.seed + level, 0, self.rank, self.world_size)
            for level, (low, high) in enumerate(zip(self._edges, self._edges[1:], strict=False))
        ]

    def draws(self, step: int) -> list[tuple[int, int]]:
        """Return the (pass, group) pairs of a step that belong to this rank; ``pass`` counts within the level."""
        level = max(index for index, first in enumerate(self._first) if first <= step)
        drawn = self._levels[level].draws(step - self._first[level])
        return [(times, self._edges[level] + index) for times, index in drawn]
