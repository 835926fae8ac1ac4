"""Projectors that map every token, or every square of neighbouring tokens, on its own."""

from __future__ import annotations

import torch
from einops import rearrange
from torch import nn

Grid = tuple[int, int]


def merge_neighbours(tokens: torch.Tensor, grid: Grid, merge: int) -> torch.Tensor:
    """Fold squares of ``merge`` x ``merge`` tokens into channels: (B, N, C) -> (B, N / merge^2, C * merge^2)."""
    if merge == 1:
        return tokens
    rows, columns = grid[0] // merge, grid[1] // merge
    return rearrange(tokens, "b (h p w q) c -> b (h w) (p q c)", h=rows, w=columns, p=merge, q=merge)


def merged_grid(grid: Grid, merge: int = 1) -> Grid:
    """The grid that is left.

    Raises:
        ValueError: If the squares do not tile the grid.

    Examples:
        >>> merged_grid((8, 8), 2)
        (4, 4)
    """
    if merge < 1 or grid[0] % merge or grid[1] % merge:
        raise ValueError(f"projector.merge={merge} does not tile a grid of {grid[0]} x {grid[1]} tokens.")
    return grid[0] // merge, grid[1] // merge


class LinearProjector(nn.Module):
    """One linear map a token.

    Args:
        width_in: Channels of the encoder.
        width_out: Channels of the decoder.
        grid: Rows and columns of tokens of an image.
        merge: Side of the squares of tokens that become one token.
    """

    out_grid = staticmethod(merged_grid)

    def __init__(self, width_in: int, width_out: int, grid: Grid, *, merge: int = 1) -> None:
        super().__init__()
        self.grid, self.merge = grid, merge
        self.linear = nn.Linear(width_in * merge * merge, width_out)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Map (B, N, Dv) to (B, M, Dt)."""
        projected: torch.Tensor = self.linear(merge_neighbours(tokens, self.grid, self.merge))
        return projected


class PixelShuffleProjector(nn.Module):
    """Squares of tokens folded into channels, then one map without bias: the connector of Idefics3 and SmolVLM.

    That of InternVL has a norm and a second layer: it is ``mlp`` with ``merge=2``.

    Args:
        width_in: Channels of the encoder.
        width_out: Channels of the decoder.
        grid: Rows and columns of tokens of an image.
        merge: Side of the squares of tokens that become one token.
    """

    @staticmethod
    def out_grid(grid: Grid, *, merge: int = 2) -> Grid:
        """Rows and columns of tokens that come out for ``grid``."""
        return merged_grid(grid, merge)

    def __init__(self, width_in: int, width_out: int, grid: Grid, *, merge: int = 2) -> None:
        super().__init__()
        self.grid, self.merge = grid, merge
        self.linear = nn.Linear(width_in * merge * merge, width_out, bias=False)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Map (B, N, Dv) to (B, M, Dt)."""
        projected: torch.Tensor = self.linear(merge_neighbours(tokens, self.grid, self.merge))
        return projected


class MLPProjector(nn.Module):
    """Norm, linear, GELU, linear: the projector of LLaVA, with neighbouring tokens merged first as in InternVL.

    Args:
        width_in: Channels of the encoder.
        width_out: Channels of the decoder.
        grid: Rows and columns of tokens of an image.
        merge: Side of the squares of tokens that become one token.
        hidden: Channels between the two maps; the decoder's width if None.
    """

    @staticmethod
    def out_grid(grid: Grid, *, merge: int = 1, hidden: int | None = None) -> Grid:
        """Rows and columns of tokens that come out for ``grid``."""
        return merged_grid(grid, merge)

    def __init__(self, width_in: int, width_out: int, grid: Grid, *, merge: int = 1, hidden: int | None = None) -> None:
        super().__init__()
        self.grid, self.merge = grid, merge
        folded, hidden = width_in * merge * merge, hidden or width_out
        self.norm = nn.LayerNorm(folded)
        self.up = nn.Linear(folded, hidden)
        self.act = nn.GELU()
        self.down = nn.Linear(hidden, width_out)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Map (B, N, Dv) to (B, M, Dt)."""
        folded = self.norm(merge_neighbours(tokens, self.grid, self.merge))
        projected: torch.Tensor = self.down(self.act(self.up(folded)))
        return projected
