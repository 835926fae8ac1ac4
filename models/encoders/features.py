"""Patch tokens of images, the same for every encoder family."""

from __future__ import annotations

import torch
from einops import rearrange
from transformers import PreTrainedModel

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
    if layer == -1:
        return tower(pixels).last_hidden_state[:, traits.prefix :]
    if tower.config.model_type == "timm_wrapper":
        depth = len(tower.timm_model.blocks)
        maps = tower(pixels, output_hidden_states=[depth + layer]).hidden_states[0]
        return rearrange(maps, "b c h w -> b (h w) c")
    return tower(pixels, output_hidden_states=True).hidden_states[layer][:, traits.prefix :]
