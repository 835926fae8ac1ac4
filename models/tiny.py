"""The embedded model: the real architecture, small enough to learn on two CPU cores within minutes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase

from medvlm.intensity import IntensityRecipe

from .build import build_vlm
from .modeling import MedVLMForConditionalGeneration
from .processing import MedVLMProcessor


def tiny_decoder(
    model_type: str = "qwen3", *, width: int = 160, layers: int = 4, heads: int = 4, kv_heads: int = 2, **more: Any
) -> dict[str, Any]:
    """Numbers of a small decoder of any Llama-like type; its vocabulary will be the tokenizer's.

    Examples:
        >>> tiny_decoder("llama", width=64)["head_dim"]
        16
    """
    return {
        "model_type": model_type,
        "hidden_size": width,
        "intermediate_size": 3 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "head_dim": width // heads,
        "max_position_embeddings": 4096,
        "tie_word_embeddings": True,
        **more,
    }


def tiny_vlm(
    tokenizer: PreTrainedTokenizerBase,
    *,
    image_size: int = 64,
    patch_size: int = 8,
    merge: int = 2,
    volume_tokens: int = 64,
    decoder: Mapping[str, Any] | None = None,
    recipes: Sequence[IntensityRecipe] | None = None,
    seed: int = 0,
    meta: bool = False,
) -> tuple[MedVLMForConditionalGeneration, MedVLMProcessor]:
    """A fresh model of 1 to 3 million parameters and its processor.

    Args:
        tokenizer: For example ``train_tokenizer(texts)``.
        image_size: Pixels a side.
        patch_size: Pixels a side of a patch.
        merge: Side of the squares of patches that become one decoder token.
        volume_tokens: Decoder tokens of a volume; a multiple of 16.
        decoder: Numbers of the decoder; ``tiny_decoder()`` if None.
        recipes: Intensity recipes; a set for any modality if None.
        seed: Start of all parameters.
        meta: Allocate no weights.
    """
    return build_vlm(
        encoder={"name": "siglip_tiny", "image_size": image_size, "patch_size": patch_size},
        decoder=tiny_decoder() if decoder is None else decoder,
        projector={"kind": "mlp", "merge": merge},
        compressor={"kind": "slices_pool", "tokens": volume_tokens, "depth": 16},
        tokenizer=tokenizer,
        recipes=recipes,
        seed=seed,
        meta=meta,
    )
