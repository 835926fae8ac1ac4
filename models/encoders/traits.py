"""What a vision encoder gives, read from its configuration alone: width, patch grid and prefix tokens."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import timm
import torch
from transformers import PreTrainedConfig

PREFIX_TOKENS = {
    "siglip_vision_model": 0,
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


def read_traits(config: PreTrainedConfig) -> Traits:
    """The traits of the encoder that ``config`` describes; no weight is read or allocated.

    Args:
        config: Configuration of a vision transformer: SigLIP, CLIP, DINOv2/v3, ViT, timm, or one with the fields
            ``hidden_size``, ``image_size``, ``patch_size`` and ``num_prefix_tokens``.

    Raises:
        ValueError: If the configuration is of no known encoder and does not state its prefix tokens.
    """
    if config.model_type == "timm_wrapper":
        return _timm_traits(config.architecture, json.dumps(config.model_args or {}, sort_keys=True))
    prefix = getattr(config, "num_prefix_tokens", PREFIX_TOKENS.get(config.model_type))
    if prefix is None:
        raise ValueError(
            f"Encoder configuration {config.model_type!r} does not say how many tokens precede its patches; known are "
            f"{', '.join(sorted(PREFIX_TOKENS))}, timm_wrapper. Give your configuration a num_prefix_tokens field."
        )
    registers = getattr(config, "num_register_tokens", 0) or 0
    (height, width), (rows, columns) = pair(config.image_size), pair(config.patch_size)
    return Traits(config.hidden_size, (height // rows, width // columns), prefix + registers)


def image_size(config: PreTrainedConfig) -> tuple[int, int]:
    """Height and width in pixels that the encoder of ``config`` takes."""
    if config.model_type != "timm_wrapper":
        return pair(config.image_size)
    model = _timm_model(config.architecture, json.dumps(config.model_args or {}, sort_keys=True))
    return pair(model.patch_embed.img_size)


@lru_cache(maxsize=32)
def _timm_model(architecture: str, model_args: str) -> Any:
    with torch.device("meta"):
        model = timm.create_model(architecture, pretrained=False, num_classes=0, **json.loads(model_args))
    if not isinstance(getattr(model, "patch_embed", None), torch.nn.Module) or getattr(model, "blocks", None) is None:
        raise ValueError(
            f"timm model {architecture!r} is no vision transformer; choose one of timm.list_models('*vit*')."
        )
    return model


def _timm_traits(architecture: str, model_args: str) -> Traits:
    model = _timm_model(architecture, model_args)
    return Traits(model.num_features, tuple(model.patch_embed.grid_size), model.num_prefix_tokens)
