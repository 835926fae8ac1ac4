"""The composed medical vision-language model; importing this package registers it with transformers' Auto classes."""

from __future__ import annotations

from transformers import (
    AutoConfig,
    AutoImageProcessor,
    AutoModel,
    AutoModelForImageTextToText,
    AutoProcessor,
    AutoVideoProcessor,
)

from .build import build_vlm
from .configuration import MedVLMConfig
from .encoders import EncoderSpec, create_encoder, encoder_spec, list_encoders, register_encoder
from .image_processing import MedVLMImageProcessor, MedVLMVideoProcessor
from .modeling import MedVLMForConditionalGeneration, MedVLMModel
from .processing import MedVLMProcessor
from .tiny import tiny_decoder, tiny_vlm
from .tokenizer import train_tokenizer

AutoConfig.register("medvlm", MedVLMConfig, exist_ok=True)
AutoModel.register(MedVLMConfig, MedVLMModel, exist_ok=True)
AutoModelForImageTextToText.register(MedVLMConfig, MedVLMForConditionalGeneration, exist_ok=True)
AutoImageProcessor.register(MedVLMConfig, image_processor_classes={"torchvision": MedVLMImageProcessor}, exist_ok=True)
AutoVideoProcessor.register(MedVLMConfig, MedVLMVideoProcessor, exist_ok=True)
AutoProcessor.register(MedVLMConfig, MedVLMProcessor, exist_ok=True)

__all__ = [
    "EncoderSpec",
    "MedVLMConfig",
    "MedVLMForConditionalGeneration",
    "MedVLMImageProcessor",
    "MedVLMModel",
    "MedVLMProcessor",
    "MedVLMVideoProcessor",
    "build_vlm",
    "create_encoder",
    "encoder_spec",
    "list_encoders",
    "register_encoder",
    "tiny_decoder",
    "tiny_vlm",
    "train_tokenizer",
]
