"""Published models at full size, on the meta device from their configurations: parameters as their pages say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from medvlm.models import plan_source, plan_vlm

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


@pytest.mark.parametrize(
    ("config", "published", "tokens"),
    [
        # Lingshu 7B has the sizes of Qwen2.5-VL 7B
        pytest.param(QWEN25_VL_7B, 8.29e9, None, id="Qwen2.5-VL-7B and Lingshu-7B"),
        # Mistral 7.24 B, CLIP ViT-L/14 0.304 B, two maps of a projector 21 M
        pytest.param(LLAVA_MED, 7.57e9, 576, id="LLaVA-Med-Mistral-7B"),
    ],
)
def test_whole_models(config: dict[str, Any], published: float, tokens: int | None, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    plan = plan_source(tmp_path)
    assert plan.total == pytest.approx(published, rel=0.01)
    assert plan.image_tokens == tokens


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
