"""QLoRA: what would be stored in 4 bits, what is refused, and (where bitsandbytes is) a merge that agrees."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForImageTextToText, Gemma3Config, LlavaConfig
from transformers.quantizers.quantizers_utils import should_convert_module

from medvlm.models import add_lora, load_vlm, part_of
from medvlm.models.quantized import check_quantizing, merged, quantization, stored_small
from medvlm.settings import ModelSettings
from medvlm.study import WeightsError
from medvlm.training.build import build_model

NUMBERS = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
TEXT = {**NUMBERS, "vocab_size": 60, "num_key_value_heads": 1, "head_dim": 16}
VISION = {**NUMBERS, "image_size": 32, "patch_size": 16}
CONFIGS = {
    "gemma3": lambda: Gemma3Config(text_config=TEXT, vision_config=VISION, mm_tokens_per_image=4),
    "llava": lambda: LlavaConfig(
        text_config={**TEXT, "model_type": "llama"}, vision_config={**VISION, "model_type": "clip_vision_model"}
    ),
}


@pytest.fixture(params=["composed", *CONFIGS])
def config(request: pytest.FixtureRequest, vlm: Any) -> Any:
    return vlm[0].config if request.param == "composed" else CONFIGS[request.param]()


def test_the_decoders_linear_maps_are_stored_in_4_bits_and_nothing_else(config: Any) -> None:
    how = quantization(config)
    assert (how.load_in_4bit, how.bnb_4bit_quant_type, how.bnb_4bit_use_double_quant) == (True, "nf4", True)
    assert how.bnb_4bit_compute_dtype == torch.bfloat16
    with torch.device("meta"):
        model: Any = AutoModelForImageTextToText.from_config(config)
    maps = {name: module for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)}
    small = {name for name in maps if should_convert_module(name, how.llm_int8_skip_modules)}
    wanted = {name for name in maps if part_of(name) == "decoder" and maps[name] is not model.get_output_embeddings()}
    assert small == wanted
    assert len(small) == 2 * 7
    assert stored_small(model) == sum(maps[name].weight.numel() for name in small)


def test_without_the_package_or_a_gpu_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr("medvlm.models.quantized.need", lambda *names: None)
    with pytest.raises(WeightsError, match="needs a CUDA device"):
        check_quantizing()
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(ImportError, match=r"pip install 'medvlm\[qlora\]'"):
        check_quantizing()


def test_a_recipe_says_so_before_its_model_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr("medvlm.models.quantized.need", lambda *names: None)
    with pytest.raises(WeightsError, match="needs a CUDA device"):
        build_model(ModelSettings(quantize="4bit", lora={}), [], seed=0)


@pytest.mark.parametrize("lora", [None, {"method": "pissa"}, {"method": "dora"}])
def test_what_4_bits_cannot_train_is_refused(lora: Any) -> None:
    with pytest.raises(ValueError, match="quantize=4bit"):
        ModelSettings(quantize="4bit", lora=lora)


def test_without_4_bits_the_model_itself_is_merged(make_vlm: Any, tokenizer: Any) -> None:
    model = make_vlm(tokenizer)[0]
    add_lora(model, rank=2)
    assert merged(model, "unused") is model
    assert not any("lora_" in name for name, _ in model.named_parameters())


def test_adapters_over_4_bits_merge_into_the_weights_before(
    make_vlm: Any, tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("bitsandbytes", reason="needs the qlora extra")
    monkeypatch.setattr("medvlm.models.load.check_quantizing", lambda: None)  # its CPU kernels do for a test
    model, processor = make_vlm(tokenizer)
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    small: Any = load_vlm(tmp_path, quantize="4bit")[0]
    add_lora(small, rank=2)
    inputs = {"input_ids": torch.tensor([[40, 41, 42, 43]])}
    optimizer = torch.optim.SGD([weight for weight in small.parameters() if weight.requires_grad], lr=0.5)
    for _ in range(3):
        small.train()(**inputs, labels=inputs["input_ids"]).loss.backward()
        optimizer.step()
    with torch.no_grad():
        trained, before = small.eval()(**inputs).logits, model(**inputs).logits
        whole = merged(small, tmp_path).eval()(**inputs).logits
    assert (whole - before).abs().max() > 1e-2
    assert (whole - trained).abs().max() < 0.05 * trained.abs().max()  # NF4 rounds the weights, not the adapters
