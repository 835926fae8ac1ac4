"""QLoRA: frozen weights in 4 bits below adapters that are trained (Dettmers et al., NeurIPS 2023).

Linear maps of the decoder are stored as NF4 with quantised constants and computed in bfloat16; the vision tower, the
projector and the language head keep their type. Adapters that were trained so are merged into the weights as they were
before, which are read again: 4-bit weights cannot take them exactly.
"""

from __future__ import annotations

import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import torch
from torch import nn
from transformers import AutoModelForImageTextToText, BitsAndBytesConfig, PreTrainedConfig

from medvlm.study import WeightsError, need

from .adapters import load_lora, save_lora, topmost_modules
from .merge import has_adapter, merge_lora
from .parts import part_of

Bits = Literal["4bit"]
BITS = 4.127
"""Bits of a stored weight: 4, a scale of 8 bits for 64 of them, and one of 32 bits for 256 of those."""


def check_quantizing() -> None:
    """See that 4-bit weights can be used here.

    Raises:
        ImportError: If bitsandbytes is not installed.
        WeightsError: If there is no CUDA device.
    """
    need("bitsandbytes", "qlora")
    if not torch.cuda.is_available():
        raise WeightsError(
            "model.quantize=4bit needs a CUDA device, and none was found. Leave it out, or run on a GPU."
        )


def quantization(config: PreTrainedConfig) -> BitsAndBytesConfig:
    """How a model of this configuration is stored.

    Args:
        config: Of a composed or native model.
    """
    with torch.device("meta"):
        model: Any = AutoModelForImageTextToText.from_config(config)
    kept = topmost_modules(model, ("vision", "projector"))
    head = model.get_output_embeddings()
    kept += [name for name, module in model.named_modules() if module is head]
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
        llm_int8_skip_modules=[re.escape(name) for name in kept],
    )


def stored_small(model: Any) -> int:
    """Parameters of a model that would be stored in 4 bits."""
    head = model.get_output_embeddings()
    return sum(
        module.weight.numel()
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and module is not head and part_of(name) == "decoder" and "lora_" not in name
    )


def merged(model: Any, source: str | Path) -> Any:
    """The model with its adapters merged; of one in 4 bits, the model it was loaded from with these adapters merged.

    Args:
        model: With adapters or without.
        source: What it was loaded from.

    Raises:
        WeightsError: If a merged layer gives other outputs than the adapted one did.
    """
    if has_adapter(model) and getattr(model.config, "quantization_config", None) is not None:
        with TemporaryDirectory() as folder:
            save_lora(model, folder)
            model = AutoModelForImageTextToText.from_pretrained(str(source), dtype="auto", use_safetensors=True)
            load_lora(model, folder)
    merge_lora(model)
    return model
