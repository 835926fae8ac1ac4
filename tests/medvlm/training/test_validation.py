"""Validation between optimiser steps: it changes no loss, keeps the best weights, and a killed run chooses alike."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from medvlm.evaluation.records import read_records
from medvlm.settings import Recipe
from medvlm.study import WeightsError
from medvlm.training.card import model_card
from medvlm.training.finish import notes
from medvlm.training.run import prepare, train_stage
from medvlm.training.showcase import _validated
from medvlm.training.trainer import read_metrics
from medvlm.training.validation import Validation, best_of
from medvlm.training.validation_result import read_result
from medvlm.validation import ValidateSettings

spec = importlib.util.spec_from_file_location("killable", Path(__file__).with_name("killable.py"))
assert spec is not None
assert spec.loader is not None
killable = importlib.util.module_from_spec(spec)
spec.loader.exec_module(killable)

Make = Callable[..., Recipe]
NUMBERS = {4: 0.25, 6: 0.75, 8: 0.75, 10: 0.5}


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Makes a recipe of one stage of ten batches that is validated as said; an empty mapping validates nothing."""
    killable.write_data(tmp_path / "data")
    line = {"images": ["0.png"], "question": "Which side?", "answer": "left", "options": ["left", "right"]}
    extra = [json.dumps(line | {"id": f"valid-{index}", "split": "validate"}) for index in range(3)]
    with (tmp_path / "data" / "data.jsonl").open("a", encoding="utf-8") as file:
        file.writelines(f"\n{one}" for one in extra)

    def recipe(name: str, lora: bool = False, **validate: Any) -> Recipe:
        values = killable.recipe(tmp_path, "lora" if lora else "full").model_dump(mode="json")
        stage = values["stages"][0] | {"steps": 10, "validate": validate or None}
        values |= {"name": name, "stages": [stage], "evaluate": {"batch": 2, "max_new_tokens": 4}}
        return Recipe.model_validate(values)

    return recipe


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Validations find what `NUMBERS` says (0 else); the list has the batches at which they were asked."""
    asked: list[int] = []

    def examine(self: Validation, module: Any, step: int) -> dict[str, float]:
        asked.append(step)
        return {"accuracy": NUMBERS.get(step, 0.0)}

    monkeypatch.setattr(Validation, "examine", examine)
    return asked


def train(recipe: Recipe) -> Path:
    return train_stage(prepare(recipe), recipe.stages[0])


def digest(folder: Path) -> str:
    return hashlib.sha256((folder / "model" / "model.safetensors").read_bytes()).hexdigest()


def test_losses_and_weights_are_those_without_validation(make: Make) -> None:
    plain, watched = train(make("plain")), train(make("watched", every=3, keep="last"))
    before, after = read_metrics(plain), read_metrics(watched)
    assert len(before["loss"]) == 10
    assert all(after[name] == before[name] for name in ("loss", "grad_norm", "lr"))
    assert digest(plain) == digest(watched)
    assert [step for step, _ in after["validation/accuracy"]] == [2, 5, 8, 9]


def test_the_answers_are_records_of_the_evaluation(make: Make) -> None:
    folder = train(make("watched", every=5))
    records = read_records(folder / "validation" / "step-000010.jsonl")
    assert [record.id for record in records] == ["valid-0", "valid-1", "valid-2"]
    assert sorted(path.name for path in (folder / "validation").iterdir()) == ["step-000005.jsonl", "step-000010.jsonl"]


@pytest.mark.parametrize("lora", [False, True])
def test_the_model_is_the_best_one_and_the_earlier_of_equals(make: Make, scripted: list[int], lora: bool) -> None:
    best = train(make("best", lora, every=2))
    assert scripted == [2, 4, 6, 8, 10]
    result = read_result(best)
    assert result is not None
    assert (result["best"], result["kept"]) == ({"step": 6, "value": 0.75}, 6)
    assert not (best / "best").exists()
    short = make("short", lora).model_dump(mode="json")
    short["stages"][0] |= {"steps": 6, "decay": "none"}
    until = make("until", lora, every=2).model_dump(mode="json")
    until["stages"][0]["decay"] = "none"
    assert digest(train(Recipe.model_validate(short))) == digest(train(Recipe.model_validate(until)))


def test_only_trained_weights_are_kept(make: Make, scripted: list[int], train_until: Any) -> None:
    recipe = make("lora", True, every=2)
    train_until(recipe, 7)
    kept = sorted((recipe.folder / "sft" / "best").iterdir())
    assert [folder.name[-1] for folder in kept] == ["2", "4", "6"]  # two checkpoints speak of the earlier ones
    assert all("lora_" in name for folder in kept for name in load_file(folder / "weights.safetensors"))


@pytest.mark.parametrize("killed", [[5], [3, 7, 9]])
def test_a_killed_run_makes_the_same_choice(
    make: Make, scripted: list[int], train_until: Any, killed: list[int]
) -> None:
    recipe, whole = make("killed", every=2), make("whole", every=2)
    for step in killed:
        train_until(recipe, step)
    found, wanted = train(recipe), train(whole)
    assert (found / "validation.json").read_bytes() == (wanted / "validation.json").read_bytes()
    assert digest(found) == digest(wanted)


def test_lost_weights_are_named_not_skipped(make: Make, scripted: list[int], train_until: Any) -> None:
    recipe = make("lost", every=2)
    train_until(recipe, 7)
    (recipe.folder / "sft" / "best" / "step-000006" / "weights.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"step-000006.* is missing"):
        train(recipe)


def test_patience_ends_a_stage_and_a_resumed_one_stays_ended(
    make: Make, scripted: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = make("patient", every=2, patience=1)
    prepared = prepare(recipe)
    with monkeypatch.context() as patch:
        patch.setattr("medvlm.training.run.save_model", None)  # killed once the stage had ended
        with pytest.raises(TypeError):
            train_stage(prepared, recipe.stages[0])
    assert scripted == [2, 4, 6, 8]
    result = read_result(train(recipe))
    assert scripted == [2, 4, 6, 8]
    assert result is not None
    assert (result["kept"], result["stopped"]) == (6, True)


def test_less_is_better_where_the_mode_says_so() -> None:
    history = [(2, 0.5), (4, math.nan), (6, 0.25), (8, 0.25)]
    assert best_of(history, "min") == (6, 0.25)
    assert best_of(history, "max") == (2, 0.5)
    assert best_of([(2, math.nan)], "max") is None


def test_what_never_is_a_number_keeps_the_last_weights_and_says_so(
    make: Make, scripted: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Validation, "examine", lambda *unused: {"accuracy": math.nan})
    recipe = make("never", every=5)
    result = read_result(train(recipe))
    assert result is not None
    assert (result["best"], result["kept"], result["history"]) == (None, 10, [[5, None], [10, None]])


def test_card_notes_and_page_say_what_was_chosen(make: Make, scripted: list[int]) -> None:
    recipe = make("told", every=2)
    run = prepare(recipe)
    folder = train_stage(run, recipe.stages[0])
    wanted = "validated 5 times on 3 questions (split validate): accuracy was best at batch 6 (0.750); kept: batch 6."
    assert wanted in model_card(recipe)
    assert wanted in (folder / "model" / "README.md").read_text(encoding="utf-8")
    assert f"sft: {wanted}" in notes(run, {})
    charts = dict(_validated(read_metrics(folder), recipe.stages[0]))
    assert [value for _, value in charts["validation accuracy"]] == [0.0, 0.25, 0.75, 0.75, 0.5]


@pytest.mark.parametrize(
    ("validate", "reason"),
    [
        ({"metric": "acuracy"}, "only accuracy, choice:accuracy, unparsed, truncated; did you mean 'accuracy'"),
        ({"metric": "open:token_f1"}, "there is no number 'open:token_f1' here"),
        ({"metric": "unparsed"}, "mode=max would choose the worst weights, say validate.mode=min"),
    ],
)
def test_a_number_that_cannot_choose_is_refused_before_training(
    make: Make, validate: dict[str, Any], reason: str
) -> None:
    recipe = make("wrong", every=2, **validate)
    with pytest.raises(ValueError, match=reason):
        prepare(recipe)
    assert not (recipe.folder / "init" / "model").exists()


@pytest.mark.parametrize(
    ("values", "reason"), [({"every": 0}, "greater than or equal to 1"), ({"every": 1, "keep": "first"}, "'best' or")]
)
def test_settings_out_of_range_are_refused(values: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        ValidateSettings(**values)
