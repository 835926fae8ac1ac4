"""What a model would be, from configurations alone: parameters, tokens, what would be downloaded. No weight is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForImageTextToText, PreTrainedConfig

from .build import compose_config, find_spec, find_volume_spec
from .configuration import MedVLMConfig
from .load import read_config
from .parts import count_parameters
from .tokens import max_positions


@dataclass(frozen=True, slots=True)
class Blueprint:
    """The figures of a model that was not built.

    Attributes:
        parameters: Parameters of each part (vision, projector, decoder).
        image_tokens: Decoder tokens of one image; None where the model decides by the image's size.
        volume_tokens: Decoder tokens of one volume; None where the model has no such notion.
        max_positions: Longest sequence of the decoder; None if unbounded.
        downloads: Hub names whose weights would be fetched.
    """

    parameters: dict[str, int]
    image_tokens: int | None
    volume_tokens: int | None
    max_positions: int | None
    downloads: tuple[str, ...]

    @property
    def total(self) -> int:
        """All parameters."""
        return sum(self.parameters.values())


def plan_vlm(
    *,
    encoder: str | Mapping[str, Any] = "siglip_tiny",
    decoder: str | Mapping[str, Any],
    projector: Mapping[str, Any] | None = None,
    compressor: Mapping[str, Any] | None = None,
    volume_encoder: str | Mapping[str, Any] | None = None,
) -> Blueprint:
    """The blueprint of what ``build_vlm`` would compose.

    Args:
        encoder: As for ``build_vlm``.
        decoder: As for ``build_vlm``.
        projector: As for ``build_vlm``.
        compressor: As for ``build_vlm``.
        volume_encoder: As for ``build_vlm``.
    """
    spec = find_spec(encoder)
    volume = find_volume_spec(volume_encoder)
    config = compose_config(spec, decoder, projector, compressor, volume=volume)
    encoders = [*spec.sources, *([] if volume is None else volume.sources)]
    sources = [*encoders, decoder if isinstance(decoder, str) else None]
    return _measure(config, [source for source in sources if source is not None])


def plan_source(source: str | Path) -> Blueprint:
    """The blueprint of what ``load_vlm`` would load: any image-text-to-text model, from its configuration."""
    return _measure(read_config(str(source)), [str(source)])


def _measure(config: PreTrainedConfig, sources: list[str]) -> Blueprint:
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(config)
    return Blueprint(
        parameters=count_parameters(model),
        image_tokens=_image_tokens(config),
        volume_tokens=config.volume_tokens if isinstance(config, MedVLMConfig) else None,
        max_positions=max_positions(config),
        downloads=tuple(source for source in sources if not Path(source).exists()),
    )


def _image_tokens(config: PreTrainedConfig) -> int | None:
    for name in ("image_tokens", "mm_tokens_per_image", "image_seq_length"):
        count: int | None = getattr(config, name, None)
        if count is not None:
            return count
    return None
