"""What a vision encoder gives, read from its configuration alone: width, patch grid and prefix tokens."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import timm
import torch
from transformers import PreTrainedConfig

PREFIX_TOKENS = {
    "siglip_vision_model": 0,
    "siglip2_vision_model": 0,
    "clip_vision_model": 1,
    "dinov2": 1,
    "dinov2_with_registers": 1,
    "dinov3_vit": 1,
    "ijepa": 0,
    "vit": 1,
}


@dataclass(frozen=True, slots=True)
class Traits:
    """The shape of an encoder's output.

    Attributes:
        width: Channels of one token.
        grid: Patch rows and columns of one image.
        prefix: Tokens before the patches (class token, registers); they are dropped.
    """

    width: int
    grid: tuple[int, int]
    prefix: int

    @property
    def tokens(self) -> int:
        """Patch tokens of one image."""
        return self.grid[0] * self.grid[1]


def pair(value: int | list[int] | tuple[int, ...]) -> tuple[int, int]:
    """A size as (rows, columns).

    Examples:
        >>> pair(64), pair([32, 48])
        ((64, 64), (32, 48))
    """
    return (value, value) if isinstance(value, int) else (value[0], value[1])


class TowerConfig(PreTrainedConfig):
    """Configuration of an encoder of ours, which says itself what comes out."""

    def traits(self) -> Traits:
        """Width, grid and prefix tokens."""
        raise NotImplementedError

    def pixels(self) -> tuple[int, int]:
        """Height and width that it takes."""
        raise NotImplementedError


def read_traits(config: PreTrainedConfig) -> Traits:
    """The traits of the encoder that ``config`` describes; no weight is read or allocated.

    Args:
        config: Configuration of an encoder: SigLIP, CLIP, DINOv2/v3, ViT, timm, one of ours, or one with the fields
            ``hidden_size``, ``image_size``, ``patch_size`` and ``num_prefix_tokens``. ``class_mean: true`` in it asks
            for one token an image, see ``encode``.

    Raises:
        ValueError: If the configuration is of no known encoder and does not state its prefix tokens.
    """
    traits = _patch_traits(config)
    if not getattr(config, "class_mean", False):
        return traits
    if traits.prefix == 0:
        raise ValueError(f"class_mean needs a class token; encoder {config.model_type!r} has none.")
    return Traits(2 * traits.width, (1, 1), traits.prefix)


def image_size(config: PreTrainedConfig) -> tuple[int, int]:
    """Height and width in pixels that the encoder of ``config`` takes; ``input_size`` in it goes before its own."""
    if isinstance(config, TowerConfig):
        return config.pixels()
    chosen = getattr(config, "input_size", None)
    if chosen is not None:
        return pair(chosen)
    if config.model_type == "timm_wrapper":
        return timm_size(_timm_model(config.architecture, json.dumps(config.model_args or {}, sort_keys=True)))
    if config.model_type == "siglip2_vision_model":
        return pair(math.isqrt(config.num_patches) * config.patch_size)
    return pair(config.image_size)


def timm_size(model: Any) -> tuple[int, int]:
    """Height and width that a network of timm was made for."""
    patches = getattr(model, "patch_embed", None)
    made = getattr(patches, "img_size", None) or model.pretrained_cfg["input_size"][1:]
    return pair(made)


def timm_prefix(model: Any) -> int | None:
    """Prefix tokens of a network of timm; None for one that makes maps instead of tokens (ResNet, Swin)."""
    prefix: int | None = getattr(model, "num_prefix_tokens", None)
    return prefix


def _patch_traits(config: Any) -> Traits:
    if isinstance(config, TowerConfig):
        return config.traits()
    if config.model_type == "timm_wrapper":
        return _timm_traits(
            config.architecture, json.dumps(config.model_args or {}, sort_keys=True), image_size(config)
        )
    prefix = getattr(config, "num_prefix_tokens", PREFIX_TOKENS.get(config.model_type))
    if prefix is None:
        raise ValueError(
            f"Encoder configuration {config.model_type!r} does not say how many tokens precede its patches; known are "
            f"{', '.join(sorted(PREFIX_TOKENS))}, timm_wrapper. Give your configuration a num_prefix_tokens field."
        )
    registers = getattr(config, "num_register_tokens", 0) or 0
    (height, width), (rows, columns) = image_size(config), pair(config.patch_size)
    return Traits(config.hidden_size, (height // rows, width // columns), prefix + registers)


@lru_cache(maxsize=32)
def _timm_model(architecture: str, model_args: str) -> Any:
    with torch.device("meta"):
        model = timm.create_model(architecture, pretrained=False, num_classes=0, **json.loads(model_args))
    if not callable(getattr(model, "forward_intermediates", None)):
        raise ValueError(
            f"timm model {architecture!r} gives no feature maps (forward_intermediates); choose another of "
            "timm.list_models(), such as a ViT, Swin, ResNet or ConvNeXt."
        )
    return model.eval()


@lru_cache(maxsize=32)
def _timm_traits(architecture: str, model_args: str, size: tuple[int, int]) -> Traits:
    """Read off the last map of a network without storage: every family of timm counts its patches in its own way."""
    model = _timm_model(architecture, model_args)
    with torch.no_grad():
        pixels = torch.zeros(1, 3, *size, device="meta")
        maps = model.forward_intermediates(pixels, indices=[-1], intermediates_only=True, output_fmt="NCHW")[-1]
    return Traits(maps.shape[1], (maps.shape[2], maps.shape[3]), timm_prefix(model) or 0)
