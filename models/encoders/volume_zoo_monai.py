"""The registered 3D encoders of MONAI: ViT, the encoder of SwinUNETR, ResNet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from .volume import Size
from .volume_registry import UNIT, VolumeSpec, fresh_spec, register_volume_encoder


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
    return fresh_spec("monai_vit", size, patch, width, channels, options, **UNIT)


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
    return fresh_spec("monai_swin", size, (step, step, step), width, channels, options, **UNIT)


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
    return fresh_spec("monai_resnet", size, (step, step, step), width, channels, options, **UNIT)


@register_volume_encoder
def monai_resnet_tiny(*, size: Size = (16, 32, 32), planes: Sequence[int] = (8, 16, 16, 32)) -> VolumeSpec:
    """A small ``monai_resnet`` of 10 layers and three channels.

    Args:
        size: Slices, rows and columns.
        planes: Channels of the four stages.
    """
    return monai_resnet(size=size, block="basic", layers=(1, 1, 1, 1), planes=planes, step=16, channels=3)
