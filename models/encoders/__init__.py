"""Vision encoders by name; importing this package registers the ones below."""

from __future__ import annotations

from .clip import clip, clip_tiny
from .dinov2 import dinov2, dinov2_tiny
from .features import Tower, encode, recompute
from .fused import fused, fused_tiny
from .known import KNOWN, Known
from .open_clip_pair import OpenClipPair, encode_images, encode_text, load_open_clip
from .open_clip_vision import open_clip_tiny, open_clip_vision
from .recognise import plane_spec, recognise
from .registry import EncoderSpec, create_encoder, encoder_spec, find_encoder, list_encoders, register_encoder
from .siglip import siglip, siglip_tiny
from .siglip2 import siglip2, siglip2_tiny
from .timm_models import resnet_tiny, swin_tiny, timm_model, timm_vit_tiny
from .timm_pathology import uni, uni2_h, virchow, virchow2, virchow2_tiny
from .traits import TowerConfig, Traits, image_size, read_traits

__all__ = [
    "KNOWN",
    "EncoderSpec",
    "Known",
    "OpenClipPair",
    "Tower",
    "TowerConfig",
    "Traits",
    "clip",
    "clip_tiny",
    "create_encoder",
    "dinov2",
    "dinov2_tiny",
    "encode",
    "encode_images",
    "encode_text",
    "encoder_spec",
    "find_encoder",
    "fused",
    "fused_tiny",
    "image_size",
    "list_encoders",
    "load_open_clip",
    "open_clip_tiny",
    "open_clip_vision",
    "plane_spec",
    "read_traits",
    "recognise",
    "recompute",
    "register_encoder",
    "resnet_tiny",
    "siglip",
    "siglip2",
    "siglip2_tiny",
    "siglip_tiny",
    "swin_tiny",
    "timm_model",
    "timm_vit_tiny",
    "uni",
    "uni2_h",
    "virchow",
    "virchow2",
    "virchow2_tiny",
]
