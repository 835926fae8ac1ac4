"""Projectors that average neighbouring tokens: Gemma 3's in the plane, M3D's in space."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from einops import rearrange, reduce
from torch import nn
from torch.nn import functional as F  # noqa: N812

Grid = tuple[int, int]


def pooled_grid(grid: Sequence[int], pool: int | Sequence[int]) -> tuple[int, ...]:
    """The grid that is left when blocks of ``pool`` tokens are averaged.

    Args:
        grid: Tokens a side: (rows, columns), or (depth, rows, columns).
        pool: Side of a block, or one a direction.

    Raises:
        ValueError: If the blocks do not tile the grid.

    Examples:
        >>> pooled_grid((64, 64), 4), pooled_grid((8, 16, 16), 2), pooled_grid((8, 16, 16), (1, 4, 4))
        ((16, 16), (4, 8, 8), (8, 4, 4))
    """
    sides = (pool,) * len(grid) if isinstance(pool, int) else tuple(pool)
    fits = len(sides) == len(grid) and all(
        side >= 1 and have % side == 0 for have, side in zip(grid, sides, strict=True)
    )
    if not fits:
        shape = " x ".join(map(str, grid))
        raise ValueError(f"projector.pool={pool} does not tile a grid of {shape} tokens; give a divisor of each side.")
    return tuple(have // side for have, side in zip(grid, sides, strict=True))


class AveragePoolProjector(nn.Module):
    """Squares of tokens averaged, root-mean-square norm, one map without bias: the projector of Gemma 3.

    Gemma 3 starts its map at zero, which hides the image until it is trained; here it starts like any other.

    Args:
        width_in: Channels of the encoder.
        width_out: Channels of the decoder.
        grid: Rows and columns of tokens of an image.
        pool: Side of a square of tokens that is averaged.
    """

    @staticmethod
    def out_grid(grid: Grid, *, pool: int = 2) -> Grid:
        """Rows and columns of tokens that come out for ``grid``."""
        rows, columns = pooled_grid(grid, pool)
        return rows, columns

    def __init__(self, width_in: int, width_out: int, grid: Grid, *, pool: int = 2) -> None:
        super().__init__()
        self.grid, self.pool = grid, pool
        self.norm = nn.RMSNorm(width_in, eps=1e-6)
        self.linear = nn.Linear(width_in, width_out, bias=False)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Map (B, N, Dv) to (B, M, Dt)."""
        pooled = F.avg_pool2d(rearrange(tokens, "b (h w) c -> b c h w", h=self.grid[0]), self.pool)
        projected: torch.Tensor = self.linear(self.norm(rearrange(pooled, "b c h w -> b (h w) c")))
        return projected


class SpatialPoolProjector(nn.Module):
    """Blocks of tokens averaged in every direction of the grid, then two layers: the projector of M3D-LaMed.

    Args:
        width_in: Channels of the encoder.
        width_out: Channels of the decoder.
        grid: Rows and columns of tokens, of a 3D encoder (depth, rows, columns).
        pool: Side of a block of tokens that is averaged, or one a direction.
        hidden: Channels between the two layers; the decoder's width if None.
    """

    @staticmethod
    def out_grid(grid: tuple[int, ...], *, pool: int | Sequence[int] = 2, hidden: int | None = None) -> tuple[int, ...]:
        """Tokens a side that come out for ``grid``, in as many directions."""
        return pooled_grid(grid, pool)

    def __init__(
        self,
        width_in: int,
        width_out: int,
        grid: tuple[int, ...],
        *,
        pool: int | Sequence[int] = 2,
        hidden: int | None = None,
    ) -> None:
        super().__init__()
        out = pooled_grid(grid, pool)
        deep = (1,) * (3 - len(grid))
        self.grid = (*deep, *grid)
        self.pool = tuple(have // left for have, left in zip(self.grid, (*deep, *out), strict=True))
        hidden = hidden or width_out
        self.up, self.act, self.down = nn.Linear(width_in, hidden), nn.GELU(), nn.Linear(hidden, width_out)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Map (B, N, Dv) to (B, M, Dt)."""
        (deep, high, wide), (p, q, r) = self.grid, self.pool
        sides = {"d": deep // p, "h": high // q, "w": wide // r, "p": p, "q": q, "r": r}
        blocks = reduce(tokens, "b (d p h q w r) c -> b (d h w) c", "mean", **sides)
        projected: torch.Tensor = self.down(self.act(self.up(blocks)))
        return projected
