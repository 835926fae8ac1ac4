"""Vision transformers over volumes, written from their papers: full attention, and space then depth."""

from __future__ import annotations

import math

import torch
from einops import rearrange
from torch import nn
from torch.nn import functional as F  # noqa: N812
from transformers.modeling_layers import GradientCheckpointingLayer

Size = tuple[int, int, int]


class Block(GradientCheckpointingLayer):
    """Norm, attention, norm, MLP, each added to its input (ViT, arXiv 2010.11929, section 3.1).

    Args:
        width: Channels.
        heads: Attention heads.
        head_width: Channels of a head; ``heads * head_width`` may differ from ``width``.
        hidden: Channels inside the MLP.
    """

    def __init__(self, width: int, heads: int, head_width: int, hidden: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention, self.norm_mlp = nn.LayerNorm(width), nn.LayerNorm(width)
        self.read = nn.Linear(width, 3 * heads * head_width)
        self.write = nn.Linear(heads * head_width, width)
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Mix (B, N, C) within each of the B sequences."""
        read = self.read(self.norm_attention(tokens))
        query, key, value = rearrange(read, "b n (three h d) -> three b h n d", three=3, h=self.heads)
        mixed = F.scaled_dot_product_attention(query, key, value)
        tokens = tokens + self.write(rearrange(mixed, "b h n d -> b n (h d)"))
        changed: torch.Tensor = tokens + self.mlp(self.norm_mlp(tokens))
        return changed


class ViT3D(nn.Module):
    """Full attention over all patches of a volume, as the vision side of M3D-CLIP (Bai et al., arXiv 2404.00578).

    Published numbers: 32 x 256 x 256 voxels of one channel in 0..1, patches of 4 x 16 x 16, so 8 x 16 x 16 = 2048
    tokens of 768 channels, 12 blocks. Its class token is dropped before the decoder there, and is not made here. Cost
    grows with the square of the tokens.

    Args:
        size: Slices, rows and columns.
        patch: Voxels of one token.
        channels: Channels of a voxel.
        width: Channels of a token.
        layers: Blocks.
        heads: Attention heads.
        hidden: Channels inside a block's MLP; four times the width if None.
    """

    def __init__(
        self,
        size: Size,
        patch: Size,
        channels: int,
        width: int,
        *,
        layers: int = 12,
        heads: int = 12,
        hidden: int | None = None,
    ) -> None:
        super().__init__()
        count = math.prod(side // step for side, step in zip(size, patch, strict=True))
        self.patches = nn.Conv3d(channels, width, patch, patch)
        self.places = nn.Embedding(count, width)
        each = head_width(width, heads)
        self.blocks = nn.ModuleList(Block(width, heads, each, hidden or 4 * width) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, volumes: torch.Tensor) -> torch.Tensor:
        """Map (B, C, S, H, W) to (B, d h w, width)."""
        tokens = rearrange(self.patches(volumes), "b c d h w -> b (d h w) c") + self.places.weight
        for block in self.blocks:
            tokens = block(tokens)
        found: torch.Tensor = self.norm(tokens)
        return found


class FactorisedViT(nn.Module):
    """Attention within each slab, then along depth at each place, as the encoder of CT-ViT.

    The idea is C-ViViT's (Villegas et al., arXiv 2210.02399); CT-CLIP's numbers (Hamamci et al., arXiv 2403.17834) are
    240 slices of 480 x 480, patches of 10 x 20 x 20, so 24 x 24 x 24 = 13,824 tokens of 512 channels, 4 blocks in space
    and 4 along depth, 8 heads of 32. Positions are learned tables here, and nothing is quantised. Cost grows linearly
    with the slices as long as depth is short beside the tokens of a slab.

    Args:
        size: Slices, rows and columns.
        patch: Voxels of one token.
        channels: Channels of a voxel.
        width: Channels of a token.
        layers: Blocks in space, and as many along depth.
        heads: Attention heads.
        head: Channels of a head.
        hidden: Channels inside a block's MLP; four times the width if None.
    """

    def __init__(
        self,
        size: Size,
        patch: Size,
        channels: int,
        width: int,
        *,
        layers: int = 4,
        heads: int = 8,
        head: int = 32,
        hidden: int | None = None,
    ) -> None:
        super().__init__()
        self.grid = tuple(side // step for side, step in zip(size, patch, strict=True))
        deep, high, wide = self.grid
        self.patches = nn.Conv3d(channels, width, patch, patch)
        self.norm_patches = nn.LayerNorm(width)
        self.places, self.heights = nn.Embedding(high * wide, width), nn.Embedding(deep, width)
        self.space, self.depth = (
            nn.ModuleList(Block(width, heads, head, hidden or 4 * width) for _ in range(layers)) for _ in range(2)
        )
        self.norm_space, self.norm = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, volumes: torch.Tensor) -> torch.Tensor:
        """Map (B, C, S, H, W) to (B, d h w, width)."""
        batch, deep = len(volumes), self.grid[0]
        tokens = rearrange(self.patches(volumes), "b c d h w -> (b d) (h w) c")
        tokens = self.norm_patches(tokens) + self.places.weight
        for block in self.space:
            tokens = block(tokens)
        tokens = rearrange(self.norm_space(tokens), "(b d) n c -> (b n) d c", b=batch, d=deep) + self.heights.weight
        for block in self.depth:
            tokens = block(tokens)
        found: torch.Tensor = rearrange(self.norm(tokens), "(b n) d c -> b (d n) c", b=batch)
        return found


def head_width(width: int, heads: int) -> int:
    """Channels of a head.

    Raises:
        ValueError: If the heads do not share the width evenly.
    """
    if width % heads:
        raise ValueError(f"heads={heads} does not divide width={width}; choose a divisor.")
    return width // heads
