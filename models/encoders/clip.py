"""CLIP vision transformers of transformers: pretrained (CLIP, PLIP) or from numbers."""

from __future__ import annotations

from timm.data import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD
from transformers import CLIPVisionConfig

from .pretrained import saved_normalisation, saved_tower, three
from .registry import EncoderSpec, register_encoder

MEAN, STD = three(OPENAI_CLIP_MEAN), three(OPENAI_CLIP_STD)


@register_encoder
def clip(
    *,
    weights: str | None = None,
    image_size: int = 336,
    patch_size: int = 14,
    width: int = 1024,
    layers: int = 24,
    heads: int = 16,
    hidden: int = 4096,
) -> EncoderSpec:
    """The vision tower of a CLIP checkpoint, or a fresh one of the given size (default: ViT-L/14 at 336 pixels).

    The class token is dropped. The norm after the last block belongs to the class token alone (Radford et al. 2021),
    so patches are as the last block leaves them.

    Args:
        weights: Folder or Hub name, of a vision tower or of a full CLIP; its own numbers then hold.
        image_size: Pixels a side.
        patch_size: Pixels a side of a patch.
        width: Channels of a token.
        layers: Transformer blocks.
        heads: Attention heads.
        hidden: Channels inside a block's MLP.

    Raises:
        WeightsError: If ``weights`` is no CLIP.
    """
    if weights is not None:
        config = saved_tower(weights, "clip_vision_model", whole="clip")
        return EncoderSpec(config, weights, *saved_normalisation(weights, MEAN, STD))
    config = CLIPVisionConfig(
        image_size=image_size,
        patch_size=patch_size,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=hidden,
    )
    return EncoderSpec(config, None, MEAN, STD)


@register_encoder
def clip_tiny(
    *, image_size: int = 64, patch_size: int = 8, width: int = 128, layers: int = 4, heads: int = 4
) -> EncoderSpec:
    """A small fresh CLIP tower.

    Args:
        image_size: Pixels a side.
        patch_size: Pixels a side of a patch.
        width: Channels of a token.
        layers: Transformer blocks.
        heads: Attention heads.
    """
    return clip(image_size=image_size, patch_size=patch_size, width=width, layers=layers, heads=heads, hidden=4 * width)
