"""Decoders: any causal language model of transformers, by name, folder or numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from transformers import CONFIG_MAPPING, AutoConfig, AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel

from medvlm.study import WeightsError

from .weights import check_complete, check_source, explained


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
    if getattr(config, "hidden_size_per_layer_input", 0):
        raise WeightsError(f"{config.model_type!r} with per-layer embeddings cannot read image tokens; set it to 0.")
    return config


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
