"""Decoders: any causal language model of transformers, by name, folder or numbers."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from transformers import CONFIG_MAPPING, AutoConfig, AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    MODEL_FOR_MASKED_LM_MAPPING,
    MODEL_MAPPING,
)

from medvlm.study import WeightsError

from .weights import check_complete, check_source, explained

# decoders whose language head has a bias; no configuration says so
BIASED_HEADS = ("phi",)
SEEN = {"full_attention", "sliding_attention"}


def decoder_config(decoder: str | Mapping[str, Any]) -> PreTrainedConfig:
    """The configuration of a decoder, without its weights.

    Args:
        decoder: Folder or Hub name, or the numbers of a fresh one with its ``model_type``.

    Raises:
        WeightsError: If it is no text decoder that reads embeddings.
    """
    if isinstance(decoder, str):
        with explained(decoder):
            config: PreTrainedConfig = AutoConfig.from_pretrained(decoder, trust_remote_code=False)
    else:
        options = dict(decoder)
        model_type = options.pop("model_type", None)
        if model_type not in CONFIG_MAPPING:
            raise WeightsError(
                f"decoder.model_type={model_type!r} is unknown to transformers; try qwen3, llama, gemma3_text."
            )
        config = CONFIG_MAPPING[model_type].from_dict(options)
    if config.get_text_config() is not config:
        raise WeightsError(
            f"{config.model_type!r} holds more than a text decoder. Use it whole with load_vlm, or name a text model."
        )
    if reason := _unfit(config):
        raise WeightsError(
            f"A {config.model_type!r} decoder cannot be composed: {reason}. Choose a Llama-, Qwen-, Gemma-, Mistral-, "
            "Phi- or GPT-2-like one."
        )
    if not isinstance(decoder, str) and (config.pad_token_id or 0) >= config.vocab_size:
        config.pad_token_id = None  # the default of a published vocabulary (Phi-3), larger than this one
    return config


def _unfit(config: PreTrainedConfig) -> str | None:
    """Why a decoder cannot read images, or cannot answer several questions in one row; None if it can."""
    kind = type(config)
    if kind not in MODEL_FOR_CAUSAL_LM_MAPPING or kind not in MODEL_MAPPING:
        return "it is no causal language model"
    if kind in MODEL_FOR_MASKED_LM_MAPPING:
        return "it was made to read in both directions"
    if getattr(config, "hidden_size_per_layer_input", 0):
        return "its per-layer embeddings know no image tokens (hidden_size_per_layer_input is not 0)"
    if getattr(config, "word_embed_proj_dim", config.hidden_size) != config.hidden_size:
        return "its embeddings are of another width than its layers"
    decoder: Any = MODEL_FOR_CAUSAL_LM_MAPPING[kind]
    base: Any = MODEL_MAPPING[kind]
    layers = set(getattr(config, "layer_types", None) or ())
    if decoder._is_stateful or layers - SEEN:
        odd = ", ".join(sorted(layers - SEEN)) or "a recurrent state"
        return f"{odd} would carry what one answer says into the next one's row"
    takes = inspect.signature(base.forward).parameters
    if not decoder._supports_attention_backend or not {"position_ids", "inputs_embeds"} <= set(takes):
        return "it takes no positions, masks and embeddings from outside"
    return None


def embeddings_name(decoder: nn.Module, embeddings: nn.Module) -> str:
    """Where the token embeddings are below the decoder: ``embed_tokens`` of a Llama, ``wte`` of a GPT-2."""
    return str(next(name for name, module in decoder.named_modules() if module is embeddings))


def check_head(source: str, causal: PreTrainedModel, logits: torch.Tensor, ids: torch.Tensor) -> None:
    """Refuse a pretrained decoder whose own class does something to its scores that the composed model does not.

    Args:
        source: Named in the message.
        causal: The decoder with its own head.
        logits: What the composed model makes of ``ids``.
        ids: A few tokens (1, L).

    Raises:
        WeightsError: If the scores differ.
    """
    own = causal(input_ids=ids, use_cache=False).logits
    if not torch.allclose(logits.float(), own.float(), atol=1e-2 * float(own.abs().max()), rtol=0):
        raise WeightsError(
            f"{source}: a {causal.config.model_type!r} decoder changes the scores of its head in a way that is not "
            "known here, and would be composed wrongly. Choose another decoder."
        )


def load_decoder(
    decoder: str | Mapping[str, Any],
    config: PreTrainedConfig,
    *,
    seed: int = 0,
    dtype: torch.dtype | None = None,
    attention: str | None = None,
) -> PreTrainedModel:
    """The decoder with its language head: pretrained where ``decoder`` names one, else initialised from ``seed``.

    Args:
        decoder: Folder or Hub name, or the numbers of a fresh one.
        config: The configuration that it must have in the end; its vocabulary may be larger than that of the weights.
        seed: Start of fresh parameters.
        dtype: Number type; that of the weights, else float32, if None.
        attention: Attention implementation.

    Raises:
        WeightsError: If the weights are missing, pickled or of another architecture.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = _pretrained(decoder, dtype, attention) if isinstance(decoder, str) else _fresh(config, dtype, attention)
        if model.config.vocab_size != config.vocab_size:
            model.resize_token_embeddings(config.vocab_size, mean_resizing=False)
    for name in ("pad_token_id", "eos_token_id", "bos_token_id"):
        setattr(model.config, name, getattr(config, name))
    return model


def _pretrained(decoder: str, dtype: torch.dtype | None, attention: str | None) -> PreTrainedModel:
    name = check_source(decoder)
    with explained(name):
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            name,
            dtype=dtype or "auto",
            attn_implementation=attention,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    check_complete(name, loaded[1])
    model: PreTrainedModel = loaded[0]
    return model


def _fresh(config: PreTrainedConfig, dtype: torch.dtype | None, attention: str | None) -> PreTrainedModel:
    model: PreTrainedModel = AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation=attention)
    return model
