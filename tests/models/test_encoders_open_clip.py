"""open_clip models: patch tokens of the image tower, and both towers for zero-shot."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub.errors import GatedRepoError
from safetensors.torch import save_file

from medvlm.models import build_vlm, encoder_spec, tiny_decoder
from medvlm.models.build import find_spec
from medvlm.models.encoders import encode, encode_images, encode_text, load_open_clip, recognise
from medvlm.study import WeightsError

open_clip: Any = import_module("open_clip")
CONFIG: dict[str, Any] = {
    "embed_dim": 16,
    "vision_cfg": {
        "image_size": 32,
        "patch_size": 16,
        "width": 32,
        "layers": 2,
        "head_width": 16,
        "patch_dropout": 0.5,
    },
    "text_cfg": {"context_length": 12, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}
TRUNK = {"timm_model_name": "test_vit", "timm_pool": "", "timm_proj": "linear", "image_size": 224}


def write(folder: Path, config: dict[str, Any] = CONFIG) -> Any:
    torch.manual_seed(0)
    model = open_clip.CLIP(**config).eval()
    said = {"model_cfg": config, "preprocess_cfg": {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]}}
    (folder / "open_clip_config.json").write_text(json.dumps(said))
    save_file(
        {name: value.contiguous() for name, value in model.state_dict().items()}, folder / "open_clip_model.safetensors"
    )
    return model


def test_tokens_of_a_folder_are_those_of_open_clip(tmp_path: Path) -> None:
    model = write(tmp_path)
    spec, pixels = find_spec(str(tmp_path)), torch.randn(2, 3, 32, 32)
    tower = spec.build()
    assert (recognise(str(tmp_path)), spec.mean, spec.std) == ("open_clip_vision", (0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    model.visual.output_tokens, model.visual.proj = True, None
    _, expected = model.visual(pixels)
    torch.testing.assert_close(encode(tower.eval(), pixels, spec.traits), expected)
    assert encode(tower.train(), pixels, spec.traits).shape == (2, 4, 32)  # none dropped while training


def test_a_trunk_of_timm_keeps_its_own_image_size(tmp_path: Path) -> None:
    """open_clip's image_size does not resize the trunk of a BiomedCLIP; its own 160 pixels hold."""
    model = write(tmp_path, {**CONFIG, "vision_cfg": TRUNK})
    spec = find_spec(str(tmp_path))
    pixels = torch.randn(1, 3, 160, 160)
    assert (spec.image_size, spec.traits.grid) == ((160, 160), (10, 10))
    torch.testing.assert_close(
        encode(spec.build().eval(), pixels, spec.traits), model.visual.trunk.forward_features(pixels)[:, 1:]
    )


def test_texts_and_images_share_a_space(tmp_path: Path) -> None:
    model, texts = write(tmp_path), ["no effusion", "pleural effusion", "nodule"]
    pair, pixels = load_open_clip(str(tmp_path)), torch.randn(2, 3, 32, 32)
    found = encode_text(pair, texts, batch=2)
    ids = open_clip.SimpleTokenizer(context_length=12)(texts)
    torch.testing.assert_close(found, model.encode_text(ids, normalize=True))
    torch.testing.assert_close(found.norm(dim=-1), torch.ones(3))
    torch.testing.assert_close(encode_images(pair, pixels), model.encode_image(pixels, normalize=True))
    with pytest.raises(ValueError, match="one or more texts"):
        encode_text(pair, "one")


def test_an_open_clip_folder_is_the_encoder_of_a_model(tmp_path: Path, tokenizer: Any) -> None:
    write(tmp_path)
    decoder = tiny_decoder(width=64, layers=2)
    model, processor = build_vlm(encoder=str(tmp_path), decoder=decoder, tokenizer=tokenizer)
    spec = find_spec(str(tmp_path))
    state = model.model.vision_tower.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in spec.build().state_dict().items())
    assert processor.count_tokens("image") == spec.tokens() == 4


def test_pickled_and_other_weights_are_refused(tmp_path: Path) -> None:
    write(tmp_path)
    said = json.loads((tmp_path / "open_clip_config.json").read_text())
    said["model_cfg"]["vision_cfg"]["layers"] = 3
    (tmp_path / "open_clip_config.json").write_text(json.dumps(said))
    with pytest.raises(WeightsError, match="12 are missing"):
        find_spec(str(tmp_path)).build()
    (tmp_path / "open_clip_model.safetensors").rename(tmp_path / "open_clip_pytorch_model.bin")
    with pytest.raises(WeightsError, match=r"pickled weights.*are refused"):
        find_spec(str(tmp_path)).build()
    with pytest.raises(WeightsError, match="no architecture 'ViT-Z'"):
        encoder_spec("open_clip:ViT-Z")


def test_conch_says_its_licence(monkeypatch: pytest.MonkeyPatch) -> None:
    class Response:
        headers: dict[str, str] = {}  # noqa: RUF012
        request = None

    def refuse(*_: Any) -> None:
        raise GatedRepoError("403", response=Response())  # type: ignore[arg-type]

    monkeypatch.setattr("medvlm.models.encoders.open_clip_files.hf_hub_download", refuse)
    with pytest.raises(WeightsError, match=r"(?s)MahmoodLab/CONCH \(448.*CC-BY-NC-ND.*institution's e-mail"):
        find_spec("MahmoodLab/CONCH")
