"""Which questions go into which step: those of one image together, in an endless order that resumes anywhere."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from medvlm.study import ImageRef, Sample


def group_by_image(samples: Iterable[Sample], *, max_questions: int | None = None) -> list[list[Sample]]:
    """Put all questions on the same images into one group, in order of first appearance.

    Args:
        samples: Samples in any order; one without images is a group of its own.
        max_questions: Most questions of a group; a larger one is divided evenly.

    Raises:
        ValueError: If ``max_questions`` is below 1.
    """
    if max_questions is not None and max_questions < 1:
        raise ValueError(f"max_questions={max_questions}: expected 1 or more, or None for no limit")
    groups: dict[tuple[ImageRef, ...] | str, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(sample.images or sample.id, []).append(sample)
    return [part for group in groups.values() for part in _divide(group, max_questions)]


def _divide(group: list[Sample], most: int | None) -> list[list[Sample]]:
    """Divide a group into parts of nearly equal size."""
    parts = -(-len(group) // most) if most else 1
    edges = [len(group) * i // parts for i in range(parts + 1)]
    return [group[low:high] for low, high in itertools.pairwise(edges)]


def share(count: int, rank: int, world_size: int) -> range:
    """Return the places that a process has of ``count``: neighbours, as many as the others' or one more or less.

    The shares of all processes, one after another, are the whole.

    Examples:
        >>> [list(share(3, rank, 2)) for rank in (0, 1)], list(share(1, 0, 2))
        ([[0], [1, 2]], [])
    """
    return range(count * rank // world_size, count * (rank + 1) // world_size)


@dataclass
class StepSampler:
    """An endless order of batches that depends on the seed and the step alone.

    Every epoch is a permutation of its own; a batch may run over the end of an epoch, so nothing is dropped and every
    batch is full. To resume, build it again with ``start_step``: no earlier step is replayed.

    Attributes:
        n_items: Number of items to draw from.
        batch_size: Items a step, over all ranks.
        seed: Which order.
        start_step: First step that iteration gives.
        rank: This process; it gets its `share` of a batch, which may be empty.
        world_size: Number of processes.

    Examples:
        >>> whole = StepSampler(5, 2, seed=0)
        >>> [whole.batch(step) for step in (2, 3)] == [StepSampler(5, 2, seed=0).batch(step) for step in (2, 3)]
        True
        >>> sorted(index for step in range(5) for index in whole.batch(step)) == sorted([0, 1, 2, 3, 4] * 2)
        True
    """

    n_items: int
    batch_size: int
    seed: int = 0
    start_step: int = 0
    rank: int = 0
    world_size: int = 1
    _orders: dict[int, NDArray[np.int64]] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.n_items < 1 or self.batch_size < 1:
            raise ValueError(f"{self.n_items} items in batches of {self.batch_size}: expected at least one of each")
        if self.seed < 0 or self.start_step < 0:
            raise ValueError(f"seed {self.seed}, start_step {self.start_step}: expected numbers from 0")
        if not 0 <= self.rank < self.world_size:
            raise ValueError(f"rank {self.rank} of {self.world_size}: expected a rank below world_size")

    def draws(self, step: int) -> list[tuple[int, int]]:
        """Return the (epoch, index) pairs of a step that belong to this rank."""
        return [
            (place // self.n_items, int(self.order(place // self.n_items)[place % self.n_items]))
            for place in self.places(step)
        ]

    def places(self, step: int) -> range:
        """Return where this rank's items of a step stand in the endless order."""
        first = step * self.batch_size
        own = share(self.batch_size, self.rank, self.world_size)
        return range(first + own.start, first + own.stop)

    def batch(self, step: int) -> list[int]:
        """Return the item indices of a step that belong to this rank."""
        return [index for _, index in self.draws(step)]

    def __iter__(self) -> Iterator[list[int]]:
        """Give the batches from ``start_step`` on, without end."""
        step = self.start_step
        while True:
            yield self.batch(step)
            step += 1

    def order(self, epoch: int) -> NDArray[np.int64]:
        """Return the permutation of an epoch; the last two are kept, for a batch may touch two."""
        if epoch not in self._orders:
            for old in [other for other in self._orders if abs(other - epoch) > 1]:
                del self._orders[old]
            self._orders[epoch] = np.random.default_rng((self.seed, epoch)).permutation(self.n_items)
        return self._orders[epoch]
