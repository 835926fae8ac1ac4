"""What the composed model is made of, from its configuration: projectors, compressor, a 3D reader, start values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import AutoModel, Cache, PreTrainedModel
from transformers import initialization as init
from transformers.utils.generic import ModelOutput

from .configuration import MedVLMConfig
from .encoders import recompute
from .projectors import Perceiver, build_compressor, build_projector


@dataclass
class ImageFeatures(ModelOutput):
    """Decoder tokens of images or volumes.

    Attributes:
        last_hidden_state: All of them, stacked.
        pooler_output: One (tokens, width) an image or volume.
    """

    last_hidden_state: torch.Tensor | None = None
    pooler_output: list[torch.Tensor] | None = None


@dataclass
class MedVLMModelOutput(ModelOutput):
    """What the decoder gives without its head.

    Attributes:
        last_hidden_state: (B, L, D).
        past_key_values: The cache.
        hidden_states: One a layer, where asked for.
        attentions: One a layer, where asked for.
    """

    last_hidden_state: torch.FloatTensor | None = None
    past_key_values: Cache | None = None
    hidden_states: tuple[torch.FloatTensor, ...] | None = None
    attentions: tuple[torch.FloatTensor, ...] | None = None


class MedVLMPreTrainedModel(PreTrainedModel):
    """What both classes share: capabilities and the start values of parameters that are ours."""

    config: MedVLMConfig
    config_class = MedVLMConfig
    base_model_prefix = "model"
    input_modalities = ["image", "video", "text"]  # noqa: RUF012
    supports_gradient_checkpointing = True
    _skip_keys_device_placement = ["past_key_values"]  # noqa: RUF012
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, Perceiver):
            init.normal_(module.latents, mean=0.0, std=0.02)

    def _set_gradient_checkpointing(self, enable: bool = True, *args: Any, **kwargs: Any) -> None:
        super()._set_gradient_checkpointing(enable, *args, **kwargs)
        recompute(self.get_encoder("image"), enable)


def new_projector(config: MedVLMConfig) -> nn.Module:
    """The projector that ``config`` describes."""
    if not config.reads_planes:
        return new_volume_projector(config)
    traits = config.vision_traits
    return build_projector(
        **config.projector, width_in=traits.width, width_out=config.text_config.hidden_size, grid=traits.grid
    )


def new_volume_projector(config: MedVLMConfig) -> nn.Module:
    """The projector of the 3D encoder that ``config`` describes.

    Raises:
        ValueError: If it describes none.
    """
    traits = config.volume_traits
    if traits is None:
        raise ValueError("The configuration has no 3D encoder.")
    grid = traits.grid if config.pools_depth else traits.grid[1:]
    return build_projector(
        **config.projector, width_in=traits.width, width_out=config.text_config.hidden_size, grid=grid
    )


def new_compressor(config: MedVLMConfig) -> nn.Module:
    """The volume compressor that ``config`` describes."""
    return build_compressor(**config.compressor, width=config.text_config.hidden_size, grid=config.compressed_grid)


class VolumeReader(nn.Module):
    """A 3D encoder and its projector, beside those of images.

    Args:
        config: Of a model with a ``volume_config``.
    """

    vision_tower: PreTrainedModel
    multi_modal_projector: nn.Module

    def __init__(self, config: MedVLMConfig) -> None:
        super().__init__()
        self.vision_tower = AutoModel.from_config(config.volume_config)
        self.multi_modal_projector = new_volume_projector(config)
