"""SigLIP 2 towers of the flexible kind (NaFlex), fed with square images of one size.

SigLIP 2 checkpoints of fixed resolution are of the type ``siglip`` and load by that name.
"""

from __future__ import annotations

from transformers import Siglip2VisionConfig

from .pretrained import saved_normalisation, saved_tower
from .registry import EncoderSpec, register_encoder
from .siglip import HALF


@register_encoder
def siglip2(
    *,
    weights: str | None = None,
    image_size: int | None = None,
    patch_size: int = 16,
    width: int = 1152,
    layers: int = 27,
    heads: int = 16,
    hidden: int = 4304,
) -> EncoderSpec:
    """The vision tower of a NaFlex checkpoint, or a fresh one of the given size; it has no class token.

    Args:
        weights: Folder or Hub name, of a vision tower or of a full SigLIP 2; its own numbers then hold.
        image_size: Pixels a side; those of the square that the position grid describes if None (256 published).
        patch_size: Pixels a side of a patch.
        width: Channels of a token.
        layers: Transformer blocks.
        heads: Attention heads.
        hidden: Channels inside a block's MLP.

    Raises:
        WeightsError: If ``weights`` is no SigLIP 2 of the flexible kind.
    """
    if weights is not None:
        config = saved_tower(weights, "siglip2_vision_model", whole="siglip2")
        config.vision_use_head, config.input_size = False, image_size
        return EncoderSpec(config, weights, *saved_normalisation(weights, HALF, HALF))
    return EncoderSpec(
        Siglip2VisionConfig(
            num_patches=((image_size or 256) // patch_size) ** 2,
            patch_size=patch_size,
            hidden_size=width,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            intermediate_size=hidden,
            vision_use_head=False,
        )
    )


@register_encoder
def siglip2_tiny(
    *, image_size: int = 64, patch_size: int = 8, width: int = 128, layers: int = 4, heads: int = 4
) -> EncoderSpec:
    """A small fresh SigLIP 2 tower.

    Args:
        image_size: Pixels a side.
        patch_size: Pixels a side of a patch.
        width: Channels of a token.
        layers: Transformer blocks.
        heads: Attention heads.
    """
    return siglip2(
        image_size=image_size, patch_size=patch_size, width=width, layers=layers, heads=heads, hidden=4 * width
    )
