"""A GRPO stage whose reference follows and whose entropy bonus moves goes on after a failure as if nothing had been."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

from medvlm.settings import Recipe
from medvlm.training.run import prepare, train_stage
from medvlm.training.trainer import read_metrics

spec = importlib.util.spec_from_file_location("killable_grpo", Path(__file__).with_name("killable.py"))
assert spec is not None
assert spec.loader is not None
killable = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = killable  # a recipe names its reward by path, as a user would
spec.loader.exec_module(killable)
MOVING = {
    "start": "init",
    "reference_every": 1,
    "reference_mix": 0.5,
    "beta": 0.5,
    "minibatches": 2,
    "entropy_bonus": 0.05,
    "entropy_target": 50.0,
    "entropy_quantile": 0.8,
    "resample": 1,
    "rewards": {"accuracy": 1.0, "killable_grpo:letters": 0.5},
}


def recipe_of(folder: Path, name: str) -> Recipe:
    whole = killable.recipe(folder, name).model_dump(mode="json")
    return Recipe.model_validate(whole | {"stages": [whole["stages"][1] | MOVING]})


@pytest.mark.parametrize("name", ["full", "lora"])
def test_a_failed_stage_goes_on_with_the_same_losses(tmp_path: Path, train_until: Any, name: str) -> None:
    killable.write_data(tmp_path / "data")
    recipe = recipe_of(tmp_path, name)
    whole = recipe.model_copy(update={"name": "whole"})
    train_stage(prepare(whole), whole.stages[0])
    train_until(recipe, 3, "learn")
    train_stage(prepare(recipe), recipe.stages[0])
    first, second = (read_metrics(one.folder / "grpo") for one in (whole, recipe))
    for metric in ("loss", "loss/ref_kl", "loss/entropy", "entropy", "reward", "resampled", "grad_norm"):
        assert first[metric] == second[metric], metric
    assert len(first["loss"]) == 5
    assert len({value for _, value in first["loss/ref_kl"]}) > 3
