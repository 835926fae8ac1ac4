from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForImageTextToText, Gemma3Config, LlavaConfig

from medvlm.models import (
    add_lora,
    count_parameters,
    freeze,
    load_lora,
    part_of,
    save_lora,
)
from medvlm.models.adapters import lora_targets
from medvlm.study import WeightsError

INPUTS = {"input_ids": torch.tensor([[5, 5, 5, 5, 40, 41]]), "pixel_values": torch.ones(1, 3, 32, 32)}


@pytest.fixture
def model(make_vlm: Any, tokenizer: Any) -> Any:
    return make_vlm(tokenizer)[0]


@torch.no_grad()
def logits(model: Any) -> Any:
    return model(**INPUTS).logits


def train_a_step(model: Any) -> None:
    torch.manual_seed(0)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1.0)
    for _ in range(2):  # the B matrices of LoRA start at zero: A moves from the second step on
        optimizer.zero_grad()
        model(**INPUTS, labels=INPUTS["input_ids"]).loss.backward()
        optimizer.step()


def native(kind: str) -> Any:
    numbers = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = {**numbers, "vocab_size": 60, "num_key_value_heads": 1, "head_dim": 16}
    vision = {**numbers, "image_size": 32, "patch_size": 16}
    config = (
        Gemma3Config(text_config=text, vision_config=vision, mm_tokens_per_image=4)
        if kind == "gemma3"
        else LlavaConfig(
            text_config={**text, "model_type": "llama"}, vision_config={**vision, "model_type": "clip_vision_model"}
        )
    )
    with torch.device("meta"):
        return AutoModelForImageTextToText.from_config(config)


def test_counts_are_complete_and_tied_weights_count_once(model: Any) -> None:
    counts = count_parameters(model)
    assert sum(counts.values()) == sum(p.numel() for p in model.parameters())
    assert counts["vision"] == sum(p.numel() for p in model.get_encoder("image").parameters())
    assert counts["decoder"] == sum(p.numel() for p in model.get_decoder().parameters())


@pytest.mark.parametrize("kind", ["gemma3", "llava"])
def test_parts_of_native_models(kind: Any) -> None:
    counts = count_parameters(native(kind))
    assert all(counts.values())
    assert sum(counts.values()) == sum(p.numel() for p in native(kind).parameters())


@pytest.mark.parametrize("part", ["vision", "projector", "decoder"])
def test_frozen_parts_do_not_move(model: Any, part: Any) -> None:
    freeze(model, [part])
    before = {name: p.clone() for name, p in model.named_parameters()}
    train_a_step(model.train())
    moved = {part_of(name) for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert moved == {"vision", "projector", "decoder"} - {part}


def test_freezing_again_thaws_the_others(model: Any) -> None:
    freeze(model)
    freeze(model, ["vision"])
    assert all(p.requires_grad == (part_of(name) != "vision") for name, p in model.named_parameters())


@pytest.mark.parametrize("parts", [["decoder"], ["vision"], ["vision", "projector", "decoder"]])
def test_lora_goes_where_it_was_asked_for(model: Any, parts: Any) -> None:
    add_lora(model, parts, rank=2, alpha=4)
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    assert {part_of(name) for name in trained} == set(parts)
    assert all("lora_" in name for name in trained)


@pytest.mark.parametrize("kind", ["gemma3", "llava"])
def test_decoder_lora_leaves_native_towers_alone(kind: Any) -> None:
    targets = lora_targets(native(kind), ["decoder"])
    assert targets
    assert not any("vision" in target or "lm_head" in target for target in targets)


def test_adapters_start_as_nothing_and_turn_off(model: Any) -> None:
    before = logits(model)
    add_lora(model, ["decoder"], rank=2)
    torch.testing.assert_close(logits(model), before)
    train_a_step(model)
    assert (logits(model) - before).abs().max() > 1e-3
    model.disable_adapters()
    torch.testing.assert_close(logits(model), before)


def test_adapters_are_saved_apart_and_reload(model: Any, make_vlm: Any, tokenizer: Any, tmp_path: Path) -> None:
    add_lora(model, ["decoder", "vision"], rank=2, also_train=["projector"])
    train_a_step(model)
    save_lora(model, tmp_path)
    assert not (tmp_path / "model.safetensors").exists()
    names = load_file(tmp_path / "adapter_model.safetensors").keys()
    assert all("lora_" in name or "multi_modal_projector" in name for name in names)
    again = make_vlm(tokenizer)[0]
    load_lora(again, tmp_path)
    torch.testing.assert_close(logits(again), logits(model))


def test_unknown_parts_are_named(model: Any) -> None:
    with pytest.raises(ValueError, match=r"Unknown part.*visoin"):
        freeze(model, ["visoin"])
    with pytest.raises(ValueError, match="Unknown part"):
        add_lora(model, ["head"])
    with pytest.raises(ValueError, match="needs no adapters"):
        add_lora(model, ["vision"], also_train=["decoder"])


def test_adapters_of_another_model_are_refused(model: Any, make_vlm: Any, tokenizer: Any, tmp_path: Path) -> None:
    add_lora(model, ["decoder"], rank=2)
    save_lora(model, tmp_path)
    other = make_vlm(tokenizer, "llama", decoder={"model_type": "llama", "hidden_size": 32, "num_hidden_layers": 1})[0]
    with pytest.raises(WeightsError, match="cannot be loaded"):
        load_lora(other, tmp_path)


def test_incomplete_adapters_are_refused(model: Any, make_vlm: Any, tokenizer: Any, tmp_path: Path) -> None:
    add_lora(model, ["decoder"], rank=2, also_train=["projector"])
    save_lora(model, tmp_path)
    weights = load_file(tmp_path / "adapter_model.safetensors")
    for dropped in (next(k for k in weights if "lora_A" in k), next(k for k in weights if "projector" in k)):
        save_file({k: v for k, v in weights.items() if k != dropped}, tmp_path / "adapter_model.safetensors")
        with pytest.raises(WeightsError, match=r"1 weights are missing|cannot be loaded: .*projector"):
            load_lora(make_vlm(tokenizer)[0], tmp_path)


def test_pickled_and_missing_adapters_are_refused(model: Any, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"no adapter_config\.json"):
        load_lora(model, tmp_path)
    (tmp_path / "adapter_config.json").write_text("{}")
    (tmp_path / "adapter_model.bin").write_bytes(b"\x80\x04")
    with pytest.raises(WeightsError, match=r"adapter_model\.bin is a pickle"):
        load_lora(model, tmp_path)
