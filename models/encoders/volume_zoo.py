"""The registered 3D encoders: a name, its numbers and where they come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from .registry import EncoderSpec, encoder_spec, list_encoders
from .siglip import siglip
from .volume import Size, VolumeEncoderConfig
from .volume_inflated import FAMILIES
from .volume_registry import (
    VolumeSpec,
    list_volume_encoders,
    register_volume_encoder,
    saved_spec,
    spec_of,
    volume_encoder_spec,
)

__all__ = ["VolumeSpec", "list_volume_encoders", "register_volume_encoder", "volume_encoder_spec"]

_UNIT: dict[str, Any] = {"image_mean": (0.0, 0.0, 0.0), "image_std": (1.0, 1.0, 1.0)}


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
    return _spec("vit3d", size, patch, width, channels, options, **_UNIT)


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
    return _spec("ctvit", size, patch, width, channels, {"layers": layers, "heads": heads, "head": head})


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
def monai_vit(
    *,
    size: Size = (96, 96, 96),
    patch: Size = (16, 16, 16),
    width: int = 768,
    layers: int = 12,
    heads: int = 12,
    channels: int = 1,
    proj_type: Literal["conv", "perceptron"] = "conv",
) -> VolumeSpec:
    """MONAI's ViT of its own base size, voxels in 0..1.

    Args:
        size: Slices, rows and columns.
        patch: Voxels of one token.
        width: Channels of a token.
        layers: Blocks.
        heads: Attention heads.
        channels: 1, or 3 to read three windows.
        proj_type: How patches are read.
    """
    options = {"layers": layers, "heads": heads, "proj_type": proj_type}
    return _spec("monai_vit", size, patch, width, channels, options, **_UNIT)


@register_volume_encoder
def monai_vit_tiny(*, size: Size = (8, 32, 32), patch: Size = (4, 16, 16), width: int = 32) -> VolumeSpec:
    """A small ``monai_vit`` of three channels.

    Args:
        size: Slices, rows and columns.
        patch: Voxels of one token.
        width: Channels of a token.
    """
    return monai_vit(size=size, patch=patch, width=width, layers=2, heads=2, channels=3)


@register_volume_encoder
def monai_swin(
    *,
    size: Size = (96, 96, 96),
    features: int = 48,
    depths: Sequence[int] = (2, 2, 2),
    heads: Sequence[int] = (3, 6, 12),
    window: int = 7,
    channels: int = 1,
    merging: Literal["merging", "mergingv2"] = "mergingv2",
) -> VolumeSpec:
    """The encoder of MONAI's SwinUNETR up to its third stage: tokens of 16 x 16 x 16 voxels, 8 x ``features`` channels.

    Args:
        size: Slices, rows and columns.
        features: Channels before the first stage.
        depths: Blocks of each stage; a fourth one halves the grid once more.
        heads: Attention heads of each stage.
        window: Side of an attention window.
        channels: 1, or 3 to read three windows.
        merging: How the grid is halved, see ``MonaiSwin``.
    """
    step, width = 2 ** (len(depths) + 1), features * 2 ** len(depths)
    options = {"depths": list(depths), "heads": list(heads), "window": window, "merging": merging}
    return _spec("monai_swin", size, (step, step, step), width, channels, options, **_UNIT)


@register_volume_encoder
def monai_swin_tiny(*, size: Size = (8, 32, 32), features: int = 8) -> VolumeSpec:
    """A small ``monai_swin`` of two stages and three channels.

    Args:
        size: Slices, rows and columns.
        features: Channels before the first stage.
    """
    return monai_swin(size=size, features=features, depths=(2, 2), heads=(1, 2), window=4, channels=3)


@register_volume_encoder
def monai_resnet(
    *,
    size: Size = (128, 256, 256),
    block: Literal["basic", "bottleneck"] = "bottleneck",
    layers: Sequence[int] = (3, 4, 6, 3),
    planes: Sequence[int] = (64, 128, 256, 512),
    step: Literal[16, 32] = 32,
    channels: int = 1,
    norm: Literal["group", "batch"] = "group",
) -> VolumeSpec:
    """MONAI's 3D ResNet, 50 layers by default: tokens of ``step`` voxels a side, 2048 channels.

    Args:
        size: Slices, rows and columns.
        block: ``basic`` or ``bottleneck``.
        layers: Blocks of the four stages.
        planes: Channels of the four stages.
        step: Voxels a side of one token.
        channels: 1, or 3 to read three windows.
        norm: ``group``, or ``batch``, see ``MonaiResNet``.
    """
    width = planes[-1] * (4 if block == "bottleneck" else 1)
    options = {"block": block, "layers": list(layers), "planes": list(planes), "norm": norm}
    return _spec("monai_resnet", size, (step, step, step), width, channels, options, **_UNIT)


@register_volume_encoder
def monai_resnet_tiny(*, size: Size = (16, 32, 32), planes: Sequence[int] = (8, 16, 16, 32)) -> VolumeSpec:
    """A small ``monai_resnet`` of 10 layers and three channels.

    Args:
        size: Slices, rows and columns.
        planes: Channels of the four stages.
    """
    return monai_resnet(size=size, block="basic", layers=(1, 1, 1, 1), planes=planes, step=16, channels=3)


@register_volume_encoder
def inflated(*, plane: str | Mapping[str, Any] = "siglip", slices: int = 32, patch: int = 4) -> VolumeSpec:
    """A 2D encoder inflated to 3D; its weights are kept, see ``Inflated``.

    Args:
        plane: The 2D encoder: a registered name, a SigLIP folder or Hub name, or ``{"name": ..., **options}``.
        slices: Slices of a volume.
        patch: Slices of one token.

    Raises:
        ValueError: If the 2D encoder is of a family that cannot be inflated.
    """
    flat = _plane(plane)
    if flat.config.model_type not in FAMILIES:
        raise ValueError(f"A {flat.config.model_type!r} encoder cannot be inflated; known: {', '.join(FAMILIES)}.")
    (high, wide), traits = flat.image_size, flat.traits
    step = (patch, high // traits.grid[0], wide // traits.grid[1])
    normal = {"image_mean": flat.mean, "image_std": flat.std}
    spec = _spec("inflated", (slices, high, wide), step, traits.width, 3, {"vision": flat.config.to_dict()}, **normal)
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


def _spec(
    kind: str, size: Size, patch: Size, width: int, channels: int, options: Mapping[str, Any], **normal: Any
) -> VolumeSpec:
    return spec_of(
        VolumeEncoderConfig(
            kind=kind,
            volume_size=size,
            volume_patch=patch,
            hidden_size=width,
            channels=channels,
            options=dict(options),
            **normal,
        )
    )


def _plane(plane: str | Mapping[str, Any]) -> EncoderSpec:
    if isinstance(plane, Mapping):
        return encoder_spec(**plane)
    return encoder_spec(plane) if plane in list_encoders() or ":" in plane else siglip(weights=plane)
