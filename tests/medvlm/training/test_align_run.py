"""A contrastive stage in a run: resumed exactly, heads beside the model, scored without a label, followed by SFT."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file

from medvlm.config import load_config
from medvlm.heads import FILE
from medvlm.settings import Recipe
from medvlm.stages import ContrastiveStage
from medvlm.study import SampleError
from medvlm.training.dryrun import dry_run
from medvlm.training.finish import run_recipe
from medvlm.training.run import prepare, train_stage
from medvlm.training.trainer import read_metrics
from medvlm.zeroshot import Aligned

DECODER = {
    "model_type": "qwen3",
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 16,
    "tie_word_embeddings": True,
}


def write(folder: Path, kind: str = "report") -> None:
    """Eight pictures to train on and twelve held out, half of which have a nodule; a report each."""
    draw = np.random.default_rng(0)
    lines = []
    for index in range(20):
        Image.fromarray(draw.integers(0, 256, (32, 32), np.uint8)).save(folder / f"{index}.png")
        answer = "There is a nodule. The heart is normal." if index % 2 else "No nodule. The heart is normal."
        record = {"id": str(index), "images": [f"{index}.png"], "question": "Report?", "answer": answer, "kind": kind}
        lines.append(json.dumps(record | {"split": "train" if index < 8 else "test"}))
    (folder / "data.jsonl").write_text("\n".join(lines), encoding="utf-8")


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    """Five batches of alignment in several parts each, then two of SFT."""
    (tmp_path / "data").mkdir()
    write(tmp_path / "data")
    align = {"objective": "contrastive", "images": 4, "steps": 5, "lr": 3e-3, "dim": 8, "local": 0.5, "loss": "siglip"}
    sft = {"objective": "sft", "images": 4, "steps": 2, "evaluate": False}
    return Recipe.model_validate(
        {
            "name": "aligned",
            "purpose": "to be tested",
            "output": tmp_path / "runs",
            "data": {"set": "jsonl", "root": tmp_path / "data", "augment": True},
            "model": {
                "encoder": {"name": "siglip_tiny", "image_size": 32, "patch_size": 8, "width": 32, "layers": 1},
                "decoder": DECODER,
                "vocabulary": 300,
            },
            "stages": [{"name": "align", "micro_tokens": 100, **align}, {"name": "sft", **sft}],
            "trainer": {"threads": 1, "checkpoint_every": 2, "progress": False, "tensorboard": False},
        }
    )


def test_a_failed_stage_goes_on_with_the_same_losses(recipe: Recipe, train_until: Any) -> None:
    whole = recipe.model_copy(update={"name": "whole"})
    train_stage(prepare(whole), whole.stages[0])
    train_until(recipe, 3)
    steps = recipe.folder / "align" / "steps"
    assert any(name.startswith("heads.") for name in load_file(steps / "step-000002" / "weights.safetensors"))
    train_stage(prepare(recipe), recipe.stages[0])
    first, second = (read_metrics(settings.folder / "align") for settings in (whole, recipe))
    assert first["loss"] == second["loss"]
    assert len({value for _, value in first["loss"]}) == 5
    for name in (FILE, "model.safetensors"):
        found, wanted = (load_file(one.folder / "align" / "model" / name) for one in (recipe, whole))
        assert all(bool((found[key] == wanted[key]).all()) for key in wanted)


def test_a_run_scores_what_was_aligned_and_goes_on(recipe: Recipe) -> None:
    entry = run_recipe(recipe)["align"]
    assert entry["n"] == 12
    assert {"zero-shot AUROC by name", "zero-shot AUROC by description", "report recall@1 of 12"} <= set(
        entry["report"]
    )
    assert all(0 <= value <= 1 for value in entry["report"].values())
    for name, (low, high) in entry["intervals"].items():
        assert low <= entry["report"][name] <= high
    assert (recipe.folder / "align" / "model" / FILE).is_file()
    assert not (recipe.folder / "sft" / "model" / FILE).exists()  # its weights have moved away from the heads
    aligned = Aligned.load(recipe.folder / "align" / "model")
    (found,) = aligned.explain([recipe.data.root / "0.png"], {"Lung Lesion": ["nodule"]})  # type: ignore[operator]
    assert 0 < found[0].probability < 1


def test_a_set_without_reports_is_refused(recipe: Recipe, tmp_path: Path) -> None:
    write(tmp_path / "data", kind="open")
    with pytest.raises(SampleError, match="Stage 'align' pairs images with reports"):
        run_recipe(recipe)


def test_a_dry_run_plans_it(recipe: Recipe) -> None:
    assert "stage align (contrastive): 5 batches of 4 contexts" in str(dry_run(recipe))


def test_the_shipped_recipe_names_the_stage(tmp_path: Path) -> None:
    (stage,) = load_config("align").stages
    assert isinstance(stage, ContrastiveStage)
    assert (stage.kinds, stage.loss) == (["report"], "soft")
    with pytest.raises(ValueError, match=r"(?s)stages\.0\.images.*greater than or equal to 2.*did you mean 'local'"):
        load_config("align", ["stages.align.images=1", "stages.align.locl=1"])
