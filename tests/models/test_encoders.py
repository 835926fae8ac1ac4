"""Every registered encoder keeps the same promises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModel, CLIPVisionConfig, Dinov2Config, PreTrainedConfig, SiglipConfig, SiglipModel

from medvlm.models import MedVLMForConditionalGeneration, create_encoder, encoder_spec, list_encoders, register_encoder
from medvlm.models.encoders import EncoderSpec, encode, read_traits
from medvlm.models.parts import checkpoint_activations
from medvlm.study import WeightsError

SMALL: dict[str, dict[str, Any]] = {
    "siglip": {"image_size": 28, "patch_size": 14, "width": 32, "layers": 3, "heads": 2, "hidden": 64},
    "siglip_tiny": {"image_size": 32, "patch_size": 16, "width": 32, "layers": 3, "heads": 2},
    "timm_vit": {"model": "vit_tiny_patch16_224", "image_size": 32, "depth": 3, "embed_dim": 48, "num_heads": 3},
}
OTHERS = {
    "dinov2": Dinov2Config(image_size=28, patch_size=14, hidden_size=32, num_hidden_layers=2, num_attention_heads=2),
    "clip": CLIPVisionConfig(
        image_size=32, patch_size=16, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2
    ),
}


def outside() -> EncoderSpec:
    """An encoder that only this file knows."""
    return EncoderSpec(OTHERS["dinov2"])


def specs() -> list[Any]:
    named = [pytest.param(encoder_spec(name, **SMALL[name]), id=name) for name in list_encoders()]
    return named + [pytest.param(EncoderSpec(config), id=name) for name, config in OTHERS.items()]


def test_no_registered_encoder_goes_untested() -> None:
    assert set(SMALL) == set(list_encoders())


@pytest.mark.parametrize("spec", specs())
@pytest.mark.parametrize("layer", [-1, -2])
def test_as_many_tokens_come_out_as_were_announced(spec: EncoderSpec, layer: int) -> None:
    tower = spec.build().eval()
    tokens = encode(tower, torch.randn(2, 3, *spec.image_size), spec.traits, layer)
    assert tokens.shape == (2, spec.tokens(), spec.traits.width)


@pytest.mark.parametrize("spec", specs())
def test_patch_order_is_rows_then_columns(spec: EncoderSpec) -> None:
    """The last token depends most on the pixels of the last patch."""
    torch.manual_seed(0)
    tower = spec.build().eval()
    pixels = torch.randn(1, 3, *spec.image_size, requires_grad=True)
    (encode(tower, pixels, spec.traits)[0, -1] @ torch.randn(spec.traits.width)).backward()
    assert pixels.grad is not None
    energy = torch.nn.functional.adaptive_avg_pool2d(pixels.grad.square().sum(1), spec.traits.grid).flatten()
    assert int(energy.argmax()) == spec.tokens() - 1


@pytest.mark.parametrize("spec", specs())
def test_composed_model_trains_saves_and_checkpoints(
    spec: EncoderSpec, make_vlm: Any, tokenizer: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("medvlm.models.build.find_spec", lambda _: spec)
    model, processor = make_vlm(tokenizer, projector={"kind": "linear"})
    inputs = {
        "input_ids": torch.tensor([processor.token_ids("<image>effusion")]),
        "pixel_values": torch.randn(1, 3, *spec.image_size),
    }
    with torch.no_grad():
        before = model(**inputs).logits
    model.save_pretrained(tmp_path)
    again = MedVLMForConditionalGeneration.from_pretrained(tmp_path).eval()
    with torch.no_grad():
        assert torch.equal(again(**inputs).logits, before)
    plain = _vision_gradients(model.train(), inputs)
    checkpoint_activations(model)
    for name, value in _vision_gradients(model, inputs).items():
        torch.testing.assert_close(value, plain[name], atol=1e-6, rtol=1e-4)


def _vision_gradients(model: Any, inputs: Any) -> dict[str, torch.Tensor]:
    model.zero_grad()
    torch.manual_seed(0)
    model(**inputs, labels=inputs["input_ids"]).loss.backward()
    found = {name: p.grad.clone() for name, p in model.model.vision_tower.named_parameters() if p.grad is not None}
    assert any(value.abs().max() > 0 for value in found.values())
    return found


def test_traits_need_no_weights(monkeypatch: Any) -> None:
    def refuse(linear: torch.nn.Linear) -> None:
        assert linear.weight.is_meta, "weights were allocated"

    monkeypatch.setattr(torch.nn.Linear, "reset_parameters", refuse)
    assert encoder_spec("siglip").tokens() == 1024
    assert encoder_spec("timm_vit", model="vit_base_patch16_224").tokens() == 196
    assert encoder_spec("timm_vit", model="vit_small_patch14_dinov2", image_size=518).traits.prefix == 1


def test_medsiglip_numbers() -> None:
    traits = read_traits(encoder_spec("siglip").config)
    assert (traits.width, traits.grid, traits.prefix) == (1152, (32, 32), 0)


def test_registers_count_as_prefix() -> None:
    assert encoder_spec("timm_vit", model="vit_small_patch14_reg4_dinov2", image_size=56).traits.prefix == 5


def test_tower_of_a_full_siglip_checkpoint(tmp_path: Path) -> None:
    numbers = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    full = SiglipModel(
        SiglipConfig(
            text_config={**numbers, "vocab_size": 50}, vision_config={**numbers, "image_size": 32, "patch_size": 16}
        )
    ).eval()
    full.save_pretrained(tmp_path)
    spec = encoder_spec("siglip", weights=str(tmp_path))
    pixels = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        expected = full.vision_model(pixels).last_hidden_state
        torch.testing.assert_close(encode(spec.build().eval(), pixels, spec.traits), expected)


def test_own_encoder_by_its_path(tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "my_encoders.py").write_text(
        "from medvlm.models import encoder_spec\n"
        "def half(*, width):\n"
        "    return encoder_spec('siglip_tiny', width=width, image_size=32, layers=1)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert encoder_spec("my_encoders:half", width=8).traits.width == 8
    with pytest.raises(ValueError, match="my_encoders has no 'quarter'"):
        encoder_spec("my_encoders:quarter")
    with pytest.raises(ValueError, match="no_such_package"):
        encoder_spec("no_such_package:build")


def test_unknown_names_and_options_are_explained() -> None:
    with pytest.raises(ValueError, match="Nearest: siglip_tiny"):
        create_encoder("siglip_tinny")
    with pytest.raises(TypeError, match="depht"):
        encoder_spec("siglip_tiny", depht=3)
    with pytest.raises(WeightsError, match="no architecture 'vit_giga'"):
        encoder_spec("timm_vit", model="vit_giga")
    with pytest.raises(ValueError, match="already registered"):
        register_encoder(_named("siglip"))


def test_networks_without_patches_are_refused() -> None:
    with pytest.raises(ValueError, match="no vision transformer"):
        encoder_spec("timm_vit", model="resnet18").tokens()


def test_configuration_without_prefix_tokens_is_refused() -> None:
    with pytest.raises(ValueError, match="num_prefix_tokens"):
        read_traits(PreTrainedConfig())


def test_weights_of_another_kind_are_refused(vlm: Any, tmp_path: Path) -> None:
    vlm[0].get_decoder().save_pretrained(tmp_path)
    with pytest.raises(WeightsError, match="expected siglip"):
        encoder_spec("siglip", weights=str(tmp_path))


def test_towers_are_rebuilt_by_transformers_alone() -> None:
    tower = AutoModel.from_config(encoder_spec("siglip_tiny", **SMALL["siglip_tiny"]).config)
    assert type(tower).__name__ == "SiglipVisionModel"


def _named(name: str) -> Any:
    def build() -> EncoderSpec:
        return outside()

    build.__name__ = name
    return build
