"""Image towers of open_clip (BiomedCLIP, QuiltNet, PLIP and CONCH types) as encoders of patch tokens."""

from __future__ import annotations

import json
from functools import lru_cache, partial
from importlib import import_module
from typing import Any

import torch
from einops import rearrange
from huggingface_hub.dataclasses import strict
from safetensors.torch import load_file
from timm.data import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD
from torch import nn
from transformers import AutoConfig, AutoModel, PreTrainedModel

from medvlm.study import WeightsError

from .features import Tower
from .open_clip_files import open_clip_weights, read_open_clip
from .pretrained import three
from .registry import EncoderSpec, register_encoder
from .traits import TowerConfig, Traits, pair, timm_size

MEAN, STD = three(OPENAI_CLIP_MEAN), three(OPENAI_CLIP_STD)
# open_clip makes both towers at once; the text side is made as small as can be and thrown away
NO_TEXT = {"context_length": 4, "vocab_size": 8, "width": 8, "heads": 1, "layers": 1}


@strict
class OpenClipVisionConfig(TowerConfig):
    """An image tower of open_clip.

    Attributes:
        embed_dim: Width of the space that images and texts share.
        vision_cfg: The tower in open_clip's own words.
        quick_gelu: Whether it has OpenAI's approximation of GELU.
    """

    model_type = "medvlm_open_clip_vision"

    embed_dim: int = 512
    vision_cfg: dict[str, Any] | None = None
    quick_gelu: bool = False

    def traits(self) -> Traits:
        """Width and grid, read off a tower without storage; the class token is dropped."""
        return _measured(self._key())[0]

    def pixels(self) -> tuple[int, int]:
        """Height and width that it takes."""
        return _measured(self._key())[1]

    def visual(self) -> nn.Module:
        """The tower itself, with start values."""
        made: nn.Module = _visual(self._key())
        return made

    def _key(self) -> str:
        return json.dumps([self.embed_dim, self.vision_cfg, self.quick_gelu], sort_keys=True)


class OpenClipVision(Tower):
    """An image tower of open_clip; its weights keep open_clip's names."""

    config_class = OpenClipVisionConfig

    def __init__(self, config: OpenClipVisionConfig) -> None:
        super().__init__(config)
        self.visual: Any = config.visual()
        self.post_init()

    def tokens(self, pixels: torch.Tensor, layer: int = -1) -> torch.Tensor:
        """Patch tokens (B, N, C) of normalised images (B, 3, H, W); the last layer's after the tower's norm."""
        maps = _maps(self.visual, pixels, layer)
        flat: torch.Tensor = rearrange(maps, "b c h w -> b (h w) c")
        return flat

    def recompute(self, enable: bool) -> None:
        """Recompute activations in the backward pass, or stop to."""
        self.visual.set_grad_checkpointing(enable)


@register_encoder
def open_clip_vision(*, model: str = "ViT-B-16", weights: str | None = None) -> EncoderSpec:
    """The image tower of an open_clip model; the name ``open_clip:MODEL`` says the same.

    Args:
        model: Architecture name (``open_clip.list_models()``); that of the checkpoint if there is one.
        weights: Folder or Hub name with ``open_clip_config.json`` and ``open_clip_model.safetensors``.

    Raises:
        WeightsError: If open_clip knows no such architecture, or the checkpoint is of another kind.
    """
    if weights is not None:
        said = read_open_clip(weights)
        config, seen = _config(said["model_cfg"]), said["preprocess_cfg"]
        mean, std = three(seen.get("mean", MEAN)), three(seen.get("std", STD))
        return EncoderSpec(config, weights, mean, std, make=partial(_load, weights, config))
    known = import_module("open_clip").get_model_config(model)
    if known is None:
        raise WeightsError(f"open_clip has no architecture {model!r}; see open_clip.list_models().")
    return EncoderSpec(_config(known), None, MEAN, STD)


@register_encoder
def open_clip_tiny(
    *, image_size: int = 64, patch_size: int = 8, width: int = 128, layers: int = 4, heads: int = 4
) -> EncoderSpec:
    """A small fresh image tower of open_clip.

    Args:
        image_size: Pixels a side.
        patch_size: Pixels a side of a patch.
        width: Channels of a token.
        layers: Transformer blocks.
        heads: Attention heads.
    """
    numbers = {"image_size": image_size, "patch_size": patch_size, "width": width, "layers": layers}
    return EncoderSpec(
        _config({"embed_dim": 64, "vision_cfg": {**numbers, "head_width": width // heads}}), None, MEAN, STD
    )


def _config(model: dict[str, Any]) -> OpenClipVisionConfig:
    """The image side alone; no patch is dropped while training, for a decoder counts on all of them."""
    vision = {**model["vision_cfg"], "timm_model_pretrained": False, "patch_dropout": 0.0}
    return OpenClipVisionConfig(
        embed_dim=model["embed_dim"], vision_cfg=vision, quick_gelu=bool(model.get("quick_gelu", False))
    )


def _load(source: str, config: OpenClipVisionConfig, seed: int, dtype: torch.dtype | None) -> PreTrainedModel:
    state = {name: value for name, value in load_file(open_clip_weights(source)).items() if name.startswith("visual.")}
    with torch.device("meta"):
        tower = OpenClipVision(config)
    missing, unexpected = tower.load_state_dict(state, strict=False, assign=True)
    if missing or unexpected:
        raise WeightsError(
            f"{source} holds weights of another architecture than its configuration: {len(missing)} are missing "
            f"({', '.join(missing[:3])}), {len(unexpected)} have no place ({', '.join(unexpected[:3])})."
        )
    return tower if dtype is None else _cast(tower, dtype)


def _cast(tower: Any, dtype: torch.dtype) -> PreTrainedModel:
    cast: PreTrainedModel = tower.to(dtype)
    return cast


def _visual(key: str) -> Any:
    embed_dim, vision, quick_gelu = json.loads(key)
    return import_module("open_clip").CLIP(embed_dim, vision, NO_TEXT, quick_gelu=quick_gelu).visual


@lru_cache(maxsize=32)
def _measured(key: str) -> tuple[Traits, tuple[int, int]]:
    with torch.device("meta"), torch.no_grad():
        visual = _visual(key).eval()
        trunk = vars(visual)["_modules"].get("trunk")
        size = pair(visual.image_size) if trunk is None else timm_size(trunk)
        maps = _maps(visual, torch.zeros(1, 3, *size), -1)
    return Traits(maps.shape[1], (maps.shape[2], maps.shape[3]), 0), size


def _maps(visual: Any, pixels: torch.Tensor, layer: int) -> torch.Tensor:
    norm = layer == -1 and vars(visual)["_modules"].get("attn_pool") is None  # CoCa's norm is of what it has pooled
    options = {"indices": [layer], "normalize_intermediates": norm, "intermediates_only": True}
    maps: torch.Tensor = visual.forward_intermediates(pixels, output_fmt="NCHW", **options)["image_intermediates"][-1]
    return maps


AutoConfig.register(OpenClipVisionConfig.model_type, OpenClipVisionConfig, exist_ok=True)
AutoModel.register(OpenClipVisionConfig, OpenClipVision, exist_ok=True)
