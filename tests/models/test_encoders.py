"""Every registered encoder keeps the same promises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from transformers import (
    AutoModel,
    Dinov2Config,
    PreTrainedConfig,
)
from transformers.models.siglip2.image_processing_siglip2 import Siglip2ImageProcessor

from medvlm.models import MedVLMForConditionalGeneration, create_encoder, encoder_spec, list_encoders, register_encoder
from medvlm.models.encoders import EncoderSpec, encode, read_traits
from medvlm.models.encoders.open_clip_vision import OpenClipVisionConfig
from medvlm.models.parts import checkpoint_activations
from medvlm.study import WeightsError

TINY = {"image_size": 32, "patch_size": 16, "width": 32, "layers": 3, "heads": 2}
SMALL: dict[str, dict[str, Any]] = {
    "siglip": {"image_size": 28, "patch_size": 14, "width": 32, "layers": 3, "heads": 2, "hidden": 64},
    "siglip_tiny": TINY,
    "siglip2": {**TINY, "hidden": 64},
    "siglip2_tiny": TINY,
    "clip": {**TINY, "hidden": 64},
    "clip_tiny": TINY,
    "dinov2": {"image_size": 28, "patch_size": 14, "width": 32, "layers": 3, "heads": 2},
    "dinov2_tiny": {**TINY, "registers": 2},
    "timm_model": {"model": "vit_tiny_patch16_224", "image_size": 32, "depth": 3, "embed_dim": 48, "num_heads": 3},
    "timm_vit_tiny": {**TINY, "heads": 4},
    "resnet_tiny": {"image_size": 64},
    "swin_tiny": {"image_size": 32, "width": 16},
    "virchow2_tiny": {"image_size": 32},
    "open_clip_tiny": TINY,
    "fused": {"parts": [{"name": "clip_tiny", **TINY}, {"name": "resnet_tiny", "image_size": 64}]},
    "fused_tiny": {"image_size": 32},
}
BIOMEDCLIP_TYPE = {"timm_model_name": "test_vit", "timm_pool": "", "timm_proj": "linear", "image_size": 160}
FULL = {"uni": (1024, 14, 1), "uni2_h": (1536, 16, 9), "virchow": (1280, 16, 1), "virchow2": (1280, 16, 5)}
FULL |= {"open_clip_vision": (768, 14, 0)}
STAGED = {"resnet_tiny", "swin_tiny", "fused"}
OTHERS = {
    "dinov2": Dinov2Config(image_size=28, patch_size=14, hidden_size=32, num_hidden_layers=2, num_attention_heads=2),
    "class_mean": encoder_spec("virchow2_tiny", image_size=32, class_mean=True).config,
    "biomedclip": OpenClipVisionConfig(embed_dim=32, vision_cfg=BIOMEDCLIP_TYPE),
}


def outside() -> EncoderSpec:
    """An encoder that only this file knows."""
    return EncoderSpec(OTHERS["dinov2"])


def specs() -> list[Any]:
    named = [pytest.param(encoder_spec(name, **options), id=name) for name, options in SMALL.items()]
    return named + [pytest.param(EncoderSpec(config), id=name) for name, config in OTHERS.items()]


def test_no_registered_encoder_goes_untested() -> None:
    assert set(SMALL) | set(FULL) == set(list_encoders())


@pytest.mark.parametrize("spec", specs())
@pytest.mark.parametrize("layer", [-1, -2])
def test_as_many_tokens_come_out_as_were_announced(
    spec: EncoderSpec, layer: int, request: pytest.FixtureRequest
) -> None:
    tower, pixels = spec.build().eval(), torch.randn(2, 3, *spec.image_size)
    if layer == -2 and request.node.callspec.id.split("-")[-1] in STAGED:
        with pytest.raises(ValueError, match="Read layer -1"):
            encode(tower, pixels, spec.traits, layer)
    else:
        assert encode(tower, pixels, spec.traits, layer).shape == (2, spec.tokens(), spec.traits.width)


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
    assert processor.count_tokens("image") == spec.tokens()
    inputs = {
        "input_ids": torch.tensor([processor.token_ids("<image>effusion")]),
        "pixel_values": torch.randn(1, 3, *spec.image_size),
    }
    with torch.no_grad():
        before = model(**inputs).logits
    model.save_pretrained(tmp_path)
    again = MedVLMForConditionalGeneration.from_pretrained(tmp_path).eval()
    with torch.no_grad():
        # a product with one row may be summed in another order where a file is mapped to another address
        torch.testing.assert_close(again(**inputs).logits, before, atol=1e-6, rtol=1e-6)
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
    assert encoder_spec("timm_model", model="vit_base_patch16_224").tokens() == 196
    assert encoder_spec("timm_model", model="vit_small_patch14_dinov2", image_size=518).traits.prefix == 1


def test_medsiglip_numbers() -> None:
    traits = read_traits(encoder_spec("siglip").config)
    assert (traits.width, traits.grid, traits.prefix) == (1152, (32, 32), 0)


def test_registers_count_as_prefix() -> None:
    assert encoder_spec("timm_model", model="vit_small_patch14_reg4_dinov2", image_size=56).traits.prefix == 5


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
        encoder_spec("timm:vit_giga")
    with pytest.raises(ValueError, match="already registered"):
        register_encoder(_named("siglip"))


def test_networks_without_feature_maps_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("timm.create_model", lambda *_, **__: torch.nn.Linear(1, 1))
    with pytest.raises(ValueError, match="gives no feature maps"):
        encoder_spec("timm:resnet26").tokens()


@pytest.mark.parametrize(("name", "numbers"), FULL.items())
def test_published_sizes(name: str, numbers: tuple[int, int, int]) -> None:
    """Width, side of the grid and prefix tokens as the model cards state them."""
    traits = encoder_spec(name).traits
    assert (traits.width, *traits.grid, traits.prefix) == (numbers[0], numbers[1], numbers[1], numbers[2])


@pytest.mark.parametrize(("name", "millions"), [("uni", 303), ("uni2_h", 681), ("virchow", 631), ("virchow2", 631)])
def test_published_numbers_of_parameters(name: str, millions: int) -> None:
    """As their papers state them; without SwiGLU, registers or layer scale they would differ."""
    with torch.device("meta"):
        tower = AutoModel.from_config(encoder_spec(name).config)
    assert sum(parameter.numel() for parameter in tower.parameters()) // 10**6 == millions


def test_one_token_of_a_tile_is_class_and_mean() -> None:
    spec = encoder_spec("virchow2_tiny", class_mean=True)
    tower: Any = spec.build().eval()
    pixels = torch.randn(2, 3, 64, 64)
    raw = tower.timm_model(pixels)
    expected = torch.cat([raw[:, 0], raw[:, 5:].mean(1)], -1)
    assert torch.equal(encode(tower, pixels, spec.traits)[:, 0], expected)
    with pytest.raises(ValueError, match="has none"):
        encoder_spec("timm:resnet18", class_mean=True).tokens()


def test_maps_are_those_of_timm() -> None:
    for name in ("resnet_tiny", "swin_tiny"):
        spec = encoder_spec(name)
        tower: Any = spec.build().eval()
        pixels = torch.randn(1, 3, 64, 64)
        maps = tower.timm_model.forward_features(pixels)
        flat = maps.flatten(2).transpose(1, 2) if name == "resnet_tiny" else maps.flatten(1, 2)
        torch.testing.assert_close(encode(tower, pixels, spec.traits), flat)


def test_flexible_siglip_gets_its_processors_patches() -> None:
    spec = encoder_spec("siglip2_tiny", image_size=32, patch_size=8, width=32, layers=2, heads=2)
    image = PIL.Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8))
    ready = Siglip2ImageProcessor(patch_size=8, max_num_patches=16)(image, return_tensors="pt")
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None] / 127.5 - 1
    tower = spec.build().eval()
    torch.testing.assert_close(encode(tower, pixels, spec.traits), tower(**ready).last_hidden_state)


def test_configuration_without_prefix_tokens_is_refused() -> None:
    with pytest.raises(ValueError, match="num_prefix_tokens"):
        read_traits(PreTrainedConfig())


def test_towers_are_rebuilt_by_transformers_alone() -> None:
    tower = AutoModel.from_config(encoder_spec("siglip_tiny", **SMALL["siglip_tiny"]).config)
    assert type(tower).__name__ == "SiglipVisionModel"


def _named(name: str) -> Any:
    def build() -> EncoderSpec:
        return outside()

    build.__name__ = name
    return build
