"""Patch tokens of images, the same for every encoder family."""

from __future__ import annotations

import torch
from einops import rearrange
from transformers import PreTrainedModel, TimmWrapperModel

from .traits import Traits


def encode(tower: PreTrainedModel, pixels: torch.Tensor, traits: Traits, layer: int = -1) -> torch.Tensor:
    """Patch tokens (B, N, C) of images (B, 3, H, W), prefix tokens dropped.

    Args:
        tower: The encoder.
        pixels: Normalised images.
        traits: The encoder's width, grid and prefix tokens.
        layer: Which layer's output: -1 the last one after its norm, -2 the one before, and so on.
    """
    pixels = pixels.to(device=tower.device, dtype=tower.dtype)
    if layer != -1 and isinstance(tower, TimmWrapperModel):
        depth = len(tower.timm_model.blocks)
        maps: torch.Tensor = tower(pixels, output_hidden_states=[depth + layer]).hidden_states[0]
        flat: torch.Tensor = rearrange(maps, "b c h w -> b (h w) c")
        return flat
    output = tower(pixels, output_hidden_states=layer != -1)
    tokens: torch.Tensor = output.last_hidden_state if layer == -1 else output.hidden_states[layer]
    return tokens[:, traits.prefix :]
