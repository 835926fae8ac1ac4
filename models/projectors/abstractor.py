"""The C-abstractor of Honeybee: convolutions over the token grid, pooled to any square number of tokens."""

from __future__ import annotations

import math

import torch
from einops import rearrange
from timm.layers.norm import LayerNorm2d
from timm.models.regnet import RegStage
from torch import nn
from torch.nn import functional as F  # noqa: N812

Grid = tuple[int, int]


def square_side(tokens: int, grid: Grid) -> int:
    """Side of the square of tokens that comes out.

    Raises:
        ValueError: If ``tokens`` is no square, or there are not so many in ``grid``.

    Examples:
        >>> square_side(144, (32, 32))
        12
    """
    side = math.isqrt(max(tokens, 0))
    if tokens < 1 or side * side != tokens:
        raise ValueError(
            f"projector.tokens={tokens} is no square number; choose {max(1, side) ** 2} or {(side + 1) ** 2}."
        )
    if side > min(grid):
        most = min(grid) ** 2
        raise ValueError(
            f"projector.tokens={tokens} needs a grid of {side} x {side} tokens at least, the encoder gives "
            f"{grid[0]} x {grid[1]}; choose projector.tokens={most} or less."
        )
    return side


class AbstractorProjector(nn.Module):
    """Learned places, residual stages, adaptive average, residual stages, two layers (Honeybee, section 3.2).

    Args:
        width_in: Channels of the encoder.
        width_out: Channels of the decoder.
        grid: Rows and columns of tokens of an image.
        tokens: Tokens that come out; a square number.
        depth: Residual blocks before the average, and as many after it.
        hidden: Channels of the residual blocks.
    """

    @staticmethod
    def out_grid(grid: Grid, *, tokens: int = 144, depth: int = 3, hidden: int = 1024) -> Grid:
        """A square of ``tokens``, whatever the grid.

        Raises:
            ValueError: If the numbers do not fit.
        """
        if depth < 1 or hidden < 1:
            raise ValueError(f"projector.depth={depth} and projector.hidden={hidden} must both be at least 1.")
        side = square_side(tokens, grid)
        return side, side

    def __init__(
        self, width_in: int, width_out: int, grid: Grid, *, tokens: int = 144, depth: int = 3, hidden: int = 1024
    ) -> None:
        super().__init__()
        self.grid, self.side = grid, square_side(tokens, grid)
        self.places = nn.Embedding(grid[0] * grid[1], width_in)
        nn.init.normal_(self.places.weight, std=0.02)
        self.before, self.after = _stage(depth, width_in, hidden), _stage(depth, hidden, hidden)
        self.up, self.act, self.down = nn.Linear(hidden, width_out), nn.SiLU(), nn.Linear(width_out, width_out)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Map (B, N, Dv) to (B, tokens, Dt)."""
        plane = rearrange(tokens + self.places.weight, "b (h w) c -> b c h w", h=self.grid[0])
        pooled = self.after(F.adaptive_avg_pool2d(self.before(plane), self.side))
        projected: torch.Tensor = self.down(self.act(self.up(rearrange(pooled, "b c h w -> b (h w) c"))))
        return projected


def _stage(depth: int, width_in: int, width_out: int) -> nn.Module:
    stage: nn.Module = RegStage(
        depth=depth,
        in_chs=width_in,
        out_chs=width_out,
        stride=1,
        dilation=1,
        act_layer=nn.SiLU,
        norm_layer=LayerNorm2d,
    )
    return stage
