"""Load a model and its processor from a folder or the Hub: ours, or any image-text-to-text model of transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor, PreTrainedConfig, PreTrainedModel
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING

from medvlm.study import WeightsError

from .adapters import load_lora
from .native import wrap
from .processing import MedVLMProcessor
from .quantized import Bits, check_quantizing, quantization
from .weights import check_complete, check_source, explained


def load_vlm(
    source: str | Path,
    *,
    adapter: str | Path | None = None,
    dtype: torch.dtype | str = "auto",
    quantize: Bits | None = None,
    device: torch.device | str = "cpu",
) -> tuple[PreTrainedModel, Any]:
    """Load a model, in evaluation mode, and its processor. Pickled weights and remote code are never run.

    The processor of a native model that the toolkit can run is a ``NativeProcessor`` around the model's own.

    Args:
        source: Folder or Hub name of any image-text-to-text model.
        adapter: Folder or Hub name of LoRA weights saved apart.
        dtype: Number type of the weights; that of the file if ``auto``.
        quantize: ``4bit`` stores the decoder's linear maps in 4 bits, to train adapters on them.
        device: Where the model goes.

    Raises:
        WeightsError: If the source is missing, pickled, damaged, or of another architecture.
        ImportError: If 4 bits are asked for without bitsandbytes.
    """
    name = check_source(source)
    config = read_config(name)
    stored: dict[str, Any] = {}
    if quantize is not None:
        check_quantizing()
        stored["quantization_config"] = quantization(config)
    with explained(name):
        loaded: Any = AutoModelForImageTextToText.from_pretrained(
            name,
            config=config,
            dtype=dtype,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
            **stored,
        )
        processor = AutoProcessor.from_pretrained(name, trust_remote_code=False)
    model, report = loaded
    check_complete(name, report)
    _check_counts(name, config, processor)
    with explained(name):
        processor = wrap(processor, config, name)
    if adapter is not None:
        load_lora(model, adapter)
    return model.to(device).eval(), processor


def read_config(source: str) -> PreTrainedConfig:
    """The configuration of an image-text-to-text model.

    Raises:
        WeightsError: If it is unreadable, needs remote code, or describes another kind of model.
    """
    with explained(source):
        config: PreTrainedConfig = AutoConfig.from_pretrained(source, trust_remote_code=False)
    if type(config) not in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING:
        raise WeightsError(
            f"{source} holds a {config.model_type!r} model, which does not read images and text. A text-only model can "
            "be the decoder of build_vlm."
        )
    return config


def _check_counts(source: str, config: PreTrainedConfig, processor: Any) -> None:
    if not isinstance(processor, MedVLMProcessor):
        return
    counted = (processor.count_tokens("image"), processor.count_tokens("volume"))
    built = (config.image_tokens, config.volume_tokens)
    if counted != built:
        raise WeightsError(
            f"{source}: the processor writes {counted} placeholders an image and a volume, the model has {built}; "
            "processor_config.json and config.json are of different models."
        )
