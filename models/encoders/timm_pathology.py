"""Pathology encoders that are networks of timm: their published numbers, entered into timm's registry.

timm's own entries lack them, and an MLP class is no JSON, so a configuration can only name an architecture that is
registered whole. Numbers: the model cards of UNI and UNI2-h (Chen et al. 2024), Virchow (Vorontsov et al. 2024) and
Virchow2 (Zimmermann et al. 2024).
"""

from __future__ import annotations

from typing import Any

import timm
import torch
from timm.layers.mlp import SwiGLUPacked
from timm.models import register_model

from .registry import EncoderSpec, register_encoder
from .timm_models import registered_entry

SWIGLU: dict[str, Any] = {"mlp_layer": SwiGLUPacked, "act_layer": torch.nn.SiLU, "init_values": 1e-5}
UNI: dict[str, Any] = {"init_values": 1e-5, "dynamic_img_size": True}
UNI2_H: dict[str, Any] = {
    **SWIGLU,
    "depth": 24,
    "num_heads": 24,
    "embed_dim": 1536,
    "mlp_ratio": 2.66667 * 2,
    "no_embed_class": True,
    "reg_tokens": 8,
    "dynamic_img_size": True,
}
VIRCHOW: dict[str, Any] = {**SWIGLU, "img_size": 224, "mlp_ratio": 5.3375, "dynamic_img_size": True}
TINY: dict[str, Any] = {**SWIGLU, "img_size": 64, "patch_size": 8, "embed_dim": 96, "depth": 3, "num_heads": 3}


@register_model
def medvlm_uni(pretrained: bool = False, **options: Any) -> torch.nn.Module:
    """ViT-L/16 with layer scale."""
    return _network("vit_large_patch16_224", UNI, options)


@register_model
def medvlm_uni2_h(pretrained: bool = False, **options: Any) -> torch.nn.Module:
    """ViT-H/14 with SwiGLU and 8 registers."""
    return _network("vit_giant_patch14_224", UNI2_H, options)


@register_model
def medvlm_virchow(pretrained: bool = False, **options: Any) -> torch.nn.Module:
    """ViT-H/14 with SwiGLU."""
    return _network("vit_huge_patch14_224", VIRCHOW, options)


@register_model
def medvlm_virchow2(pretrained: bool = False, **options: Any) -> torch.nn.Module:
    """ViT-H/14 with SwiGLU and 4 registers."""
    return _network("vit_huge_patch14_224", {**VIRCHOW, "reg_tokens": 4}, options)


@register_model
def medvlm_virchow2_tiny(pretrained: bool = False, **options: Any) -> torch.nn.Module:
    """The parts of Virchow2 at the smallest size."""
    return _network("vit_tiny_patch16_224", {**TINY, "reg_tokens": 4}, options)


@register_encoder
def uni(*, weights: str | None = None, image_size: int | None = None, class_mean: bool = False) -> EncoderSpec:
    """UNI: 196 tokens of 1024 channels for a tile of 224 pixels.

    Args:
        weights: Folder or Hub name (``MahmoodLab/UNI``); fresh if None.
        image_size: Pixels a side; 224 if None.
        class_mean: One token a tile: class token and mean of the patches, one after the other.
    """
    return registered_entry("medvlm_uni", weights, image_size, class_mean)


@register_encoder
def uni2_h(*, weights: str | None = None, image_size: int | None = None, class_mean: bool = False) -> EncoderSpec:
    """UNI2-h: 256 tokens of 1536 channels for a tile of 224 pixels.

    Args:
        weights: Folder or Hub name (``MahmoodLab/UNI2-h``); fresh if None.
        image_size: Pixels a side; 224 if None.
        class_mean: One token a tile.
    """
    return registered_entry("medvlm_uni2_h", weights, image_size, class_mean)


@register_encoder
def virchow(*, weights: str | None = None, image_size: int | None = None, class_mean: bool = False) -> EncoderSpec:
    """Virchow: 256 tokens of 1280 channels for a tile of 224 pixels.

    Args:
        weights: Folder or Hub name (``paige-ai/Virchow``); fresh if None.
        image_size: Pixels a side; 224 if None.
        class_mean: One token of 2560 channels a tile, the embedding that its authors use.
    """
    return registered_entry("medvlm_virchow", weights, image_size, class_mean)


@register_encoder
def virchow2(*, weights: str | None = None, image_size: int | None = None, class_mean: bool = False) -> EncoderSpec:
    """Virchow2: 256 tokens of 1280 channels for a tile of 224 pixels; four registers are dropped.

    Args:
        weights: Folder or Hub name (``paige-ai/Virchow2``); fresh if None.
        image_size: Pixels a side; 224 if None.
        class_mean: One token of 2560 channels a tile, the embedding that its authors use.
    """
    return registered_entry("medvlm_virchow2", weights, image_size, class_mean)


@register_encoder
def virchow2_tiny(*, image_size: int = 64, class_mean: bool = False) -> EncoderSpec:
    """A small fresh Virchow2: layer scale, SwiGLU and registers.

    Args:
        image_size: Pixels a side.
        class_mean: One token a tile.
    """
    return registered_entry("medvlm_virchow2_tiny", None, image_size, class_mean)


def _network(architecture: str, numbers: dict[str, Any], options: dict[str, Any]) -> torch.nn.Module:
    loading = ("pretrained_cfg", "pretrained_cfg_overlay", "cache_dir")
    given = {name: value for name, value in options.items() if name not in loading}
    network: torch.nn.Module = timm.create_model(architecture, pretrained=False, **{**numbers, **given})
    return network
