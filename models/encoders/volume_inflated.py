"""A 2D vision transformer made to read volumes, so that what it learned from planes is kept."""

from __future__ import annotations

from typing import Any

import torch
from einops import rearrange, repeat
from torch import nn
from transformers import CONFIG_MAPPING, AutoModel, PreTrainedModel

from medvlm.study import WeightsError

Size = tuple[int, int, int]

FAMILIES = ("siglip_vision_model", "vit", "dinov2")
"""2D encoders that can be inflated."""


class SlabPatches(nn.Module):
    """Voxels to tokens.

    Args:
        width: Channels of a token.
        patch: Voxels of one token.
    """

    def __init__(self, width: int, patch: Size) -> None:
        super().__init__()
        self.projection = nn.Conv3d(3, width, patch, patch)

    def forward(self, volumes: torch.Tensor) -> torch.Tensor:
        """Map (B, 3, S, H, W) to (B, d, h w, width)."""
        tokens: torch.Tensor = rearrange(self.projection(volumes), "b c d h w -> b d (h w) c")
        return tokens


class SlabEmbeddings(nn.Module):
    """The embeddings of a 2D encoder for every slab of a volume, and where the slab lies.

    Args:
        width: Channels of a token.
        patch: Voxels of one token.
        deep: Slabs.
        count: Tokens of a slab.
        prefix: Class tokens of a slab: every slab has its own, as every image has.
    """

    def __init__(self, width: int, patch: Size, deep: int, count: int, prefix: int) -> None:
        super().__init__()
        self.patch_embeddings = SlabPatches(width, patch)
        self.places, self.heights = nn.Embedding(prefix + count, width), nn.Embedding(deep, width)
        self.prefix = nn.Embedding(prefix, width) if prefix else None

    def forward(self, pixel_values: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        """Map (B, 3, S, H, W) to (B, d (prefix + h w), width)."""
        tokens = self.patch_embeddings(pixel_values)
        if self.prefix is not None:
            first = repeat(self.prefix.weight, "p c -> b d p c", b=tokens.shape[0], d=tokens.shape[1])
            tokens = torch.cat([first, tokens], dim=2)
        tokens = tokens + self.places.weight + self.heights.weight[:, None]
        placed: torch.Tensor = rearrange(tokens, "b d n c -> b (d n) c")
        return placed


class Inflated(nn.Module):
    """A 2D encoder whose patches have depth and whose tokens attend over the whole volume.

    Inflation is that of I3D (Carreira and Zisserman, arXiv 1705.07750, section 2.3): the patch weights are repeated
    along depth and divided by it, so that a volume of equal slices gives in every slab the tokens that the 2D encoder
    gives for the slice. Positions in the plane are the 2D encoder's; those along depth start at zero.

    Args:
        size: Slices, rows and columns.
        patch: Voxels of one token.
        channels: 3, as the 2D encoder has.
        width: Channels of a token; the 2D encoder's.
        vision: Configuration of the 2D encoder.

    Raises:
        WeightsError: If the 2D encoder is of no known family.
    """

    def __init__(self, size: Size, patch: Size, channels: int, width: int, *, vision: dict[str, Any]) -> None:
        super().__init__()
        numbers = dict(vision)
        self.tower = AutoModel.from_config(CONFIG_MAPPING[_family(numbers.pop("model_type"))].from_dict(numbers))
        self.deep, high, wide = (side // step for side, step in zip(size, patch, strict=True))
        self.prefix = 0 if self.tower.config.model_type == "siglip_vision_model" else 1
        if self.tower.config.model_type == "vit":
            self.tower.pooler = None  # it would have weights that nothing reads
        self.tower.embeddings = SlabEmbeddings(width, patch, self.deep, high * wide, self.prefix)

    def forward(self, volumes: torch.Tensor) -> torch.Tensor:
        """Map (B, 3, S, H, W) to (B, d h w, width)."""
        found = rearrange(self.tower(volumes).last_hidden_state, "b (d n) c -> b d n c", d=self.deep)
        tokens: torch.Tensor = rearrange(found[:, :, self.prefix :], "b d n c -> b (d n) c")
        return tokens


@torch.no_grad()
def inflate(network: Inflated, plane: PreTrainedModel) -> None:
    """Give an inflated network the weights of its 2D encoder, in place.

    Args:
        network: Of the 2D encoder's sizes.
        plane: The 2D encoder.
    """
    kept = {name: value for name, value in plane.state_dict().items() if not name.startswith("embeddings.")}
    network.tower.load_state_dict(kept, strict=False)
    new: Any = network.tower.embeddings
    old: Any = plane.embeddings
    if plane.config.model_type == "siglip_vision_model":
        convolution, places = old.patch_embedding, old.position_embedding.weight
    else:
        convolution, places = old.patch_embeddings.projection, old.position_embeddings[0]
        new.prefix.weight.copy_(old.cls_token[0])
    deep = new.patch_embeddings.projection.kernel_size[0]
    new.patch_embeddings.projection.weight.copy_(repeat(convolution.weight, "o i h w -> o i d h w", d=deep) / deep)
    new.patch_embeddings.projection.bias.copy_(convolution.bias)
    new.places.weight.copy_(places)
    new.heights.weight.zero_()


def _family(model_type: str) -> str:
    if model_type not in FAMILIES:
        raise WeightsError(f"A {model_type!r} encoder cannot be inflated to 3D; known families: {', '.join(FAMILIES)}.")
    return model_type
