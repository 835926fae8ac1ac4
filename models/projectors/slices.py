"""Compressors of a volume: the projected tokens of any number of slices to a fixed budget of tokens."""

from __future__ import annotations

import math

import torch
from einops import rearrange
from torch import nn
from torch.nn import functional as F  # noqa: N812

from .perceiver import Perceiver

Grid = tuple[int, int]
Span = tuple[int, int | None]


def slab_shape(grid: Grid, *, tokens: int, depth: int) -> tuple[int, int, int]:
    """Slabs, rows and columns into which a volume's token grid is averaged.

    Raises:
        ValueError: If ``tokens`` is no multiple of ``depth``.

    Examples:
        >>> slab_shape((4, 4), tokens=32, depth=8)
        (8, 2, 2)
    """
    if depth < 1 or tokens < depth or tokens % depth:
        raise ValueError(f"compressor.tokens={tokens} must be a multiple of compressor.depth={depth}.")
    each = tokens // depth
    if grid[0] == 1:
        return depth, 1, each
    rows = max(side for side in range(1, math.isqrt(each) + 1) if each % side == 0)
    return depth, rows, each // rows


class SlicesPool(nn.Module):
    """Uniform averages over slices and over the token grid of a slice; nothing to learn.

    Args:
        width: Channels of the decoder.
        grid: Rows and columns of projected tokens of a slice.
        tokens: Tokens that come out.
        depth: Slabs into which the slices are grouped; a multiple of it must be ``tokens``.
    """

    @staticmethod
    def out_tokens(grid: Grid, *, tokens: int = 64, depth: int = 16) -> int:
        """``tokens``, once it is known that the slabs share them.

        Raises:
            ValueError: If they do not.
        """
        return math.prod(slab_shape(grid, tokens=tokens, depth=depth))

    @staticmethod
    def slices_span(grid: Grid, *, tokens: int = 64, depth: int = 16) -> Span:
        """Any number of slices: fewer than slabs are repeated."""
        return 1, None

    def __init__(self, width: int, grid: Grid, *, tokens: int = 64, depth: int = 16) -> None:
        super().__init__()
        self.grid, self.shape, self.tokens = grid, slab_shape(grid, tokens=tokens, depth=depth), tokens

    def forward(self, slices: torch.Tensor) -> torch.Tensor:
        """Average (S, N, D) to (tokens, D)."""
        volume = rearrange(slices, "s (h w) d -> 1 d s h w", h=self.grid[0])
        return rearrange(F.adaptive_avg_pool3d(volume, self.shape), "1 d s h w -> (s h w) d")


class SlicesPerceiver(nn.Module):
    """Learned queries over the tokens of all slices, each marked with its slice's relative height.

    Args:
        width: Channels of the decoder.
        grid: Rows and columns of projected tokens of a slice.
        tokens: Tokens that come out.
        depth: Reading steps.
        heads: Attention heads.
    """

    frequencies = 16

    @staticmethod
    def out_tokens(grid: Grid, *, tokens: int = 64, depth: int = 2, heads: int = 8) -> int:
        """``tokens``, whatever is read.

        Raises:
            ValueError: If a number is below 1.
        """
        if min(tokens, depth, heads) < 1:
            raise ValueError(f"compressor tokens={tokens}, depth={depth}, heads={heads}: each must be at least 1.")
        return tokens

    @staticmethod
    def slices_span(grid: Grid, *, tokens: int = 64, depth: int = 2, heads: int = 8) -> Span:
        """Any number of slices."""
        return 1, None

    def __init__(self, width: int, grid: Grid, *, tokens: int = 64, depth: int = 2, heads: int = 8) -> None:
        super().__init__()
        self.tokens = tokens
        self.height = nn.Linear(2 * self.frequencies, width)
        self.perceiver = Perceiver(width, latents=tokens, depth=depth, heads=heads)

    def forward(self, slices: torch.Tensor) -> torch.Tensor:
        """Read (S, N, D) into (tokens, D)."""
        places = torch.linspace(0.0, 1.0, slices.shape[0], device=slices.device)
        angles = places[:, None] * math.pi * torch.arange(1, self.frequencies + 1, device=slices.device)
        marks = self.height(torch.cat([angles.sin(), angles.cos()], dim=-1).to(slices.dtype))
        marked = rearrange(slices + marks[:, None], "s n d -> 1 (s n) d")
        read: torch.Tensor = self.perceiver(marked)[0]
        return read
