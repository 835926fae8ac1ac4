"""The networks of 3D encoders by kind: each maps (B, C, S, H, W) to (B, d h w, width)."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from torch import nn

NETWORKS = {
    "vit3d": ".volume_vit:ViT3D",
    "ctvit": ".volume_vit:FactorisedViT",
    "monai_vit": ".volume_monai:MonaiViT",
    "monai_swin": ".volume_monai:MonaiSwin",
    "monai_resnet": ".volume_monai:MonaiResNet",
    "inflated": ".volume_inflated:Inflated",
}
"""Where each kind's class is; it is imported when it is built, for MONAI takes seconds."""


def build_network(kind: str, **numbers: Any) -> nn.Module:
    """The network of this kind.

    Args:
        kind: A key of ``NETWORKS``.
        numbers: ``size``, ``patch``, ``channels``, ``width`` and what else the kind takes.

    Raises:
        ValueError: If there is no such kind.
    """
    if kind not in NETWORKS:
        raise ValueError(f"kind={kind!r} is no 3D network; known: {', '.join(NETWORKS)}.")
    module, _, name = NETWORKS[kind].partition(":")
    network: nn.Module = vars(import_module(module, __package__))[name](**numbers)
    return network
