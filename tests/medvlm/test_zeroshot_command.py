"""``medvlm zeroshot``: the library's numbers, by every kind of model, and errors before any weight is read."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch.nn.functional import normalize

import medvlm
from medvlm.cli import main
from medvlm.descriptors import DESCRIPTORS
from medvlm.heads import AlignmentHeads, model_width, save_heads
from medvlm.models import load_vlm
from medvlm.study import ImageError, WeightsError

Said = Callable[..., Any]


@pytest.fixture(scope="module")
def folder(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with heads, two pictures and a file of texts."""
    place = tmp_path_factory.mktemp("aligned")
    shutil.copytree(model_folder, place / "model")
    save_heads(AlignmentHeads(model_width(load_vlm(model_folder)[0]), 16, seed=1), place / "model")
    draw = np.random.default_rng(0)
    for name in ("a.png", "b.png"):
        Image.fromarray(draw.integers(0, 256, (40, 40), np.uint8)).save(place / name)
    (place / "texts.txt").write_text("Is there a nodule?\n\nNo effusion.\nLeft side.\n")
    return place


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    """What the command prints as JSON."""

    def run(*arguments: object) -> Any:
        assert main(["zeroshot", *map(str, arguments), "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    return run


def test_findings_are_those_of_the_library(folder: Path, said: Said) -> None:
    first, second = said(folder / "model", folder / "a.png", folder / "b.png", "--findings", "cardiomegaly,Lung Lesion")
    assert (first["image"], list(first["findings"])) == (str(folder / "a.png"), ["Cardiomegaly", "Lung Lesion"])
    aligned = medvlm.load_aligned(folder / "model")
    (wanted,) = aligned.explain([folder / "b.png"], {"Cardiomegaly": DESCRIPTORS["Cardiomegaly"]})
    found = second["findings"]["Cardiomegaly"]
    assert found["probability"] == pytest.approx(wanted[0].probability, abs=1e-6)
    assert found["observations"] == pytest.approx(dict(wanted[0].observations), abs=1e-6)


def test_all_findings_are_asked_for_where_none_is_named(folder: Path, said: Said) -> None:
    (found,) = said(folder / "model", folder / "a.png", "--findings")
    assert set(found["findings"]) == set(DESCRIPTORS)


def test_labels_sum_to_one_and_texts_are_sorted(folder: Path, said: Said) -> None:
    (one,) = said(folder / "model", folder / "a.png", "--labels", "nodule, left effusion")
    assert sum(one["labels"].values()) == pytest.approx(1)
    assert list(one["labels"]) == ["nodule", "left effusion"]
    (two,) = said(folder / "model", folder / "a.png", "--texts", folder / "texts.txt", "--top", 2)
    first, second = two["texts"]
    assert 1 >= first["similarity"] >= second["similarity"] >= -1


def test_a_reader_sees_the_observations(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["zeroshot", str(folder / "model"), str(folder / "a.png"), "--findings", "Lung Lesion"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].endswith("a.png")
    assert shown[1].endswith("  Lung Lesion")
    assert "round opacity 0." in shown[2]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--labels", ""), "none empty"),
        (("--labels", "nodule,,effusion"), "none empty"),
        (("--labels", "nodule"), "at least two"),
        (("--findings", "Lung Lesion,nodul"), "nodul: nothing says what that looks like"),
        (("--texts", "absent.txt"), "absent.txt"),
    ],
)
def test_mistakes_are_named(
    folder: Path, arguments: tuple[str, str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["zeroshot", str(folder / "model"), str(folder / "a.png"), *arguments]) == 1
    assert words in capsys.readouterr().err


def test_a_model_without_heads_is_refused(model_folder: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["zeroshot", str(model_folder), str(folder / "a.png"), "--findings"]) == 1
    assert "objective: contrastive" in capsys.readouterr().err
    with pytest.raises(WeightsError, match="There is no folder nowhere/of/all"):
        medvlm.load_aligned("nowhere/of/all")


def test_towers_of_open_clip_answer_the_same_calls(tmp_path: Path, folder: Path) -> None:
    config: dict[str, Any] = {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 32, "patch_size": 16, "width": 32, "layers": 1, "head_width": 16},
        "text_cfg": {"context_length": 12, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
    }
    open_clip: Any = import_module("open_clip")
    model = open_clip.CLIP(**config).eval()
    means = {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]}
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": means}))
    weights = {name: value.contiguous() for name, value in model.state_dict().items()}
    save_file(weights, tmp_path / "open_clip_model.safetensors")
    aligned, texts = medvlm.load_aligned(tmp_path), ["Nodule.", "Effusion."]
    pixels = torch.randn(2, 3, 32, 32)
    table = aligned.classify(list(pixels), {text: [text] for text in texts})
    ids = open_clip.SimpleTokenizer(context_length=12)(texts)
    image, text, scale = model(pixels, ids)
    torch.testing.assert_close(table, (scale * image @ text.T).softmax(1).detach())
    mean = normalize(model.encode_image(pixels, normalize=True).mean(0), dim=-1)
    torch.testing.assert_close(aligned.images([list(pixels)])[0], mean.detach())
    assert aligned.images([folder / "a.png"]).shape == (1, 16)
    with pytest.raises(ImageError, match="volume of 4 slices"):
        aligned.images([medvlm.Image(np.zeros((4, 40, 40), np.uint8), "tyx")])
