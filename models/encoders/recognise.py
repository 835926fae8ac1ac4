"""Which 2D encoder a name, a folder or a Hub name means."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medvlm.study import WeightsError

from .known import KNOWN
from .open_clip_files import has_open_clip
from .pretrained import saved_config
from .registry import EncoderSpec, encoder_spec, find_encoder, list_encoders

FAMILIES = {
    "siglip": "siglip",
    "siglip_vision_model": "siglip",
    "siglip2": "siglip2",
    "siglip2_vision_model": "siglip2",
    "clip": "clip",
    "clip_vision_model": "clip",
    "dinov2": "dinov2",
    "dinov2_with_registers": "dinov2",
    "timm_wrapper": "timm_model",
}


def recognise(source: str) -> str:
    """The registered encoder that loads ``source``: by its name where it is known, else by its configuration.

    Raises:
        WeightsError: If there is no such folder, its configuration cannot be read or is of no known family.
    """
    _check_name(source)
    if source in KNOWN:
        return KNOWN[source].family
    if has_open_clip(source):
        return "open_clip_vision"
    config = saved_config(source)
    if config.model_type not in FAMILIES:
        raise WeightsError(
            f"{source} holds a {config.model_type!r}, expected {', '.join(FAMILIES)}. Another encoder: write a "
            "builder and name it 'package.module:function'."
        )
    return FAMILIES[config.model_type]


def plane_spec(encoder: str | Mapping[str, Any]) -> EncoderSpec:
    """The 2D encoder that a registered name, a folder or Hub name, or ``{"name": ..., **options}`` means.

    Raises:
        WeightsError: If a folder or Hub name holds no known encoder.
        ValueError: If there is no such name.
    """
    if isinstance(encoder, Mapping):
        return encoder_spec(**encoder)
    if encoder in list_encoders() or ":" in encoder:
        return encoder_spec(encoder)
    return encoder_spec(recognise(encoder), weights=encoder)


def _check_name(source: str) -> None:
    """A folder that is there, or what can be a name of the Hub."""
    if Path(source).expanduser().is_dir():
        return
    if "/" not in source:
        find_encoder(source)
    if source.count("/") != 1 or source.startswith((".", "/", "~")):
        raise WeightsError(f"There is no folder {source}. Give an encoder's folder, or a Hub name like org/name.")
