"""Decoders: any causal language model of transformers, by name, folder or numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from transformers import CONFIG_MAPPING, AutoConfig, AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel

from medvlm.study import WeightsError


def decoder_config(decoder: str | Mapping[str, Any]) -> PreTrainedConfig:
    """The configuration of a decoder, without its weights.

    Args:
        decoder: Folder or Hub name, or the numbers of a fresh one with its ``model_type``.

    Raises:
        WeightsError: If it is no text decoder that reads embeddings.
    """
    if isinstance(decoder, str):
        config = AutoConfig.from_pretrained(decoder)
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
            f"{config.model_type!r} holds more than a text decoder. Use it as it is with load_vlm, or name its text model."
        )
    if getattr(config, "hidden_size_per_layer_input", 0):
        raise WeightsError(f"{config.model_type!r} with per-layer embeddings cannot read image tokens; set it to 0.")
    return config


def load_decoder(decoder: str | Mapping[str, Any], config: PreTrainedConfig, *, seed: int = 0) -> PreTrainedModel:
    """The decoder with its language head: pretrained where ``decoder`` names one, else initialised from ``seed``.

    Raises:
        WeightsError: If its embeddings and head are not where a composed model can share them.
    """
    if isinstance(decoder, str):
        model = AutoModelForCausalLM.from_pretrained(decoder, config=config, use_safetensors=True)
    else:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = AutoModelForCausalLM.from_config(config)
    names = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    wanted = {"model.embed_tokens.weight", "lm_head.weight"}
    if not wanted <= names:
        raise WeightsError(
            f"Decoder {config.model_type!r} lacks {', '.join(sorted(wanted - names))}; choose a Llama-, Qwen-, Gemma- or "
            "Mistral-like one."
        )
    return model
