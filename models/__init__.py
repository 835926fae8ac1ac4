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

from .adapters import add_lora, load_lora, save_lora
from .blueprint import Blueprint, plan_source, plan_vlm
from .build import build_vlm
from .configuration import MedVLMConfig
from .encoders import EncoderSpec, create_encoder, encoder_spec, list_encoders, register_encoder
from .encoders.volumes import VolumeSpec, list_volume_encoders, register_volume_encoder, volume_encoder_spec
from .image_processing import MedVLMImageProcessor, MedVLMVideoProcessor
from .load import load_vlm, read_config
from .modeling import MedVLMForConditionalGeneration
from .modeling_body import MedVLMModel
from .parts import PARTS, checkpoint_activations, count_parameters, freeze, part_of
from .processing import MedVLMProcessor
from .tiny import tiny_decoder, tiny_vlm
from .tokenizer import train_tokenizer
from .tokens import check_tokens, image_token_ids, max_positions

AutoConfig.register("medvlm", MedVLMConfig, exist_ok=True)
AutoModel.register(MedVLMConfig, MedVLMModel, exist_ok=True)
AutoModelForImageTextToText.register(MedVLMConfig, MedVLMForConditionalGeneration, exist_ok=True)
AutoImageProcessor.register(MedVLMConfig, image_processor_classes={"torchvision": MedVLMImageProcessor}, exist_ok=True)
AutoVideoProcessor.register(MedVLMConfig, MedVLMVideoProcessor, exist_ok=True)
AutoProcessor.register(MedVLMConfig, MedVLMProcessor, exist_ok=True)

__all__ = [
    "PARTS",
    "Blueprint",
    "EncoderSpec",
    "MedVLMConfig",
    "MedVLMForConditionalGeneration",
    "MedVLMImageProcessor",
    "MedVLMModel",
    "MedVLMProcessor",
    "MedVLMVideoProcessor",
    "VolumeSpec",
    "add_lora",
    "build_vlm",
    "check_tokens",
    "checkpoint_activations",
    "count_parameters",
    "create_encoder",
    "encoder_spec",
    "freeze",
    "image_token_ids",
    "list_encoders",
    "list_volume_encoders",
    "load_lora",
    "load_vlm",
    "max_positions",
    "part_of",
    "plan_source",
    "plan_vlm",
    "read_config",
    "register_encoder",
    "register_volume_encoder",
    "save_lora",
    "tiny_decoder",
    "tiny_vlm",
    "train_tokenizer",
    "volume_encoder_spec",
]
