"""A native model trained, scored and asked by the same recipe, commands and calls as a composed one."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText, AutoProcessor

from medvlm.generation.engine import Ask, Engine
from medvlm.models import load_vlm
from medvlm.models.native import NativeProcessor
from medvlm.models.tokens import image_token_ids
from medvlm.predictor import load
from medvlm.settings import ModelSettings, Recipe
from medvlm.study import ImageError, WeightsError
from medvlm.training.build import build_model
from medvlm.training.dryrun import dry_run
from medvlm.training.finish import run_recipe

from .conftest import BUILDERS, Native

LORA = {"parts": ["decoder"], "rank": 2, "alpha": 4}


def initials(completions: list[str], **columns: Any) -> list[float | None]:
    """A reward that differs within nearly every group of random text."""
    return [(sum(map(ord, text)) % 7) / 7 for text in completions]


@pytest.fixture(scope="session")
def folder(native: Native, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model as it would be downloaded: its own files only."""
    path = tmp_path_factory.mktemp(native.name)
    native.model.save_pretrained(path)
    native.processor.native.save_pretrained(path)
    return path


def write_set(root: Path) -> None:
    draw = np.random.default_rng(0)
    lines = []
    for index in range(10):
        Image.fromarray(draw.integers(0, 256, (40, 40), np.uint8)).save(root / f"{index}.png")
        record = {"id": str(index), "images": [f"{index}.png"], "question": "Which side?", "options": ["left", "right"]}
        lines.append(
            json.dumps(record | {"answer": ("left", "right")[index % 2], "split": "test" if index > 7 else "train"})
        )
    (root / "data.jsonl").write_text("\n".join(lines), encoding="utf-8")


def recipe(source: Path, root: Path, *, lora: bool) -> Recipe:
    write_set(root)
    common = {"steps": 1, "images": 2, "questions": 1, "lr": 1e-2}
    grpo = {"group": 3, "max_new_tokens": 4, "rewards": {f"{__name__}:initials": 1.0}}
    stages = [
        {"name": "sft", "objective": "sft", "evaluate": False, **common},
        {"name": "grpo", "objective": "grpo", **common, **grpo},
    ]
    return Recipe.model_validate(
        {
            "name": "native",
            "purpose": "a native model",
            "output": root / "runs",
            "model": {"source": str(source), "intensity": ["photo"], "lora": LORA if lora else None},
            "data": {"set": "jsonl", "root": root},
            "stages": stages,
            "evaluate": {"max_new_tokens": 3, "baselines": []},
            "trainer": {"accelerator": "cpu", "threads": 1, "progress": False, "tensorboard": False},
        }
    )


FAST = ("gemma3", "qwen2_5_vl")
RUNS = [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in BUILDERS]


@pytest.mark.parametrize("native", RUNS, indirect=True)
def test_a_recipe_trains_scores_and_predicts(native: Native, folder: Path, tmp_path: Path) -> None:
    settings = recipe(folder, tmp_path, lora=False)
    summary = run_recipe(settings)
    assert 0 <= summary["grpo"]["accuracy"] <= 1
    weights = [
        load_file(next(settings.folder.glob(f"{stage}/model/*.safetensors"))) for stage in ("init", "sft", "grpo")
    ]
    for before, after in pairwise(weights):
        changed = {name for name, value in after.items() if not torch.equal(value, before[name])}
        assert any("layers.0" in name for name in changed)
    predictor = load(settings.folder / "model", device="cpu")
    image = np.random.default_rng(5).integers(0, 255, (40, 30), np.uint8)
    answers = predictor.predict(image, ["Is there a nodule?", "Which side?"], max_new_tokens=3)
    assert answers[1].raw == predictor.predict(image, "Which side?", max_new_tokens=3).raw
    assert all(answer.confidence > 0 for answer in answers)
    assert answers[0].provenance.images[0]["recipe"] == "photo"


@pytest.mark.parametrize("native", FAST, indirect=True)
def test_learned_tokens_are_all_that_moves(native: Native, folder: Path, tmp_path: Path) -> None:
    settings = recipe(folder, tmp_path, lora=False)
    settings = settings.model_copy(update={"model": settings.model.model_copy(update={"prompt_tokens": 3})})
    plan = dry_run(settings)
    assert sum(plan.trainable.values()) == 3 * 32
    run_recipe(settings)
    before, after = (load_file(settings.folder / name / "model/model.safetensors") for name in ("init", "grpo"))
    changed = {name: (value != before[name]).any(-1) for name, value in after.items() if (value != before[name]).any()}
    ids = load(settings.folder / "model", device="cpu").model.config.learned_token_ids
    assert all("embed_tokens" in name or "lm_head" in name for name in changed)
    assert all(rows.nonzero()[:, 0].tolist() == ids for rows in changed.values())
    assert len(native.processor.tokenizer) <= min(ids)


def test_a_dry_run_counts_what_its_processor_writes(native: Native, folder: Path, tmp_path: Path) -> None:
    plan = dry_run(recipe(folder, tmp_path, lora=True))
    assert plan.image_tokens == native.processor.count_tokens("image")
    assert plan.parameters["decoder"] > plan.trainable["decoder"] > 0
    assert not [note for note in plan.notes if "supported" in note or "tokenizer" in note]


def test_options_are_scored_as_alone(native: Native) -> None:
    engine, image = Engine(native.model, native.processor), native.images[0]
    questions = tuple(native.sample(text) for text in ("Which side? left right", "Is there a nodule?"))
    together = engine.score([Ask((image,), questions)], [[["left", "right lung"], ["yes"]]])
    alone = [engine.score([Ask((image,), (question,))], [[["left", "right lung"]]])[0][0] for question in questions]
    assert together[0][0] == pytest.approx(alone[0], abs=1e-5)
    assert together[0][1] != pytest.approx(alone[1][:1], abs=1e-3)


def test_what_is_saved_is_its_own_folder_and_our_recipes(native: Native, folder: Path, tmp_path: Path) -> None:
    model, processor = build_model(ModelSettings(source=str(folder), intensity=["cxr"]), [], seed=0)
    assert [one.name for one in processor.image_processor.intensity_recipes] == ["cxr"]
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    again, ours = load_vlm(tmp_path)
    assert isinstance(ours, NativeProcessor)
    assert ours.image_processor.to_dict() == processor.image_processor.to_dict()
    assert type(again) is type(AutoModelForImageTextToText.from_pretrained(tmp_path)) is type(native.model)
    assert type(AutoProcessor.from_pretrained(tmp_path)) is type(native.processor.native)


@pytest.mark.parametrize("native", ["llava"], indirect=True)
def test_recipes_that_are_damaged_are_refused(folder: Path, tmp_path: Path, native: Native) -> None:
    native.model.save_pretrained(tmp_path)
    native.processor.save_pretrained(tmp_path)
    (tmp_path / "medvlm_recipes.json").write_text('{"slices": 4}')
    with pytest.raises(WeightsError, match=r"medvlm_recipes.json does not hold"):
        load_vlm(tmp_path)


def test_a_volume_is_shown_slice_by_slice(native: Native) -> None:
    processor = native.processor
    assert len(processor.places(volume=True)) == processor.slices
    one, two = native.images
    with pytest.raises(ImageError, match="A volume of 2 slices"):
        processor.features(native.model, [torch.stack([one, two])])


def test_a_placeholder_is_never_drawn_and_the_turn_ends_as_its_template_says(native: Native) -> None:
    prompter = native.prompter
    assert {native.processor.image_token_id, *image_token_ids(native.model.config)} <= set(prompter.banned)
    assert prompter.stop[0] == native.processor.tokenizer.convert_tokens_to_ids("<|end|>")
