"""Prefix trees as tensors: rows of one length, and which of their tokens see which.

Sampling (``medvlm.generation``) extends the same rows token by token over the same visibility rule, and
``medvlm.logps`` scores them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from medvlm.tree import Tree

if TYPE_CHECKING:
    from medvlm.models.native.layout import Layout


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
