from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoProcessor

from medvlm.models import add_lora, load_vlm, save_lora
from medvlm.study import WeightsError


class Bomb:
    """Leaves a trace if it is ever unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> Any:
        return Path.touch, (self.trace,)


@pytest.fixture
def folder(vlm: Any, tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    vlm[0].save_pretrained(folder)
    vlm[1].save_pretrained(folder)
    return folder


def change(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_loaded_model_is_the_saved_one_in_evaluation_mode(folder: Path, vlm: Any) -> None:
    model, processor = load_vlm(folder)
    assert not model.training
    assert processor.token_ids("<image>a") == vlm[1].token_ids("<image>a")
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), vlm[0].parameters(), strict=True))


def test_adapter_beside_the_model(folder: Path, tmp_path: Path) -> None:
    model, _ = load_vlm(folder)
    add_lora(model, rank=2)
    torch.nn.init.ones_(next(p for name, p in model.named_parameters() if "lora_B" in name))
    save_lora(model, tmp_path / "adapter")
    again, _ = load_vlm(folder, adapter=tmp_path / "adapter")
    ids = torch.tensor([[40, 41]])
    torch.testing.assert_close(again(input_ids=ids).logits, model.eval()(input_ids=ids).logits)


def test_dtype_can_be_chosen(folder: Path) -> None:
    assert load_vlm(folder, dtype=torch.bfloat16)[0].dtype == torch.bfloat16


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "weights.pth"])
def test_pickles_are_refused_and_never_run(folder: Path, tmp_path: Path, name: str) -> None:
    (folder / "model.safetensors").unlink()
    (folder / name).write_bytes(pickle.dumps(Bomb(tmp_path / "exploded")))
    with pytest.raises(WeightsError, match=f"{name} is a pickle.*refused"):
        load_vlm(folder)
    assert not (tmp_path / "exploded").exists()


def test_pickle_renamed_to_safetensors_is_refused_and_never_run(folder: Path, tmp_path: Path) -> None:
    (folder / "model.safetensors").write_bytes(pickle.dumps(Bomb(tmp_path / "exploded")))
    with pytest.raises(WeightsError, match="cannot be loaded"):
        load_vlm(folder)
    assert not (tmp_path / "exploded").exists()


def test_truncated_weights(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(WeightsError, match="cannot be loaded"):
        load_vlm(folder)


def test_empty_weights(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"")
    with pytest.raises(WeightsError, match="cannot be loaded"):
        load_vlm(folder)


def test_no_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"no model\.safetensors"):
        load_vlm(folder)


def test_text_only_model(vlm: Any, tmp_path: Path) -> None:
    vlm[0].get_decoder().save_pretrained(tmp_path)
    with pytest.raises(WeightsError, match="'qwen3' model, which does not read images"):
        load_vlm(tmp_path)


def test_weights_of_another_architecture(folder: Path, vlm: Any) -> None:
    vlm[0].get_encoder("image").save_pretrained(folder / "tower")
    (folder / "tower" / "model.safetensors").replace(folder / "model.safetensors")
    with pytest.raises(WeightsError, match=r"another architecture: .* are missing"):
        load_vlm(folder)


def test_weights_of_another_size(folder: Path, make_vlm: Any, tokenizer: Any) -> None:
    other, _ = make_vlm(tokenizer, decoder={"model_type": "qwen3", "hidden_size": 32, "num_hidden_layers": 2})
    other.save_pretrained(folder / "other")
    (folder / "other" / "model.safetensors").replace(folder / "model.safetensors")
    with pytest.raises(WeightsError):
        load_vlm(folder)


def test_processor_of_another_model(folder: Path) -> None:
    change(folder / "processor_config.json", image_seq_length=9)
    with pytest.raises(WeightsError, match=r"writes \(9, 8\) placeholders .* the model has \(4, 8\)"):
        load_vlm(folder)


def test_missing_folders_and_files(tmp_path: Path, folder: Path) -> None:
    for missing in (tmp_path / "nothing", "./nothing", tmp_path / "a" / "b" / "c"):
        with pytest.raises(WeightsError, match="There is no folder"):
            load_vlm(missing)
    with pytest.raises(WeightsError, match="is a file"):
        load_vlm(folder / "config.json")
    with pytest.raises(WeightsError, match=r"no config\.json"):
        load_vlm(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"model_type": "no_such_model"}'])
def test_damaged_or_unknown_configuration(folder: Path, text: str) -> None:
    (folder / "config.json").write_text(text)
    with pytest.raises(WeightsError):
        load_vlm(folder)


def test_remote_code_is_not_run(folder: Path, tmp_path: Path) -> None:
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'exploded')!r}, 'w')\nclass Config: ...\n")
    change(folder / "config.json", model_type="evil", auto_map={"AutoConfig": "evil.Config"})
    with pytest.raises(WeightsError):
        load_vlm(folder)
    assert not (tmp_path / "exploded").exists()


def test_recipes_that_are_no_recipes(folder: Path) -> None:
    path = folder / "processor_config.json"
    config = json.loads(path.read_text())
    config["image_processor"]["recipes"] = [{"name": "x", "modalities": ["CT"], "windos": None}]
    path.write_text(json.dumps(config))
    with pytest.raises(WeightsError, match="windos"):
        load_vlm(folder)
    with pytest.raises(ValueError, match="windos"):
        AutoProcessor.from_pretrained(folder)
