"""Vision encoders by name; importing this package registers the ones below."""

from __future__ import annotations

from .features import encode
from .registry import EncoderSpec, create_encoder, encoder_spec, find_encoder, list_encoders, register_encoder
from .siglip import siglip, siglip_tiny
from .timm_vit import timm_vit
from .traits import Traits, image_size, read_traits

__all__ = [
    "EncoderSpec",
    "Traits",
    "create_encoder",
    "encode",
    "encoder_spec",
    "find_encoder",
    "image_size",
    "list_encoders",
    "read_traits",
    "register_encoder",
    "siglip",
    "siglip_tiny",
    "timm_vit",
]
