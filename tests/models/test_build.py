from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, SiglipVisionModel

from medvlm.models import build_vlm, count_parameters, plan_source, plan_vlm, tiny_decoder, tiny_vlm
from medvlm.recipes import RECIPES
from medvlm.study import WeightsError

MEDSIGLIP = {"name": "siglip"}
QWEN3_4B = {
    "model_type": "qwen3",
    "vocab_size": 151936,
    "hidden_size": 2560,
    "intermediate_size": 9728,
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "max_position_embeddings": 40960,
    "tie_word_embeddings": True,
}


@pytest.fixture
def decoder_folder(tokenizer: Any, tmp_path: Path) -> Path:
    numbers = tiny_decoder(width=64, layers=2, vocab_size=len(tokenizer) - 4)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**numbers))
    model.save_pretrained(tmp_path / "decoder")
    tokenizer.save_pretrained(tmp_path / "decoder")
    return tmp_path / "decoder"


@pytest.fixture
def tower_folder(vlm: Any, tmp_path: Path) -> Path:
    vlm[0].get_encoder("image").save_pretrained(tmp_path / "tower")
    return tmp_path / "tower"


def test_tiny_model_is_tiny(tokenizer: Any) -> None:
    model, processor = tiny_vlm(tokenizer)
    assert 1_000_000 < sum(p.numel() for p in model.parameters()) < 5_000_000
    assert processor.count_tokens("image") == 16


def test_meta_build_has_no_storage(tokenizer: Any) -> None:
    model, processor = tiny_vlm(tokenizer, meta=True)
    real, _ = tiny_vlm(tokenizer)
    assert {p.device.type for p in model.parameters()} == {"meta"}
    assert count_parameters(model) == count_parameters(real)
    assert processor.count_tokens("volume") == model.config.volume_tokens == 64


def test_pretrained_parts_are_taken_as_they_are(decoder_folder: Path, tower_folder: Path, vlm: Any) -> None:
    model, processor = build_vlm(encoder=str(tower_folder), decoder=str(decoder_folder))
    tower = SiglipVisionModel.from_pretrained(tower_folder)
    native = AutoModelForCausalLM.from_pretrained(decoder_folder)
    assert all(
        torch.equal(a, b) for a, b in zip(model.model.vision_tower.parameters(), tower.parameters(), strict=True)
    )
    old: Any = native.get_input_embeddings().weight
    new: Any = model.get_input_embeddings().weight
    assert torch.equal(new[: len(old)], old)
    assert len(new) == len(processor.tokenizer)
    assert model.lm_head.weight is new
    assert not any(p.is_meta for p in [*model.parameters(), *model.buffers()])


def test_pretrained_parts_answer_and_reload(decoder_folder: Path, tower_folder: Path, tmp_path: Path) -> None:
    model, processor = build_vlm(encoder=str(tower_folder), decoder=str(decoder_folder))
    inputs = {
        "input_ids": torch.tensor([processor.token_ids("<image>effusion")]),
        "pixel_values": torch.randn(1, 3, 32, 32),
    }
    model.eval().save_pretrained(tmp_path / "whole")
    again = type(model).from_pretrained(tmp_path / "whole").eval()
    with torch.no_grad():
        assert torch.equal(again(**inputs).logits, model(**inputs).logits)


def test_pretrained_build_repeats_with_its_seed(decoder_folder: Path) -> None:
    encoder = {"name": "siglip_tiny", "image_size": 32, "width": 32, "layers": 1, "heads": 2}
    one, other = (build_vlm(encoder=encoder, decoder=str(decoder_folder))[0].state_dict() for _ in range(2))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_building_leaves_the_random_state_alone(tokenizer: Any) -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    tiny_vlm(tokenizer)
    assert torch.equal(torch.rand(1), expected)


def test_recipes_take_the_encoders_size(tokenizer: Any) -> None:
    _, processor = tiny_vlm(tokenizer, image_size=96, recipes=[RECIPES["cxr"]])
    (recipe,) = processor.image_processor.intensity_recipes
    assert (recipe.name, recipe.size) == ("cxr", (96, 96))


def test_pickled_decoders_are_refused(decoder_folder: Path) -> None:
    (decoder_folder / "model.safetensors").rename(decoder_folder / "pytorch_model.bin")
    with pytest.raises(WeightsError, match="is a pickle"):
        build_vlm(decoder=str(decoder_folder))


@pytest.mark.parametrize(
    ("decoder", "message"),
    [
        ({"hidden_size": 8}, "model_type=None is unknown"),
        ({"model_type": "gpt17"}, "'gpt17' is unknown"),
        ({"model_type": "gemma3"}, "more than a text decoder"),
    ],
)
def test_decoders_that_cannot_be_composed(tokenizer: Any, decoder: Any, message: Any) -> None:
    with pytest.raises(WeightsError, match=message):
        build_vlm(decoder=decoder, tokenizer=tokenizer)


def test_numbers_without_a_tokenizer() -> None:
    with pytest.raises(ValueError, match="give tokenizer=train_tokenizer"):
        build_vlm(decoder=tiny_decoder())


def test_plan_of_the_full_size_model() -> None:
    plan = plan_vlm(encoder=MEDSIGLIP, decoder=QWEN3_4B, projector={"kind": "mlp", "merge": 2})
    assert plan.parameters["decoder"] == pytest.approx(4.02e9, rel=0.01)
    assert plan.parameters["vision"] == pytest.approx(4.13e8, rel=0.02)
    assert (plan.image_tokens, plan.volume_tokens, plan.max_positions) == (256, 64, 40960)
    assert plan.downloads == ()


def test_plan_of_a_saved_model(vlm: Any, tmp_path: Path) -> None:
    vlm[0].save_pretrained(tmp_path)
    plan = plan_source(tmp_path)
    assert plan.parameters == count_parameters(vlm[0])
    assert plan.total == sum(p.numel() for p in vlm[0].parameters())


def test_a_decoder_without_a_tokenizer_is_refused(decoder_folder: Path) -> None:
    for file in decoder_folder.glob("tokenizer*"):
        file.unlink()
    with pytest.raises(WeightsError, match="holds no tokenizer"):
        build_vlm(decoder=str(decoder_folder))
