"""Patch tokens of images, the same for every encoder family."""

from __future__ import annotations

from typing import Any

import torch
from einops import rearrange
from transformers import PreTrainedModel, TimmWrapperModel

from .traits import TowerConfig, Traits, read_traits, timm_prefix


class Tower(PreTrainedModel):
    """An encoder of ours: it gives patch tokens itself."""

    config: TowerConfig
    main_input_name = "pixel_values"
    input_modalities = ["image"]  # noqa: RUF012
    supports_gradient_checkpointing = True

    def tokens(self, pixels: torch.Tensor, layer: int = -1) -> torch.Tensor:
        """Patch tokens (B, N, C) of normalised images (B, 3, H, W)."""
        raise NotImplementedError

    def recompute(self, enable: bool) -> None:
        """Recompute activations in the backward pass, or stop to."""
        raise NotImplementedError

    def forward(self, pixel_values: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        """The tokens of the last layer."""
        return self.tokens(pixel_values)


def encode(tower: PreTrainedModel, pixels: torch.Tensor, traits: Traits, layer: int = -1) -> torch.Tensor:
    """Patch tokens (B, N, C) of images (B, 3, H, W), prefix tokens dropped.

    A configuration with ``class_mean`` gives one token an image instead: the class token and the mean of its patches,
    one after the other (B, 1, 2C), the tile embedding of Virchow (Vorontsov et al. 2024).

    Args:
        tower: The encoder.
        pixels: Normalised images.
        traits: The encoder's width, grid and prefix tokens.
        layer: Which layer's output: -1 the last one after its norm, -2 the one before, and so on.
    """
    pixels = pixels.to(device=tower.device, dtype=tower.dtype)
    if isinstance(tower, Tower):
        return tower.tokens(pixels, layer)
    if isinstance(tower, TimmWrapperModel):
        prefix, patches = _timm_tokens(tower, pixels, traits, layer)
    else:
        output = tower(**_inputs(tower, pixels), output_hidden_states=layer != -1)
        tokens: torch.Tensor = output.last_hidden_state if layer == -1 else output.hidden_states[layer]
        prefix, patches = tokens[:, : traits.prefix], tokens[:, traits.prefix :]
    if not getattr(tower.config, "class_mean", False):
        return _fitting(patches, traits, layer)
    return torch.cat([prefix[:, :1], patches.mean(1, keepdim=True)], dim=-1)


def _fitting(patches: torch.Tensor, traits: Traits, layer: int) -> torch.Tensor:
    if patches.shape[1:] != (traits.tokens, traits.width):
        raise ValueError(
            f"Layer {layer} of the encoder gives {patches.shape[1]} tokens of width {patches.shape[2]}, the model was "
            f"built for {traits.tokens} of width {traits.width}. Read layer -1: in networks with stages (ResNet, Swin) "
            "each one has a grid of its own."
        )
    return patches


def recompute(tower: PreTrainedModel, enable: bool) -> None:
    """Switch recomputation of activations where transformers alone does not: timm and our own towers.

    Raises:
        ValueError: If the network cannot.
    """
    if isinstance(tower, Tower):
        tower.recompute(enable)
    if isinstance(tower, TimmWrapperModel):
        if enable and not tower.supports_gradient_checkpointing:
            raise ValueError(
                f"timm model {tower.config.architecture!r} cannot recompute its activations; train it without "
                "gradient checkpointing or choose another."
            )
        tower.timm_model.set_grad_checkpointing(enable)


def _inputs(tower: PreTrainedModel, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
    """Images as the tower's forward takes them; a flexible SigLIP 2 wants patches, a mask and the grid."""
    if tower.config.model_type != "siglip2_vision_model":
        return {"pixel_values": pixels}
    side, grid = tower.config.patch_size, read_traits(tower.config).grid
    patches = rearrange(pixels, "b c (h p) (w q) -> b (h w) (p q c)", p=side, q=side)
    return {
        "pixel_values": patches,
        "pixel_attention_mask": torch.ones(patches.shape[:2], dtype=torch.long, device=pixels.device),
        "spatial_shapes": torch.tensor([grid], device=pixels.device).expand(len(pixels), 2),
    }


def _timm_tokens(
    tower: TimmWrapperModel, pixels: torch.Tensor, traits: Traits, layer: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Prefix tokens and patches; a map of features (B, C, H, W) is read row by row."""
    model = tower.timm_model
    options: dict[str, Any] = {"indices": [layer], "intermediates_only": True}
    if timm_prefix(model) is None:
        maps = model.forward_intermediates(pixels, norm=layer == -1, output_fmt="NCHW", **options)[-1]
        return pixels[:0], rearrange(maps, "b c h w -> b (h w) c")
    if layer == -1:
        tokens: torch.Tensor = tower(pixels).last_hidden_state
        return tokens[:, : traits.prefix], tokens[:, traits.prefix :]
    if traits.prefix == 0:
        return pixels[:0], model.forward_intermediates(pixels, output_fmt="NLC", **options)[-1]
    patches, prefix = model.forward_intermediates(pixels, output_fmt="NLC", return_prefix_tokens=True, **options)[-1]
    return prefix, patches
