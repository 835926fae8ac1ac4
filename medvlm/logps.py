"""Log-probabilities of the counted tokens of prefix trees: one forward of a decoder over contexts and branches.

The trees of ``medvlm.tree`` are laid out as rows; here they get their masks, their image features and their scores,
from any Hugging Face decoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from medvlm.flex import block_mask, wants_flex
from medvlm.models.native import BARE_HEADS
from medvlm.rows import Rows, visible

CHUNK_TOKENS, CHUNK_SCORES = 256, 1 << 21
"""Tokens that go through the head together: as many as give this many scores, but never fewer than this."""
KEPT_SCORES = 1 << 26
"""Up to so many (256 MB) are kept for the backward pass; more are computed again there."""


def attention_masks(
    config: Any, sees: Tensor, windowed: Tensor | None, dtype: torch.dtype
) -> Tensor | dict[str, Tensor]:
    """Additive masks in the form a Hugging Face decoder takes: one, or one for each kind of layer.

    A query that sees nothing (padding) is given everything instead: its output is never read, and a row of minus
    infinity would be NaN. An additive mask means the same to eager and to SDPA attention; a boolean one does not.
    """

    def additive(allowed: Tensor) -> Tensor:
        allowed = allowed | ~allowed.any(-1, keepdim=True)
        mask = torch.zeros(allowed.shape, dtype=dtype, device=allowed.device)
        return mask.masked_fill_(~allowed, torch.finfo(dtype).min)[:, None]

    if windowed is None:
        return additive(sees)
    if "full_attention" in (getattr(config, "layer_types", None) or ()):
        return {"full_attention": additive(sees), "sliding_attention": additive(windowed)}
    return additive(windowed)


def dense_masks(config: Any, rows: Rows, dtype: torch.dtype) -> Tensor | dict[str, Tensor]:
    """Additive masks of rows, see `attention_masks`."""
    place = (rows.segments, rows.positions)
    blocks = None if rows.blocks is None else (rows.blocks, rows.blocks)
    window = sliding_window(config)
    windowed = None if window is None else visible(place, place, rows.ancestors, window, blocks)
    return attention_masks(config, visible(place, place, rows.ancestors, blocks=blocks), windowed, dtype)


def flex_masks(config: Any, rows: Rows) -> Any:
    """Block masks of rows in the form a Hugging Face decoder takes: one, or one for each kind of layer."""
    window = sliding_window(config)
    if window is None:
        return block_mask(rows)
    if "full_attention" in (getattr(config, "layer_types", None) or ()):
        return {"full_attention": block_mask(rows), "sliding_attention": block_mask(rows, window)}
    return block_mask(rows, window)


def sliding_window(config: Any) -> int | None:
    """Tokens that the sliding layers of a decoder see, None if it has no such layer."""
    kinds = getattr(config, "layer_types", None)
    if kinds is not None and "sliding_attention" not in kinds:
        return None
    window = getattr(config, "sliding_window", None)
    return None if window is None else int(window)


def image_places(model: Any, ids: Tensor) -> Tensor:
    """Which tokens ``(B, L)`` are placeholders of images."""
    tokens = [getattr(model.config, name, None) for name in ("image_token_id", "video_token_id")]
    return torch.isin(ids, torch.tensor([token for token in tokens if token is not None], device=ids.device))


def decoder_inputs(model: Any, ids: Tensor, features: Sequence[Tensor]) -> dict[str, Any]:
    """What a decoder takes for these tokens: embeddings, and where features are wider, what its first layers add.

    Args:
        model: See `embed`.
        ids: Tokens ``(B, L)``.
        features: See `embed`; columns beyond the embedding's width belong to one layer after another (DeepStack).
    """
    width = int(model.config.get_text_config().hidden_size)
    if not features or features[0].shape[-1] == width:
        return {"inputs_embeds": embed(model, ids, features)}
    deep = torch.cat(list(features))[:, width:].split(width, dim=-1)
    return {
        "inputs_embeds": embed(model, ids, [feature[:, :width] for feature in features]),
        "visual_pos_masks": image_places(model, ids),
        "deepstack_visual_embeds": list(deep),
    }


def embed(model: Any, ids: Tensor, features: Sequence[Tensor]) -> Tensor:
    """Token embeddings with image features in the place of their placeholders, ``(B, L, D)``.

    Args:
        model: A composed model, or any Hugging Face one with ``image_token_id`` in its config.
        ids: Tokens ``(B, L)``.
        features: One ``(tokens, D)`` tensor a placeholder group, in the order of rows.

    Raises:
        ValueError: If the features have another number of tokens than the placeholders.
    """
    table, places = model.get_input_embeddings(), image_places(model, ids)
    # a placeholder may lie beyond the table (Gemma 3 grew by it); what stands there is overwritten
    embeddings: Tensor = table(ids.masked_fill(places & (ids >= len(table.weight)), 0))
    wanted, given = int(places.sum()), sum(len(feature) for feature in features)
    if wanted != given:
        raise ValueError(f"The text has {wanted} image placeholders, the images give {given} tokens.")
    if not given:
        return embeddings
    flat = torch.cat(list(features)).to(embeddings.dtype)
    return embeddings.masked_scatter(places[..., None], flat)


def unwrap(model: Any) -> Any:
    """The Hugging Face model below a PEFT wrapper; its LoRA layers stay in place."""
    from peft import PeftModel

    wrapper: Any = PeftModel
    return model.get_base_model() if isinstance(model, wrapper) else model


def logits(model: Any, hidden: Tensor) -> Tensor:
    """Next-token scores in fp32 for decoder outputs ``(..., D)``, with the soft cap and scale that some heads have."""
    head: Any = model.get_output_embeddings()
    scores: Tensor = head(hidden).float()
    if model.config.model_type in BARE_HEADS:
        return scores
    config = model.config.get_text_config()
    scale, cap = getattr(config, "logits_scaling", None), getattr(config, "final_logit_softcapping", None)
    if scale:
        scores = scores / scale
    if times := getattr(config, "logit_scale", None):
        scores = scores * times
    return torch.tanh(scores / cap) * cap if cap else scores


def branch_logps(
    model: Any, rows: Rows, features: Sequence[Tensor] = (), *, temperature: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Log-probability and entropy of every counted token, one forward over context + branches.

    Args:
        model: A composed model or any Hugging Face causal language model, PEFT wrapper included.
        rows: What `pack` made, on the model's device.
        features: Image features in row order, see `embed`.
        temperature: Divides the scores, as the sampler did.

    Returns:
        Two ``(T,)`` fp32 tensors in the order of ``rows``; the entropy (nats) carries no gradient.
    """
    model = unwrap(model)
    config = model.config.get_text_config()
    inputs = decoder_inputs(model, rows.ids, features)
    masks = flex_masks(config, rows) if wants_flex(config) else dense_masks(config, rows, inputs["inputs_embeds"].dtype)
    output = model.get_decoder()(**inputs, attention_mask=masks, position_ids=rows.rotary, use_cache=False)
    hidden, tokens = output.last_hidden_state[rows.row, rows.source], rows.tokens
    return token_logps(model, hidden, tokens, temperature=temperature)


def token_logps(model: Any, hidden: Tensor, tokens: Tensor, *, temperature: float = 1.0) -> tuple[Tensor, Tensor]:
    """Log-probability and entropy of tokens from the decoder outputs that predict them.

    The scores of all tokens over a large vocabulary are the largest tensor of a training step: they are computed a
    chunk at a time, and where they are many, again in the backward pass instead of being kept.

    Args:
        model: Has the head.
        hidden: ``(T, D)``.
        tokens: ``(T,)``.
        temperature: Divides the scores.

    Returns:
        Two ``(T,)`` fp32 tensors; the entropy (nats) carries no gradient.
    """
    vocabulary = int(model.config.get_text_config().vocab_size)
    size = max(CHUNK_TOKENS, CHUNK_SCORES // vocabulary)

    def chunk(hidden: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        scores = logits(model, hidden)
        scores = scores if temperature == 1 else scores / temperature
        logps = scores.log_softmax(-1)  # not scores - logsumexp: that rounds at the size of the scores
        with torch.no_grad():
            entropy = -logps.exp().mul_(logps).sum(-1)
        return logps.gather(-1, tokens[:, None])[:, 0], entropy

    pairs = zip(hidden.split(size), tokens.split(size), strict=True)
    if len(hidden) * vocabulary > KEPT_SCORES:
        parts = [checkpoint(chunk, *pair, use_reentrant=False, preserve_rng_state=False) for pair in pairs]
    else:
        parts = [chunk(*pair) for pair in pairs]
    logps, entropy = zip(*parts, strict=True)
    return torch.cat(logps), torch.cat(entropy)
