"""3D encoders by name; importing this module registers the ones of the zoo."""

from __future__ import annotations

from .volume_registry import VolumeSpec, list_volume_encoders, register_volume_encoder, volume_encoder_spec
from .volume_zoo import ctvit, ctvit_tiny, inflated, inflated_tiny, vit3d, vit3d_tiny, volume_folder
from .volume_zoo_monai import (
    monai_resnet,
    monai_resnet_tiny,
    monai_swin,
    monai_swin_tiny,
    monai_vit,
    monai_vit_tiny,
)

__all__ = [
    "VolumeSpec",
    "ctvit",
    "ctvit_tiny",
    "inflated",
    "inflated_tiny",
    "list_volume_encoders",
    "monai_resnet",
    "monai_resnet_tiny",
    "monai_swin",
    "monai_swin_tiny",
    "monai_vit",
    "monai_vit_tiny",
    "register_volume_encoder",
    "vit3d",
    "vit3d_tiny",
    "volume_encoder_spec",
    "volume_folder",
]
