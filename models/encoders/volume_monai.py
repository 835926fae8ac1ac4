"""Networks of MONAI as 3D encoders: ViT, the encoder of SwinUNETR, and residual networks.

Only their parts are taken, so that nothing is built that is not used, and so that each block can be recomputed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from einops import rearrange
from torch import nn
from transformers.modeling_layers import GradientCheckpointingLayer

Size = tuple[int, int, int]


class Recomputed(GradientCheckpointingLayer):
    """A block whose activations may be recomputed in the backward pass.

    Args:
        block: The block.
    """

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """What the block gives."""
        found: torch.Tensor = self.block(values)
        return found


class MonaiViT(nn.Module):
    """``monai.networks.nets.ViT``: full attention over all patches.

    Args:
        size: Slices, rows and columns.
        patch: Voxels of one token.
        channels: Channels of a voxel.
        width: Channels of a token.
        layers: Blocks.
        heads: Attention heads.
        hidden: Channels inside a block's MLP; four times the width if None.
        proj_type: ``conv`` or ``perceptron``, how patches are read; ``perceptron`` is what M3D-CLIP chose.
    """

    def __init__(
        self,
        size: Size,
        patch: Size,
        channels: int,
        width: int,
        *,
        layers: int = 12,
        heads: int = 12,
        hidden: int | None = None,
        proj_type: Literal["conv", "perceptron"] = "conv",
    ) -> None:
        from monai.networks.nets.vit import ViT

        super().__init__()
        numbers: dict[str, Any] = {
            "hidden_size": width,
            "mlp_dim": hidden or 4 * width,
            "num_layers": layers,
            "num_heads": heads,
        }
        vit = ViT(channels, size, patch, proj_type=proj_type, **numbers)
        for block in vit.blocks:
            block.norm_cross_attn = nn.Identity()  # it has weights that nothing reads
        self.patches, self.norm = vit.patch_embedding, vit.norm
        self.blocks = nn.ModuleList(Recomputed(block) for block in vit.blocks)

    def forward(self, volumes: torch.Tensor) -> torch.Tensor:
        """Map (B, C, S, H, W) to (B, d h w, width)."""
        tokens = self.patches(volumes)
        for block in self.blocks:
            tokens = block(tokens)
        found: torch.Tensor = self.norm(tokens)
        return found


class MonaiSwin(nn.Module):
    """The encoder of MONAI's SwinUNETR (Hatamizadeh et al., arXiv 2201.01266) up to one of its stages.

    A patch of 2 voxels a side, then each stage attends within shifted windows and halves the grid: stage s has voxels
    of side ``2^(s + 1)`` and ``features * 2^s`` channels.

    Args:
        size: Slices, rows and columns.
        patch: Voxels of one token; that of the last stage.
        channels: Channels of a voxel.
        width: Channels of a token; that of the last stage.
        depths: Blocks of each stage that is built.
        heads: Attention heads of each.
        window: Side of an attention window, in tokens.
        merging: How the grid is halved: ``mergingv2``, or ``merging``, that of the first published weights, which reads
            some of the eight neighbours twice and others never.
    """

    def __init__(
        self,
        size: Size,
        patch: Size,
        channels: int,
        width: int,
        *,
        depths: Sequence[int] = (2, 2, 2, 2),
        heads: Sequence[int] = (3, 6, 12, 24),
        window: int = 7,
        merging: Literal["merging", "mergingv2"] = "mergingv2",
    ) -> None:
        from monai.networks.blocks.patchembedding import PatchEmbed
        from monai.networks.nets.swin_unetr import MERGING_MODE, BasicLayer

        super().__init__()
        features = width // 2 ** len(depths)
        embed: Any = PatchEmbed
        layer: Any = BasicLayer
        self.patches = embed(2, channels, features, norm_layer=None)
        self.stages = nn.ModuleList(
            Recomputed(
                layer(
                    dim=features * 2**stage,
                    depth=depth,
                    num_heads=heads[stage],
                    window_size=(window,) * 3,
                    drop_path=[0.0] * depth,
                    qkv_bias=True,
                    downsample=MERGING_MODE[merging],
                )
            )
            for stage, depth in enumerate(depths)
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, volumes: torch.Tensor) -> torch.Tensor:
        """Map (B, C, S, H, W) to (B, d h w, width)."""
        values = self.patches(volumes)
        for stage in self.stages:
            values = stage(values.contiguous())
        found: torch.Tensor = self.norm(rearrange(values, "b c d h w -> b (d h w) c"))
        return found


class MonaiResNet(nn.Module):
    """A residual network of MONAI without its pooling and head; its last map is the tokens.

    Batch norm becomes group norm unless it is asked for: volumes pass one at a time, so that a batch has one member.

    Args:
        size: Slices, rows and columns.
        patch: Voxels of one token: 16 a side, or 32 with a first stride of 2.
        channels: Channels of a voxel.
        width: Channels of a token; that of the last stage.
        block: ``basic`` or ``bottleneck``.
        layers: Blocks of the four stages.
        planes: Channels of the four stages.
        norm: ``group``, or ``batch`` as in published weights (its activations are then never recomputed, for that
            would count every volume twice in the running means).
    """

    def __init__(
        self,
        size: Size,
        patch: Size,
        channels: int,
        width: int,
        *,
        block: Literal["basic", "bottleneck"] = "bottleneck",
        layers: Sequence[int] = (3, 4, 6, 3),
        planes: Sequence[int] = (64, 128, 256, 512),
        norm: Literal["group", "batch"] = "group",
    ) -> None:
        from monai.networks.nets.resnet import ResNet

        super().__init__()
        net = ResNet(
            block,
            list(layers),
            list(planes),
            n_input_channels=channels,
            conv1_t_stride=patch[0] // 16,
            feed_forward=False,
        )
        if norm == "group":
            use_group_norm(net)
        wrap = Recomputed if norm == "group" else nn.Sequential
        self.stem = nn.Sequential(net.conv1, net.bn1, net.act, net.maxpool)
        self.stages = nn.ModuleList(wrap(stage) for stage in (net.layer1, net.layer2, net.layer3, net.layer4))

    def forward(self, volumes: torch.Tensor) -> torch.Tensor:
        """Map (B, C, S, H, W) to (B, d h w, width)."""
        values = self.stem(volumes)
        for stage in self.stages:
            values = stage(values)
        found: torch.Tensor = rearrange(values, "b c d h w -> b (d h w) c")
        return found


def use_group_norm(module: nn.Module, groups: int = 8) -> None:
    """Replace every 3D batch norm by a group norm, in place."""
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm3d):
            setattr(module, name, nn.GroupNorm(groups, child.num_features))
        else:
            use_group_norm(child, groups)
