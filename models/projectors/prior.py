"""A current image beside the prior one of the same patient: temporal alignment (after Libra)."""

from __future__ import annotations

import torch
from einops import rearrange
from torch import nn
from torch.nn import functional as F  # noqa: N812

from .places import Span, check_span

Grid = tuple[int, int]


class SlicesPrior(nn.Module):
    """Tokens of the current image that have looked at the prior one; the prior adds no tokens of its own.

    The pair is given as one volume of two frames in the order of time, the prior first; a single frame has no prior and
    looks at itself, as in Libra. Tokens of the prior are marked by how like the token of the current image
    at the same place is, ((cos + 1) / 2)^8 times a learned vector; the current ones attend to them, and what is found
    is added to them (Libra: Zhang et al. 2025, temporal alignment connector, here without its layer fusion).

    Args:
        width: Channels of the decoder.
        grid: Rows and columns of projected tokens of an image.
        heads: Attention heads.

    Raises:
        ValueError: If ``heads`` does not divide ``width``.
    """

    @staticmethod
    def out_tokens(grid: Grid, *, heads: int = 8) -> int:
        """The tokens of one image.

        Raises:
            ValueError: If there are no heads.
        """
        if heads < 1:
            raise ValueError(f"compressor.heads={heads} must be at least 1.")
        return grid[0] * grid[1]

    @staticmethod
    def slices_span(grid: Grid, *, heads: int = 8) -> Span:
        """The current image, or it and its prior."""
        return 1, 2

    def __init__(self, width: int, grid: Grid, *, heads: int = 8) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"heads={heads} does not divide the decoder's width {width}; choose a divisor.")
        self.heads = heads
        self.same = nn.Embedding(1, width)
        nn.init.normal_(self.same.weight, std=0.02)
        self.norm_current, self.norm_prior, self.norm_mlp = (nn.LayerNorm(width) for _ in range(3))
        self.query, self.key_value = nn.Linear(width, width, bias=False), nn.Linear(width, 2 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, slices: torch.Tensor) -> torch.Tensor:
        """Align (1 or 2, N, D) to (N, D)."""
        check_span("prior", len(slices), (1, 2))
        prior, current = slices[:1], slices[-1:]
        like = ((F.cosine_similarity(current, prior, dim=-1) + 1) / 2) ** 8
        query = rearrange(self.query(self.norm_current(current)), "b n (h d) -> b h n d", h=self.heads)
        read = self.norm_prior(prior + like[..., None] * self.same.weight)
        key, value = rearrange(self.key_value(read), "b n (two h d) -> two b h n d", two=2, h=self.heads)
        found = rearrange(F.scaled_dot_product_attention(query, key, value), "b h n d -> b n (h d)")
        seen = current + self.out(found)
        changed: torch.Tensor = seen + self.mlp(self.norm_mlp(seen))
        return changed[0]
