"""A few tokens of the whole volume and more of one slab of it (after CT-Agent's global and local compression)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from einops import rearrange
from torch import nn
from torch.nn import functional as F  # noqa: N812

from .places import Places, Span, grid_places
from .slices import slab_shape

Grid = tuple[int, int]


def check_numbers(whole: int, tokens: int, slab: float, region: Sequence[float] | None) -> None:
    """Refuse numbers that make no sense.

    Raises:
        ValueError: If the whole takes every token, or the slab is not a part of the volume.
    """
    if not 1 <= whole < tokens:
        raise ValueError(f"compressor.whole={whole} must be at least 1 and below compressor.tokens={tokens}.")
    if not 0 < slab <= 1:
        raise ValueError(f"compressor.slab={slab} is a share of the volume's height: above 0, 1 at most.")
    if region is not None and not (len(region) == 2 and 0 <= region[0] < region[1] <= 1):
        raise ValueError(f"compressor.region={region} must be two rising shares of the height, such as [0.2, 0.5].")


class SlicesFocus(nn.Module):
    """``whole`` averaged tokens of the volume, and the rest of the budget for one slab of neighbouring slices.

    CT-Agent takes the anatomy that a question names. Here a volume is read once for all of its questions, before any
    of them is seen, so the slab is either stated for good (``region``) or the one that attracts most of a learned
    attention over slices. The choice itself is not smooth; the attention learns because the slab's tokens are scaled by
    its attention divided by the same number, which is 1 but has a gradient.

    Args:
        width: Channels of the decoder.
        grid: Rows and columns of projected tokens of a slice.
        tokens: Tokens that come out.
        whole: Of these, tokens of the whole volume.
        depth: Slabs into which the whole is grouped, and layers into which the slab is; both counts are multiples.
        slab: Share of the height that a chosen slab has.
        region: From where to where a stated slab reaches, as shares of the height from the first slice; None chooses.
    """

    @staticmethod
    def out_tokens(
        grid: Grid,
        *,
        tokens: int = 64,
        whole: int = 16,
        depth: int = 4,
        slab: float = 0.25,
        region: Sequence[float] | None = None,
    ) -> int:
        """``tokens``, once it is known that they can be shared as stated.

        Raises:
            ValueError: If they cannot.
        """
        check_numbers(whole, tokens, slab, region)
        parts = (slab_shape(grid, tokens=part, depth=depth) for part in (whole, tokens - whole))
        return sum(map(math.prod, parts))

    @staticmethod
    def slices_span(
        grid: Grid,
        *,
        tokens: int = 64,
        whole: int = 16,
        depth: int = 4,
        slab: float = 0.25,
        region: Sequence[float] | None = None,
    ) -> Span:
        """Any number of slices."""
        return 1, None

    def __init__(
        self,
        width: int,
        grid: Grid,
        *,
        tokens: int = 64,
        whole: int = 16,
        depth: int = 4,
        slab: float = 0.25,
        region: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.grid, self.slab, self.region = grid, slab, region
        self.whole = slab_shape(grid, tokens=whole, depth=depth)
        self.local = slab_shape(grid, tokens=tokens - whole, depth=depth)
        self.attention = nn.Linear(width, 1) if region is None else nn.Identity()
        self.places = Places(width)

    def forward(self, slices: torch.Tensor) -> torch.Tensor:
        """Compress (S, N, D) to (tokens, D): the whole, then the slab."""
        start, stop, scale = self.choose(slices)
        volume = rearrange(slices, "s (h w) d -> 1 d s h w", h=self.grid[0])
        whole = F.adaptive_avg_pool3d(volume, self.whole)
        local = F.adaptive_avg_pool3d(volume[:, :, start:stop], self.local)
        whole, local = (rearrange(part, "1 d s h w -> (s h w) d") for part in (whole, local))
        places = grid_places(self.local[0], self.local[1:], slices.device)
        places[:, 0] = (start + places[:, 0] * (stop - start)) / len(slices)
        return torch.cat([whole, local * scale + self.places(places)])

    def choose(self, slices: torch.Tensor) -> tuple[int, int, torch.Tensor]:
        """First slice of the slab, the slice after its last, and a factor of value 1 that carries the gradient."""
        count = len(slices)
        if self.region is not None:
            start = min(count - 1, round(self.region[0] * count))
            return start, max(start + 1, round(self.region[1] * count)), slices.new_ones(())
        shares = self.attention(slices.mean(1))[:, 0].float().softmax(0)
        length = max(1, round(self.slab * count))
        masses = shares.unfold(0, length, 1).sum(1)
        start = int(masses.argmax())
        return start, start + length, (masses[start] / masses[start].detach()).to(slices.dtype)
