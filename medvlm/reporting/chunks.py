"""Studies cut into chunks that are always answered together, so that a run that goes on writes what it would have.

What a model says of a study depends, in the last digit of a probability, on what else is in its batch. A chunk is
therefore made of all studies that were found, not of those that are still to do.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from medvlm.reporting.find import Study

TOGETHER = 2
"""Deaths of the process with it in hand after which a study is tried alone."""
PATIENCE = 4
"""Deaths after which it is given up."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Studies that are read and answered together.

    Attributes:
        studies: All of them, in a stable order.
        wanted: Ids of those whose reports are to be written; the others are there already.
    """

    studies: tuple[Study, ...]
    wanted: frozenset[str]

    @property
    def ids(self) -> tuple[str, ...]:
        """Their ids."""
        return tuple(study.id for study in self.studies)


class Queue:
    """Chunks to be done, each noted when it is taken out; more may come while others are done.

    Args:
        chunks: The first one first.
        note: Called with each chunk that is taken.
    """

    def __init__(self, chunks: Iterable[Chunk], note: Callable[[Chunk], None] = lambda chunk: None) -> None:
        self._chunks, self._note = deque(chunks), note

    def take(self) -> Chunk | None:
        """The next chunk; None where there is none now."""
        if not self._chunks:
            return None
        chunk = self._chunks.popleft()
        self._note(chunk)
        return chunk

    def put(self, chunks: Iterable[Chunk]) -> None:
        """Add chunks at the end.

        Args:
            chunks: To be done after all others.
        """
        self._chunks.extend(chunks)

    def __iter__(self) -> Iterator[Chunk]:
        return iter(self.take, None)


def cut(studies: Sequence[Study], wanted: Collection[str], size: int) -> list[Chunk]:
    """Chunks of so many studies, of which at least one is wanted.

    Args:
        studies: All that were found, in a stable order.
        wanted: Ids of those to report.
        size: Studies of a chunk.
    """
    groups = [tuple(studies[start : start + size]) for start in range(0, len(studies), size)]
    chunks = [Chunk(group, frozenset(study.id for study in group if study.id in wanted)) for group in groups]
    return [chunk for chunk in chunks if chunk.wanted]


def spread(chunks: Sequence[Chunk], deaths: Mapping[str, int]) -> Iterator[Chunk]:
    """The chunks, those first that never were in hand when a process died; what died often is tried alone, last.

    Args:
        chunks: To be done.
        deaths: How often the process died with each study in hand.
    """
    suspects = [chunk for chunk in chunks if max(deaths.get(name, 0) for name in chunk.ids) >= TOGETHER]
    yield from (chunk for chunk in chunks if chunk not in suspects)
    for chunk in suspects:
        for study in chunk.studies:
            if study.id in chunk.wanted:
                yield Chunk((study,), frozenset([study.id]))


def shard(studies: Sequence[Study], index: int, count: int) -> list[Study]:
    """The part of the studies that the ``index``-th of ``count`` processes reports: every study is in exactly one.

    Args:
        studies: All that were found.
        index: 1 to ``count``.
        count: Processes.

    Raises:
        ValueError: If the index is not between 1 and ``count``.
    """
    if not 1 <= index <= count:
        raise ValueError(f"shard {index}/{count}: expected 1/{max(count, 1)} to {max(count, 1)}/{max(count, 1)}")
    return [study for study in studies if int(study.id, 16) % count == index - 1]
