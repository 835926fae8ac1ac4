"""The prefix tree: a context (system text, images, shared question text) carries branches, all in one row.

A segment sees its ancestors and itself, never a sibling, and its positions go on from its parent's last token. So one
row gives the log-probabilities that one row per branch would give, and the context is computed once. Segments nest: a
context may carry questions, each of which carries sampled answers; answers that begin alike share their beginning.

Supervised fine-tuning, preference losses, GRPO and choice scoring all build trees; ``medvlm.rows`` lays them out as
tensors. (Shared-prefix training: Prefix Grouper, 2025.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate


@dataclass(slots=True)
class Segment:
    """A run of tokens below one parent; ``weights`` says how much each of its tokens counts in a loss (0 = prompt)."""

    tokens: list[int]
    parent: int
    weights: list[float]


@dataclass(slots=True)
class Tree:
    """One context and its branches.

    Attributes:
        segments: The context first (parent -1), then every branch, each after its parent.
    """

    segments: list[Segment]

    @classmethod
    def of(cls, context: Sequence[int]) -> Tree:
        """Start a tree from its context.

        Raises:
            ValueError: If the context is empty: the first token of a branch is predicted by the context's last one.
        """
        if not context:
            raise ValueError("A tree needs a context of at least one token.")
        return cls([Segment(list(context), -1, [0.0] * len(context))])

    def add(self, tokens: Sequence[int], weights: Sequence[float] | None = None, *, parent: int = 0) -> int:
        """Hang a branch below ``parent`` and return its index; without weights every token counts 1.

        Raises:
            ValueError: If the branch is empty, its weights have another length, or the parent does not exist.
        """
        if not tokens:
            raise ValueError("A branch needs at least one token.")
        if weights is not None and len(weights) != len(tokens):
            raise ValueError(f"A branch of {len(tokens)} tokens got {len(weights)} weights.")
        if not 0 <= parent < len(self.segments):
            raise ValueError(f"Parent {parent} does not exist; the tree has {len(self.segments)} segments.")
        self.segments.append(Segment(list(tokens), parent, [1.0] * len(tokens) if weights is None else list(weights)))
        return len(self.segments) - 1

    def share(self, sequences: Sequence[Sequence[int]], *, parent: int = 0) -> list[list[int]]:
        """Hang several sequences below ``parent`` so that what some of them begin with stands there once.

        Args:
            sequences: Tokens, each of which counts 1; at least one a sequence.
            parent: The segment that carries them all.

        Returns:
            The segments through which each sequence runs, from its first token to its last.

        Raises:
            ValueError: If a sequence is empty, or the parent does not exist.

        Examples:
            >>> tree = Tree.of([0])
            >>> tree.share([[1, 2, 3], [1, 2, 4], [1, 2]]), [segment.tokens for segment in tree.segments]
            ([[1, 2], [1, 3], [1]], [[0], [1, 2], [3], [4]])
        """
        if not all(sequences):
            raise ValueError("A branch needs at least one token.")
        paths: list[list[int]] = [[] for _ in sequences]
        left = [(parent, 0, list(range(len(sequences))))]
        while left:
            carrier, start, members = left.pop(0)
            alike: dict[int, list[int]] = {}
            for member in members:
                if len(sequences[member]) > start:
                    alike.setdefault(sequences[member][start], []).append(member)
            for group in alike.values():
                end = _common([sequences[member] for member in group], start)
                index = self.add(sequences[group[0]][start:end], parent=carrier)
                for member in group:
                    paths[member].append(index)
                left.append((index, end, group))
        return paths

    @property
    def starts(self) -> list[int]:
        """Counted tokens before each segment, in `pack`'s order, and at the end those of the whole tree."""
        return [0, *accumulate(sum(weight != 0 for weight in segment.weights) for segment in self.segments)]

    @classmethod
    def from_sequences(cls, sequences: Sequence[Sequence[int]], weights: Sequence[Sequence[float]]) -> Tree:
        """Share the longest common prompt of several (prompt + answer) sequences.

        Only tokens of weight 0 are shared, so that no answer token is counted once for two answers, and each branch
        keeps at least one token.
        """
        firsts = [next((i for i, weight in enumerate(row) if weight), len(row) - 1) for row in weights]
        shared = 0
        while shared < min(firsts) and len({sequence[shared] for sequence in sequences}) == 1:
            shared += 1
        tree = cls.of(sequences[0][:shared])
        for sequence, row in zip(sequences, weights, strict=True):
            tree.add(sequence[shared:], row[shared:])
        return tree

    @property
    def leaves(self) -> list[int]:
        """Indices of the segments that carry nothing."""
        parents = {segment.parent for segment in self.segments}
        return [index for index in range(len(self.segments)) if index not in parents]

    def __len__(self) -> int:
        """Tokens in the row."""
        return sum(len(segment.tokens) for segment in self.segments)


def _common(sequences: Sequence[Sequence[int]], start: int) -> int:
    """Where sequences that agree up to and with ``start`` cease to agree, or the shortest one ends."""
    end, shortest = start + 1, min(map(len, sequences))
    while end < shortest and len({sequence[end] for sequence in sequences}) == 1:
        end += 1
    return end
