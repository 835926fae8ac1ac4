"""SigLIP vision transformers: pretrained (SigLIP, MedSigLIP, SigLIP 2 of fixed resolution) or from numbers."""

from __future__ import annotations

from transformers import SiglipVisionConfig

from .pretrained import saved_normalisation, saved_tower
from .registry import EncoderSpec, register_encoder

HALF = (0.5, 0.5, 0.5)


@register_encoder
def siglip(
    *,
    weights: str | None = None,
    image_size: int = 448,
    patch_size: int = 14,
    width: int = 1152,
    layers: int = 27,
    heads: int = 16,
    hidden: int = 4304,
) -> EncoderSpec:
    """The vision tower of a SigLIP checkpoint, or a fresh one of the given size (default: that of MedSigLIP).

    Args:
        weights: Folder or Hub name, of a vision tower or of a full SigLIP; its own numbers then hold.
        image_size: Pixels a side.
        patch_size: Pixels a side of a patch.
        width: Channels of a token.
        layers: Transformer blocks.
        heads: Attention heads.
        hidden: Channels inside a block's MLP.

    Raises:
        WeightsError: If ``weights`` is no SigLIP.
    """
    if weights is not None:
        config = saved_tower(weights, "siglip_vision_model", whole="siglip")
        config.vision_use_head = False
        return EncoderSpec(config, weights, *saved_normalisation(weights, HALF, HALF))
    return EncoderSpec(
        SiglipVisionConfig(
            image_size=image_size,
            patch_size=patch_size,
            hidden_size=width,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            intermediate_size=hidden,
            vision_use_head=False,
        )
    )


@register_encoder
def siglip_tiny(
    *, image_size: int = 64, patch_size: int = 8, width: int = 128, layers: int = 4, heads: int = 4
) -> EncoderSpec:
    """A small fresh SigLIP tower (0.8 M parameters by default) that learns on two CPU cores.

    Args:
        image_size: Pixels a side.
        patch_size: Pixels a side of a patch.
        width: Channels of a token.
        layers: Transformer blocks.
        heads: Attention heads.
    """
    return siglip(
        image_size=image_size, patch_size=patch_size, width=width, layers=layers, heads=heads, hidden=4 * width
    )
