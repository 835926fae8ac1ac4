"""The prefix tree: a context (system text, images, shared question text) carries branches, all in one row.

A segment sees its ancestors and itself, never a sibling, and its positions go on from its parent's last token. So one
row gives the log-probabilities that one row per branch would give, and the context is computed once. Segments nest: a
context may carry questions, each of which carries sampled answers; answers that begin alike share their beginning.

Supervised fine-tuning, preference losses, GRPO and choice scoring all build trees; sampling (``medvlm.generation``)
extends the same rows token by token over the same visibility rule, and ``medvlm.logps`` scores them. (Shared-prefix
training: Prefix Grouper, 2025.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

if TYPE_CHECKING:
    from medvlm.models.native.layout import Layout


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


@dataclass(frozen=True, slots=True)
class Rows:
    """Several trees as a batch: ``B`` rows of ``L`` tokens, at most ``S`` segments a row, ``T`` counted tokens.

    Attributes:
        ids: Tokens ``(B, L)``.
        positions: Position of each token on its path from the root ``(B, L)``.
        segments: Segment of each token ``(B, L)``, -1 where padded.
        ancestors: ``(B, S, S)``; ``[b, i, j]`` is true if segment i may see segment j.
        row, source, target: ``(T,)`` where each counted token stands, and the token whose output predicts it.
        branch: ``(T,)`` the (tree-local) segment of each counted token.
        weights: ``(T,)``.
        axes: Positions in time, height and width ``(3, B, L)``, for decoders that take those instead.
        blocks: Block of each token ``(B, L)``, -1 for none: tokens of one block see each other, later ones too.
    """

    ids: Tensor
    positions: Tensor
    segments: Tensor
    ancestors: Tensor
    row: Tensor
    source: Tensor
    target: Tensor
    branch: Tensor
    weights: Tensor
    axes: Tensor | None = None
    blocks: Tensor | None = None

    def to(self, device: torch.device | str) -> Rows:
        """Move every tensor."""
        held: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        moved: dict[str, Any] = {name: None if one is None else one.to(device) for name, one in held.items()}
        return Rows(**moved)

    @property
    def rotary(self) -> Tensor:
        """The positions that the decoder takes."""
        return self.positions if self.axes is None else self.axes

    @property
    def tokens(self) -> Tensor:
        """The counted tokens ``(T,)``."""
        return self.ids[self.row, self.target]


def ancestry(trees: Sequence[Tree], extra: int = 0) -> Tensor:
    """Which segment sees which, ``(B, S + extra, S + extra)``; every segment sees itself.

    Args:
        trees: The rows.
        extra: Room for segments that a sampler will add.
    """
    size = max(len(tree.segments) for tree in trees) + extra
    sees = torch.eye(size, dtype=torch.bool).repeat(len(trees), 1, 1)
    for row, tree in enumerate(trees):
        for index, segment in enumerate(tree.segments[1:], start=1):
            sees[row, index] |= sees[row, segment.parent]
    return sees


def pack(
    trees: Sequence[Tree],
    pad_id: int,
    *,
    padding_side: Literal["left", "right"] = "right",
    layout: Layout | None = None,
) -> Rows:
    """Lay trees out as rows of one length.

    Args:
        trees: At least one.
        pad_id: Token that fills the shorter rows; it is never seen.
        padding_side: Where it goes; the log-probabilities do not depend on it.
        layout: How the model places image tokens, if otherwise than text.

    Raises:
        ValueError: If there is no tree, or its segments cut an image that the layout needs whole.
    """
    if not trees:
        raise ValueError("There is no tree to pack.")
    length = max(map(len, trees))
    ids = torch.full((len(trees), length), pad_id)
    positions = torch.zeros_like(ids)
    segments = torch.full_like(ids, -1)
    counted: list[tuple[int, int, int, int, float]] = []
    for row, tree in enumerate(trees):
        column = length - len(tree) if padding_side == "left" else 0
        ends: list[tuple[int, int]] = []  # of each segment: column and position of its last token
        for index, segment in enumerate(tree.segments):
            size = len(segment.tokens)
            last, position = ends[segment.parent] if segment.parent >= 0 else (-1, -1)
            ids[row, column : column + size] = torch.tensor(segment.tokens)
            positions[row, column : column + size] = torch.arange(position + 1, position + 1 + size)
            segments[row, column : column + size] = index
            for offset, weight in enumerate(segment.weights):
                if weight:
                    counted.append((row, column + offset - 1 if offset else last, column + offset, index, weight))
            column += size
            ends.append((column - 1, position + size))
    where = torch.tensor([item[:4] for item in counted], dtype=torch.long).reshape(-1, 4)
    weights = torch.tensor([item[4] for item in counted], dtype=torch.float32)
    rows, sources, targets, branches = where.unbind(1)
    laid = _laid(trees, segments, layout)
    return Rows(ids, positions, segments, ancestry(trees), rows, sources, targets, branches, weights, *laid)


def _laid(trees: Sequence[Tree], segments: Tensor, layout: Layout | None) -> tuple[Tensor | None, Tensor | None]:
    """``Rows.axes`` and ``Rows.blocks`` of rows with these segments."""
    if layout is None:
        return None, None
    real = segments >= 0
    axes = blocks = None
    if layout.grid is not None:
        axes = torch.zeros((3, *segments.shape), dtype=torch.long)
        axes[:, real] = torch.cat([layout.axes(tree.segments) for tree in trees], dim=1)
    if layout.ahead != "none":
        blocks = torch.full_like(segments, -1)
        blocks[real] = torch.cat([layout.blocks(tree.segments) for tree in trees])
    return axes, blocks


def visible(
    query: tuple[Tensor, Tensor],
    key: tuple[Tensor, Tensor],
    ancestors: Tensor,
    window: int | None = None,
    blocks: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    """Which keys each query sees, ``(B, Q, K)``.

    Args:
        query: Segments and positions of the queries, each ``(B, Q)``.
        key: The same of the keys, each ``(B, K)``.
        ancestors: See `Rows`.
        window: Sliding window in tokens, counted along the path; None sees everything before.
        blocks: Those of the queries ``(B, Q)`` and of the keys ``(B, K)``, see `Rows`.
    """
    (query_segments, query_positions), (key_segments, key_positions) = query, key
    batch = torch.arange(len(ancestors), device=ancestors.device)[:, None, None]
    sees = ancestors[batch, query_segments.clamp(min=0)[:, :, None], key_segments.clamp(min=0)[:, None, :]]
    distance = query_positions[:, :, None] - key_positions[:, None, :]
    before = distance >= 0
    if blocks is not None:
        before |= (blocks[0][:, :, None] == blocks[1][:, None, :]) & (blocks[0] >= 0)[:, :, None]
    sees = sees & before & (key_segments >= 0)[:, None, :] & (query_segments >= 0)[:, :, None]
    return sees if window is None else sees & (distance < window)
