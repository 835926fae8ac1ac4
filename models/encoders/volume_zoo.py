"""The registered 3D transformers, and 2D encoders made 3D: a name, its numbers and where they come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .recognise import plane_spec
from .volume import Size
from .volume_inflated import FAMILIES
from .volume_registry import UNIT, VolumeSpec, fresh_spec, register_volume_encoder, saved_spec


@register_volume_encoder
def volume_folder(*, weights: str) -> VolumeSpec:
    """A 3D encoder with its weights, as ``save_pretrained`` wrote it.

    Args:
        weights: Folder or Hub name.
    """
    return saved_spec(weights)


@register_volume_encoder
def vit3d(
    *,
    size: Size = (32, 256, 256),
    patch: Size = (4, 16, 16),
    width: int = 768,
    layers: int = 12,
    heads: int = 12,
    channels: int = 1,
) -> VolumeSpec:
    """A 3D vision transformer of M3D-CLIP's numbers: 2048 tokens of 768 channels, voxels in 0..1.

    Args:
        size: Slices, rows and columns.
        patch: Voxels of one token.
        width: Channels of a token.
        layers: Blocks.
        heads: Attention heads.
        channels: 1, or 3 to read three windows.
    """
    options = {"layers": layers, "heads": heads}
    return fresh_spec("vit3d", size, patch, width, channels, options, **UNIT)


@register_volume_encoder
def vit3d_tiny(
    *, size: Size = (8, 32, 32), patch: Size = (2, 8, 8), width: int = 32, layers: int = 2, heads: int = 2
) -> VolumeSpec:
    """A small ``vit3d`` of three channels.

    Args:
        size: Slices, rows and columns.
        patch: Voxels of one token.
        width: Channels of a token.
        layers: Blocks.
        heads: Attention heads.
    """
    return vit3d(size=size, patch=patch, width=width, layers=layers, heads=heads, channels=3)


@register_volume_encoder
def ctvit(
    *,
    size: Size = (240, 480, 480),
    patch: Size = (10, 20, 20),
    width: int = 512,
    layers: int = 4,
    heads: int = 8,
    head: int = 32,
    channels: int = 1,
) -> VolumeSpec:
    """A CT-ViT of CT-CLIP's numbers: 13,824 tokens of 512 channels; with recipe ``ct_wide`` -1000..1000 HU is -1..1.

    CT-CLIP resamples to 1.5 x 0.75 x 0.75 mm and cuts the middle out; recipes fit the whole volume to the size.

    Args:
        size: Slices, rows and columns.
        patch: Voxels of one token.
        width: Channels of a token.
        layers: Blocks in space, and as many along depth.
        heads: Attention heads.
        head: Channels of a head.
        channels: 1, or 3 to read three windows.
    """
    return fresh_spec("ctvit", size, patch, width, channels, {"layers": layers, "heads": heads, "head": head})


@register_volume_encoder
def ctvit_tiny(*, size: Size = (8, 32, 32), patch: Size = (2, 8, 8), width: int = 32, layers: int = 1) -> VolumeSpec:
    """A small ``ctvit`` of three channels.

    Args:
        size: Slices, rows and columns.
        patch: Voxels of one token.
        width: Channels of a token.
        layers: Blocks in space, and as many along depth.
    """
    return ctvit(size=size, patch=patch, width=width, layers=layers, heads=2, head=16, channels=3)


@register_volume_encoder
def inflated(*, plane: str | Mapping[str, Any] = "siglip", slices: int = 32, patch: int = 4) -> VolumeSpec:
    """A 2D encoder inflated to 3D; its weights are kept, see ``Inflated``.

    Args:
        plane: The 2D encoder: a registered name, a folder or Hub name, or ``{"name": ..., **options}``.
        slices: Slices of a volume.
        patch: Slices of one token.

    Raises:
        ValueError: If the 2D encoder is of a family that cannot be inflated.
    """
    flat = plane_spec(plane)
    if flat.config.model_type not in FAMILIES:
        raise ValueError(f"A {flat.config.model_type!r} encoder cannot be inflated; known: {', '.join(FAMILIES)}.")
    (high, wide), traits = flat.image_size, flat.traits
    step = (patch, high // traits.grid[0], wide // traits.grid[1])
    normal = {"image_mean": flat.mean, "image_std": flat.std}
    spec = fresh_spec(
        "inflated", (slices, high, wide), step, traits.width, 3, {"vision": flat.config.to_dict()}, **normal
    )
    return spec if flat.weights is None else replace(spec, weights=flat.weights, plane=flat)


@register_volume_encoder
def inflated_tiny(*, slices: int = 8, patch: int = 2) -> VolumeSpec:
    """A small SigLIP, inflated.

    Args:
        slices: Slices of a volume.
        patch: Slices of one token.
    """
    plane = {"name": "siglip_tiny", "image_size": 32, "patch_size": 8, "width": 32, "layers": 2, "heads": 2}
    return inflated(plane=plane, slices=slices, patch=patch)
