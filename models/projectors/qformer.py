"""The Q-Former of BLIP-2 without its text half: learned queries talk among themselves and read the image."""

from __future__ import annotations

import torch
from einops import rearrange, repeat
from torch import nn
from torch.nn import functional as F  # noqa: N812

Grid = tuple[int, int]
EPS = 1e-12


class Attention(nn.Module):
    """Attention with the norm after the residual sum, as in BERT; keys may have another width."""

    def __init__(self, width: int, heads: int, width_read: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (
            nn.Linear(width, width),
            nn.Linear(width_read, width),
            nn.Linear(width_read, width),
        )
        self.out, self.norm = nn.Linear(width, width), nn.LayerNorm(width, eps=EPS)

    def forward(self, queries: torch.Tensor, read: torch.Tensor) -> torch.Tensor:
        """Queries (B, K, D) that have read (B, N, C)."""
        parts = (self.query(queries), self.key(read), self.value(read))
        query, key, value = (rearrange(part, "b n (h d) -> b h n d", h=self.heads) for part in parts)
        found = rearrange(F.scaled_dot_product_attention(query, key, value), "b h n d -> b n (h d)")
        changed: torch.Tensor = self.norm(self.out(found) + queries)
        return changed


class Layer(nn.Module):
    """Queries among themselves, queries to the image (in every other layer), then two layers a query."""

    def __init__(self, width: int, heads: int, width_image: int | None) -> None:
        super().__init__()
        self.own = Attention(width, heads, width)
        self.image = None if width_image is None else Attention(width, heads, width_image)
        self.up, self.act, self.down = nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        self.norm = nn.LayerNorm(width, eps=EPS)

    def forward(self, queries: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        """One step: (B, K, D), (B, N, C) -> (B, K, D)."""
        queries = self.own(queries, queries)
        if self.image is not None:
            queries = self.image(queries, tokens)
        changed: torch.Tensor = self.norm(self.down(self.act(self.up(queries))) + queries)
        return changed


class QFormerProjector(nn.Module):
    """``latents`` learned queries through a small BERT that reads the image, then one map (BLIP-2, section 3.1).

    Args:
        width_in: Channels of the encoder.
        width_out: Channels of the decoder.
        grid: Rows and columns of tokens of an image.
        latents: Queries, and tokens that come out.
        depth: Layers; BLIP-2 has 12.
        heads: Attention heads.
        width: Channels of the queries; BLIP-2 has 768.
        cross_every: The image is read in the first of every so many layers.
    """

    @staticmethod
    def out_grid(
        grid: Grid, *, latents: int = 32, depth: int = 6, heads: int = 12, width: int = 768, cross_every: int = 2
    ) -> Grid:
        """One row of ``latents`` tokens, whatever the grid.

        Raises:
            ValueError: If a number is below 1, or ``heads`` does not divide ``width``.
        """
        if min(latents, depth, heads, width, cross_every) < 1 or width % heads:
            raise ValueError(
                f"projector latents={latents}, depth={depth}, heads={heads}, width={width}, cross_every={cross_every}: "
                "each must be at least 1, and heads must divide width."
            )
        return 1, latents

    def __init__(
        self,
        width_in: int,
        width_out: int,
        grid: Grid,
        *,
        latents: int = 32,
        depth: int = 6,
        heads: int = 12,
        width: int = 768,
        cross_every: int = 2,
    ) -> None:
        super().__init__()
        self.queries = nn.Embedding(latents, width)
        nn.init.normal_(self.queries.weight, std=0.02)
        self.norm = nn.LayerNorm(width, eps=EPS)
        self.layers = nn.ModuleList(
            Layer(width, heads, width_in if index % cross_every == 0 else None) for index in range(depth)
        )
        self.linear = nn.Linear(width, width_out)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Map (B, N, Dv) to (B, latents, Dt)."""
        queries = repeat(self.norm(self.queries.weight), "k d -> b k d", b=tokens.shape[0])
        for layer in self.layers:
            queries = layer(queries, tokens)
        projected: torch.Tensor = self.linear(queries)
        return projected
