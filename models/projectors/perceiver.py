"""A perceiver resampler: a fixed number of learned queries read any number of tokens."""

from __future__ import annotations

import torch
from einops import rearrange, repeat
from torch import nn
from torch.nn import functional as F  # noqa: N812

Grid = tuple[int, int]


class Attend(nn.Module):
    """Queries attend to inputs and to themselves, then pass an MLP (Flamingo, section 3.1)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_latents, self.norm_inputs, self.norm_mlp = (
            nn.LayerNorm(width),
            nn.LayerNorm(width),
            nn.LayerNorm(width),
        )
        self.query, self.key_value = nn.Linear(width, width, bias=False), nn.Linear(width, 2 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, latents: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
        """One step of reading: (B, K, D), (B, N, D) -> (B, K, D)."""
        own = self.norm_latents(latents)
        read = torch.cat([self.norm_inputs(inputs), own], dim=1)
        query = rearrange(self.query(own), "b n (h d) -> b h n d", h=self.heads)
        key, value = rearrange(self.key_value(read), "b n (two h d) -> two b h n d", two=2, h=self.heads)
        found = rearrange(F.scaled_dot_product_attention(query, key, value), "b h n d -> b n (h d)")
        latents = latents + self.out(found)
        changed: torch.Tensor = latents + self.mlp(self.norm_mlp(latents))
        return changed


class Perceiver(nn.Module):
    """``latents`` learned queries over tokens that already have the decoder's width.

    Args:
        width: Channels.
        latents: Tokens that come out, however many go in.
        depth: Reading steps.
        heads: Attention heads.

    Raises:
        ValueError: If ``heads`` does not divide ``width``.
    """

    def __init__(self, width: int, *, latents: int, depth: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"heads={heads} does not divide the decoder's width {width}; choose a divisor.")
        self.latents = nn.Parameter(torch.randn(latents, width) * 0.02)
        self.steps = nn.ModuleList(Attend(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Read (B, N, D) into (B, latents, D)."""
        latents = repeat(self.latents, "k d -> b k d", b=inputs.shape[0])
        for step in self.steps:
            latents = step(latents, inputs)
        read: torch.Tensor = self.norm(latents)
        return read


class PerceiverProjector(nn.Module):
    """A linear map to the decoder's width, then a perceiver with a fixed number of queries.

    Args:
        width_in: Channels of the encoder.
        width_out: Channels of the decoder.
        grid: Rows and columns of tokens of an image.
        latents: Tokens that come out.
        depth: Reading steps.
        heads: Attention heads.
    """

    @staticmethod
    def out_grid(grid: Grid, *, latents: int = 64, depth: int = 2, heads: int = 8) -> Grid:
        """One row of ``latents`` tokens, whatever the grid."""
        return 1, latents

    def __init__(
        self, width_in: int, width_out: int, grid: Grid, *, latents: int = 64, depth: int = 2, heads: int = 8
    ) -> None:
        super().__init__()
        self.linear = nn.Linear(width_in, width_out)
        self.perceiver = Perceiver(width_out, latents=latents, depth=depth, heads=heads)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Map (B, N, Dv) to (B, latents, Dt)."""
        read: torch.Tensor = self.perceiver(self.linear(tokens))
        return read
