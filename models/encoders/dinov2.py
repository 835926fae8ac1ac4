"""DINOv2 vision transformers, with registers or without: pretrained (RAD-DINO, DINOv2) or from numbers."""

from __future__ import annotations

from typing import Any

from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from transformers import Dinov2Config, Dinov2WithRegistersConfig

from .pretrained import saved_normalisation, saved_tower, three
from .registry import EncoderSpec, register_encoder

MEAN, STD = three(IMAGENET_DEFAULT_MEAN), three(IMAGENET_DEFAULT_STD)


@register_encoder
def dinov2(
    *,
    weights: str | None = None,
    image_size: int | None = None,
    patch_size: int = 14,
    width: int = 768,
    layers: int = 12,
    heads: int = 12,
    registers: int = 0,
) -> EncoderSpec:
    """A DINOv2 checkpoint, or a fresh one of the given size (default: ViT-B/14 at 518 pixels, as RAD-DINO).

    The class token and the registers (Darcet et al. 2024) are dropped.

    Args:
        weights: Folder or Hub name; its own numbers then hold, and its positions are interpolated to ``image_size``.
        image_size: Pixels a side; 518, or the checkpoint's own, if None.
        patch_size: Pixels a side of a patch.
        width: Channels of a token.
        layers: Transformer blocks.
        heads: Attention heads.
        registers: Register tokens.

    Raises:
        WeightsError: If ``weights`` is no DINOv2.
    """
    if weights is not None:
        config = saved_tower(weights, "dinov2", "dinov2_with_registers")
        config.input_size = image_size
        return EncoderSpec(config, weights, *saved_normalisation(weights, MEAN, STD))
    numbers: dict[str, Any] = {
        "image_size": image_size or 518,
        "patch_size": patch_size,
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
    }
    if registers:
        return EncoderSpec(Dinov2WithRegistersConfig(**numbers, num_register_tokens=registers), None, MEAN, STD)
    return EncoderSpec(Dinov2Config(**numbers), None, MEAN, STD)


@register_encoder
def dinov2_tiny(
    *,
    image_size: int = 64,
    patch_size: int = 8,
    width: int = 128,
    layers: int = 4,
    heads: int = 4,
    registers: int = 0,
) -> EncoderSpec:
    """A small fresh DINOv2.

    Args:
        image_size: Pixels a side.
        patch_size: Pixels a side of a patch.
        width: Channels of a token.
        layers: Transformer blocks.
        heads: Attention heads.
        registers: Register tokens.
    """
    return dinov2(
        image_size=image_size, patch_size=patch_size, width=width, layers=layers, heads=heads, registers=registers
    )
