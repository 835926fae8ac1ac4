"""Published models at full size, on the meta device from their configurations: parameters as their pages say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModel

from medvlm.models import EncoderSpec, encoder_spec, plan_source, plan_vlm
from medvlm.models.encoders.open_clip_vision import OpenClipVisionConfig

QWEN25_VL_7B = {
    "model_type": "qwen2_5_vl",
    "text_config": {
        "model_type": "qwen2_5_vl_text",
        "hidden_size": 3584,
        "intermediate_size": 18944,
        "num_hidden_layers": 28,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
        "vocab_size": 152064,
        "max_position_embeddings": 128000,
        "tie_word_embeddings": False,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]},
    },
    "vision_config": {"depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "out_hidden_size": 3584},
    "tie_word_embeddings": False,
}
MISTRAL_7B = {
    "model_type": "mistral",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 32000,
    "max_position_embeddings": 32768,
    "sliding_window": None,
    "tie_word_embeddings": False,
}
LLAVA_MED = {
    "model_type": "llava",
    "text_config": MISTRAL_7B,
    "vision_config": {
        "model_type": "clip_vision_model",
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "image_size": 336,
        "patch_size": 14,
        "projection_dim": 768,
    },
    "image_seq_length": 576,
    "tie_word_embeddings": False,
}
LLAMA2_7B = MISTRAL_7B | {
    "model_type": "llama",
    "intermediate_size": 11008,
    "num_key_value_heads": 32,
    "max_position_embeddings": 4096,
}
PHI3_MINI = LLAMA2_7B | {"model_type": "phi3", "hidden_size": 3072, "intermediate_size": 8192, "vocab_size": 32064}
SMOLLM2_360M = MISTRAL_7B | {
    "model_type": "llama",
    "hidden_size": 960,
    "intermediate_size": 2560,
    "num_attention_heads": 15,
    "num_key_value_heads": 5,
    "vocab_size": 49152,
    "tie_word_embeddings": True,
}
GPT2 = {"model_type": "gpt2"}
SIGLIP_SO400M = {
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_hidden_layers": 27,
    "num_attention_heads": 16,
    "patch_size": 14,
}
QWEN3_VL_4B = {
    "model_type": "qwen3_vl",
    "text_config": {
        "model_type": "qwen3_vl_text",
        "hidden_size": 2560,
        "intermediate_size": 9728,
        "num_hidden_layers": 36,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "vocab_size": 151936,
        "max_position_embeddings": 262144,
        "tie_word_embeddings": True,
        "rope_parameters": {"rope_type": "default", "rope_theta": 5e6, "mrope_section": [24, 20, 20]},
    },
    "vision_config": {
        "depth": 24,
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_heads": 16,
        "out_hidden_size": 2560,
        "deepstack_visual_indexes": [5, 11, 17],
    },
    "tie_word_embeddings": True,
}
SMOLVLM_2B = {
    "model_type": "idefics3",
    "text_config": {
        "model_type": "llama",
        "hidden_size": 2048,
        "intermediate_size": 8192,
        "num_hidden_layers": 24,
        "num_attention_heads": 32,
        "num_key_value_heads": 32,
        "vocab_size": 49155,
        "max_position_embeddings": 16384,
    },
    "vision_config": {**SIGLIP_SO400M, "model_type": "idefics3_vision", "image_size": 384},
    "scale_factor": 3,
    "tie_word_embeddings": False,
}
SMOLVLM_256M = {
    "model_type": "idefics3",
    "text_config": {
        "model_type": "llama",
        "hidden_size": 576,
        "intermediate_size": 1536,
        "num_hidden_layers": 30,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
        "vocab_size": 49280,
        "max_position_embeddings": 8192,
    },
    "vision_config": {
        "model_type": "idefics3_vision",
        "hidden_size": 768,
        "intermediate_size": 3072,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "image_size": 512,
        "patch_size": 16,
    },
    "scale_factor": 4,
    "tie_word_embeddings": False,
}
INTERNVL3_1B = {
    "model_type": "internvl",
    "text_config": {
        "model_type": "qwen2",
        "hidden_size": 896,
        "intermediate_size": 4864,
        "num_hidden_layers": 24,
        "num_attention_heads": 14,
        "num_key_value_heads": 2,
        "vocab_size": 151674,
        "max_position_embeddings": 32768,
        "tie_word_embeddings": False,
    },
    "vision_config": {
        "model_type": "internvl_vision",
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "image_size": [448, 448],
        "patch_size": [14, 14],
    },
    "image_seq_length": 256,
    "tie_word_embeddings": False,
}
PALIGEMMA2_3B = {
    "model_type": "paligemma",
    "text_config": {
        "model_type": "gemma2",
        "hidden_size": 2304,
        "intermediate_size": 9216,
        "num_hidden_layers": 26,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "head_dim": 256,
        "vocab_size": 257216,
    },
    "vision_config": {
        **SIGLIP_SO400M,
        "model_type": "siglip_vision_model",
        "image_size": 224,
        "vision_use_head": False,
    },
    "projection_dim": 2304,
}
BIOMEDCLIP = {"timm_model_name": "vit_base_patch16_224", "timm_pool": "", "timm_proj": "linear", "image_size": 224}


@pytest.mark.parametrize(
    ("config", "published", "tokens"),
    [
        # Lingshu 7B has the sizes of Qwen2.5-VL 7B
        pytest.param(QWEN25_VL_7B, 8.29e9, None, id="Qwen2.5-VL-7B and Lingshu-7B"),
        # Mistral 7.24 B, CLIP ViT-L/14 0.304 B, two maps of a projector 21 M
        pytest.param(LLAVA_MED, 7.57e9, 576, id="LLaVA-Med-Mistral-7B"),
        # Qwen3 4.02 B, vision tower with three deep mergers 0.415 B
        pytest.param(QWEN3_VL_4B, 4.44e9, None, id="Qwen3-VL-4B"),
        pytest.param(SMOLVLM_2B, 2.25e9, None, id="SmolVLM-2.2B"),
        pytest.param(SMOLVLM_256M, 256e6, None, id="SmolVLM-256M"),
        # InternViT 0.304 B, Qwen2.5 0.494 B and its head 0.136 B, projector 4.5 M
        pytest.param(INTERNVL3_1B, 0.938e9, 256, id="InternVL3-1B"),
        pytest.param(PALIGEMMA2_3B, 3.03e9, None, id="PaliGemma2-3B"),
    ],
)
def test_whole_models(config: dict[str, Any], published: float, tokens: int | None, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    plan = plan_source(tmp_path)
    assert plan.total == pytest.approx(published, rel=0.01)
    assert plan.image_tokens == tokens


@pytest.mark.parametrize(
    ("encoder", "published", "tokens"),
    [
        # so400m without its pooling head, at MedSigLIP's 448 pixels
        pytest.param("siglip", 413e6, 1024, id="MedSigLIP-448"),
        pytest.param("dinov2", 86.6e6, 1369, id="RAD-DINO"),
        pytest.param("clip", 303.5e6, 576, id="CLIP-L-336"),
        pytest.param("uni", 303e6, 196, id="UNI"),
        pytest.param("uni2_h", 681e6, 256, id="UNI2-h", marks=pytest.mark.slow),
        pytest.param("virchow", 631e6, 256, id="Virchow"),
        pytest.param("virchow2", 631e6, 256, id="Virchow2", marks=pytest.mark.slow),
        pytest.param(BIOMEDCLIP, 86.2e6, 196, id="BiomedCLIP"),
    ],
)
def test_encoders(encoder: Any, published: float, tokens: int) -> None:
    made = OpenClipVisionConfig(embed_dim=512, vision_cfg=encoder) if isinstance(encoder, dict) else None
    spec = encoder_spec(encoder) if made is None else EncoderSpec(made)
    with torch.device("meta"):
        tower = AutoModel.from_config(spec.config)
    assert sum(weight.numel() for weight in tower.parameters()) == pytest.approx(published, rel=0.01)
    assert spec.tokens() == tokens


@pytest.mark.parametrize(
    ("decoder", "published"),
    [
        pytest.param(MISTRAL_7B, 7.24e9, id="Mistral-7B"),
        # the decoder of M3D-LaMed
        pytest.param(LLAMA2_7B, 6.74e9, id="Llama-2-7B"),
        pytest.param(PHI3_MINI, 3.82e9, id="Phi-3-mini"),
        pytest.param(SMOLLM2_360M, 362e6, id="SmolLM2-360M"),
        pytest.param(GPT2, 124e6, id="GPT-2"),
    ],
)
def test_decoders_of_composed_models(decoder: dict[str, Any], published: float) -> None:
    plan = plan_vlm(encoder={"name": "siglip_tiny"}, decoder=decoder)
    assert plan.parameters["decoder"] == pytest.approx(published, rel=0.01)
