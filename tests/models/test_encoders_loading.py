"""Encoders from a folder or the Hub: which family it is, what it says of itself, and why it cannot be had."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from huggingface_hub.errors import GatedRepoError, LocalEntryNotFoundError
from safetensors.torch import load_file, save_file
from transformers import (
    CLIPConfig,
    CLIPModel,
    Siglip2Config,
    Siglip2Model,
    SiglipConfig,
    SiglipModel,
)

from medvlm.models import encoder_spec
from medvlm.models.build import find_spec
from medvlm.models.encoders import KNOWN, encode, list_encoders, recognise
from medvlm.study import WeightsError

TINY = {"image_size": 32, "patch_size": 16, "width": 32, "layers": 2, "heads": 2}
NUMBERS = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
TEXT = {**NUMBERS, "vocab_size": 50, "projection_dim": 16}
SQUARE = {**NUMBERS, "image_size": 32, "patch_size": 16, "projection_dim": 16}
FLEXIBLE = {**NUMBERS, "num_patches": 4, "patch_size": 16}


@pytest.mark.parametrize("family", ["siglip", "siglip2", "clip", "dinov2"])
def test_a_folder_is_recognised_and_gives_the_same_tokens(family: str, tmp_path: Path) -> None:
    tiny = encoder_spec(f"{family}_tiny", **TINY)
    tower = tiny.build(seed=3).eval()
    tower.save_pretrained(tmp_path)
    spec, pixels = find_spec(str(tmp_path)), torch.randn(1, 3, 32, 32)
    assert (recognise(str(tmp_path)), spec.mean, spec.tokens()) == (family, tiny.mean, 4)
    assert torch.equal(encode(spec.build().eval(), pixels, spec.traits), encode(tower, pixels, tiny.traits))


@pytest.mark.parametrize(
    ("family", "full"),
    [
        ("siglip", lambda: SiglipModel(SiglipConfig(text_config=TEXT, vision_config=SQUARE))),
        ("siglip2", lambda: Siglip2Model(Siglip2Config(text_config=TEXT, vision_config=FLEXIBLE))),
        ("clip", lambda: CLIPModel(CLIPConfig(text_config=TEXT, vision_config=SQUARE))),
    ],
)
def test_tower_of_a_full_checkpoint(family: str, full: Any, tmp_path: Path) -> None:
    model: Any = full().eval()
    model.save_pretrained(tmp_path)
    spec, pixels = find_spec(str(tmp_path)), torch.randn(1, 3, 32, 32)
    assert recognise(str(tmp_path)) == family
    tokens = encode(spec.build().eval(), pixels, spec.traits)
    torch.testing.assert_close(tokens, encode(model.vision_model, pixels, spec.traits))


def test_the_preprocessor_of_a_checkpoint_gives_its_normalisation(tmp_path: Path) -> None:
    encoder_spec("dinov2_tiny", **TINY).build().save_pretrained(tmp_path)
    said = {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6]}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(said))
    spec = find_spec(str(tmp_path))
    assert (spec.mean, spec.std) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))


def test_positions_of_a_checkpoint_are_interpolated(tmp_path: Path) -> None:
    encoder_spec("dinov2_tiny", **TINY).build().save_pretrained(tmp_path)
    spec = encoder_spec("dinov2", weights=str(tmp_path), image_size=64)
    assert encode(spec.build(), torch.randn(1, 3, 64, 64), spec.traits).shape == (1, 16, 32)


def test_a_timm_checkpoint_says_its_own_numbers(tmp_path: Path) -> None:
    spec = encoder_spec("timm_vit_tiny", image_size=32, patch_size=16, width=48, layers=2)
    tower = spec.build().eval()
    _save_as_timm(tower, tmp_path, {"mean": [0.1] * 3, "std": [0.2] * 3, "input_size": [3, 32, 32]})
    again, pixels = find_spec(str(tmp_path)), torch.randn(1, 3, 32, 32)
    assert (again.mean, again.std, again.image_size) == ((0.1,) * 3, (0.2,) * 3, (32, 32))
    assert torch.equal(encode(again.build().eval(), pixels, again.traits), encode(tower, pixels, spec.traits))


def test_layer_scale_is_not_dropped_in_silence(tmp_path: Path) -> None:
    """A checkpoint of UNI's kind in a plain ViT would load, and be wrong."""
    tower = encoder_spec("timm:vit_tiny_patch16_224", image_size=32, depth=1, init_values=1e-5).build()
    _save_as_timm(tower, tmp_path, {"input_size": [3, 32, 32]}, depth=1)
    with pytest.raises(WeightsError, match=r"no place for .*ls1"):
        find_spec(str(tmp_path)).build()
    spec = encoder_spec("timm_model", weights=str(tmp_path), init_values=1e-5)
    assert any("ls1" in name for name, _ in spec.build().named_parameters())


def _save_as_timm(tower: Any, folder: Path, published: dict[str, Any], **arguments: Any) -> None:
    """As timm writes it: bare parameter names, its own config.json."""
    tower.save_pretrained(folder)
    state = load_file(folder / "model.safetensors")
    save_file({name.removeprefix("timm_model."): value for name, value in state.items()}, folder / "model.safetensors")
    numbers = {
        name: value for name, value in tower.config.model_args.items() if name not in ("img_size", "init_values")
    }
    config = {"architecture": tower.config.architecture, "num_classes": 0, "model_args": {**numbers, **arguments}}
    (folder / "config.json").write_text(json.dumps({**config, "pretrained_cfg": {"tag": "x", **published}}))


def test_other_kinds_are_refused(vlm: Any, tmp_path: Path) -> None:
    vlm[0].get_decoder().save_pretrained(tmp_path)
    with pytest.raises(WeightsError, match="holds a 'qwen3', expected siglip or siglip_vision_model"):
        encoder_spec("siglip", weights=str(tmp_path))
    with pytest.raises(WeightsError, match=r"holds a 'qwen3', expected siglip, .*timm_wrapper"):
        find_spec(str(tmp_path))


def test_known_names_have_a_family() -> None:
    assert {known.family for known in KNOWN.values()} <= {*list_encoders(), "open_clip_vision"}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("google/medsiglip-448", "448 pixels a side.*Health AI Developer Foundations.*accept the terms.*hf auth login"),
        ("paige-ai/Virchow2", "224 pixels a side.*CC-BY-NC-ND-4.0.*institution's e-mail.*hf auth login"),
        ("org/unheard-of", "gated.*https://huggingface.co/org/unheard-of"),
    ],
)
def test_closed_weights_say_licence_and_the_way_in(name: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    response: Any = SimpleNamespace(headers={}, request=None, status_code=403)
    _break_hub(monkeypatch, GatedRepoError("Access is restricted", response=response))
    with pytest.raises(WeightsError, match=rf"(?s){said}"):
        find_spec(name)


def test_open_weights_without_a_network_say_how_to_fetch_them(monkeypatch: pytest.MonkeyPatch) -> None:
    _break_hub(monkeypatch, LocalEntryNotFoundError("no network"))
    with pytest.raises(WeightsError, match=r"(?s)rad-dino \(518.*MIT.*open to everybody.*Then fetch it") as caught:
        find_spec("microsoft/rad-dino")
    assert "hf auth login" not in str(caught.value)
    with pytest.raises(
        WeightsError, match=r"(?s)its licence is on https://huggingface.co/org/other.*hf download org/other"
    ):
        find_spec("org/other")


def _break_hub(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError("cannot be had") from error

    monkeypatch.setattr("transformers.AutoConfig.from_pretrained", refuse)
