"""A preference stage from its recipe to its model: pairs made once and kept, exact resume, what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file

from medvlm.config import load_config
from medvlm.datamodules.sets.jsonl import load_jsonl
from medvlm.generation.prompts import Prompter
from medvlm.preferences.pairs import Pair, read_pairs, write_pairs
from medvlm.settings import Recipe
from medvlm.study import SampleError
from medvlm.training.reference import Reference
from medvlm.training.run import prepare, train_stage
from medvlm.training.trainer import read_metrics

REPORTS = ("Large left pleural effusion.", "Clear lungs. No nodule.", "Small right nodule. No effusion.")


def by_length(completions: list[str], **columns: Any) -> list[float | None]:
    """A reward under which the answers of an untrained model differ."""
    return [float(len(text)) for text in completions]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Six reports of training images and one of a test image."""
    draw, lines = np.random.default_rng(0), []
    for index in range(7):
        Image.fromarray(draw.integers(0, 256, (32, 32), np.uint8)).save(tmp_path / f"{index}.png")
        line = {"id": f"r{index}", "images": [f"{index}.png"], "question": "Report.", "kind": "report"}
        lines.append(line | {"answer": REPORTS[index % 3], "split": "test" if index == 6 else "train"})
    (tmp_path / "data.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return tmp_path


@pytest.fixture
def make(root: Path) -> Any:
    """A recipe of one preference stage of five batches."""

    def build(name: str = "run", lora: dict[str, Any] | None = None, **stage: Any) -> Recipe:
        decoder = {"model_type": "qwen3", "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
        decoder |= {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16, "tie_word_embeddings": True}
        encoder = {"name": "siglip_tiny", "image_size": 32, "patch_size": 8, "width": 32, "layers": 1}
        settings = {"name": "dpo", "objective": "preference", "steps": 5, "images": 2, "lr": 3e-3, **stage}
        trainer = {"accelerator": "cpu", "threads": 1, "checkpoint_every": 2, "progress": False, "tensorboard": False}
        return Recipe.model_validate(
            {
                "name": name,
                "purpose": "a test",
                "output": root / "runs",
                "data": {"set": "jsonl", "root": root},
                "model": {"encoder": encoder, "decoder": decoder, "vocabulary": 300, "lora": lora},
                "stages": [settings],
                "trainer": trainer,
            }
        )

    return build


def train(recipe: Recipe) -> Path:
    return train_stage(prepare(recipe), recipe.stages[0])


def given(root: Path, *pairs: Pair) -> Path:
    """A file of pairs of the set."""
    path = root / "pairs.jsonl"
    write_pairs(path, list(load_jsonl(root, "all")), pairs)
    return path


LORA = {"parts": ["decoder"], "rank": 2, "alpha": 4, "dropout": 0.3}


@pytest.mark.parametrize(
    ("lora", "reference"), [(None, "live"), (LORA, "live"), (None, "once")], ids=["copy", "adapters", "once"]
)
def test_a_failed_stage_goes_on_with_the_same_losses(make: Any, lora: Any, reference: str, train_until: Any) -> None:
    """The reference after the failure is the one from before."""
    options = {"loss": "rpo", "lora": lora, "reference": reference, "pairs": {"each": 2}}
    whole, broken = make("whole", **options), make("broken", **options)
    train(whole)
    train_until(broken, 3)
    train(broken)
    curves = [read_metrics(recipe.folder / "dpo") for recipe in (whole, broken)]
    for name in ("loss", "loss/preference", "loss/ce", "margin", "pair_accuracy"):
        assert curves[0][name] == curves[1][name]
        assert len(curves[0][name]) == 5
    weights = [load_file(recipe.folder / "dpo" / "model" / "model.safetensors") for recipe in (whole, broken)]
    assert all(bool((weights[0][name] == weights[1][name]).all()) for name in weights[0])
    assert curves[0]["loss/preference"][0][1] == pytest.approx(np.log(2), abs=1e-6)


def test_a_reference_that_is_asked_once_says_the_same(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    live, once = make("live", loss="ipo"), make("once", loss="ipo", reference="once")
    train(live)
    with monkeypatch.context() as patch:
        patch.setattr(Reference, "__init__", None)  # no copy of the model is made
        train(once)
    curves = [read_metrics(recipe.folder / "dpo") for recipe in (live, once)]
    for name in ("loss", "margin"):
        values = [[value for _, value in curve[name]] for curve in curves]
        assert values[0] == pytest.approx(values[1], abs=1e-5, rel=1e-5)
    augmented = once.model_copy(update={"name": "other", "data": once.data.model_copy(update={"augment": True})})
    with pytest.raises(ValueError, match=r"set data\.augment=false"):
        train(augmented)


def test_corrupted_pairs_are_made_once_and_kept(make: Any, root: Path) -> None:
    recipe = make(pairs={"how": ["added"]})
    pairs = read_pairs(train(recipe) / "pairs.jsonl")
    assert {pair.sample for pair in pairs} == {f"r{index}" for index in range(6)}  # and none of the test split
    assert {pair.how for pair in pairs} == {"added"}


def sampled(**changes: Any) -> dict[str, Any]:
    pairs = {"source": "sampled", "answers": 6, "max_new_tokens": 9, "limit": 4, "margin": 0.5}
    return {**pairs, "shortest": 0.0, "longest": 99.0, "rewards": {f"{__name__}:by_length": 1.0}, **changes}


def test_sampled_answers_are_ranked(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    stop = property(lambda self: [self.processor.tokenizer.eos_token_id, *range(60, 160)])
    monkeypatch.setattr(Prompter, "stop", stop)  # many tokens end an answer, so that random text has an end
    recipe = make(pairs=sampled(), steps=1)
    pairs = read_pairs(train(recipe) / "pairs.jsonl")
    assert 1 <= len(pairs) <= 4
    for pair in pairs:
        assert pair.scores == {"chosen": len(pair.chosen), "rejected": len(pair.rejected)}
        assert len(pair.chosen) > len(pair.rejected)
    again = make("again", pairs=sampled(), steps=1)
    assert read_pairs(train(again) / "pairs.jsonl") == pairs


def test_references_are_chosen_over_sampled_answers(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    stop = property(lambda self: [self.processor.tokenizer.eos_token_id, *range(60, 160)])
    monkeypatch.setattr(Prompter, "stop", stop)
    pairs = sampled(chosen="reference", rewards={"finding_f1": 1.0}, limit=None)
    found = read_pairs(train(make(pairs=pairs, steps=1)) / "pairs.jsonl")
    assert found
    for pair in found:
        assert pair.chosen in REPORTS
        assert pair.scores["chosen"] == 1.0
        assert pair.how == "reference"


def test_answers_that_are_all_cut_make_no_pair(make: Any) -> None:
    recipe = make(pairs=sampled(max_new_tokens=2), steps=1)
    with pytest.raises(SampleError, match=r"No pair is left of 4 questions .* 4 with fewer than two answers"):
        prepare(recipe).data(recipe.stages[0], "fit")
    with pytest.raises(ValueError, match="Unknown reward 'acuracy'"):
        prepare(make("other", pairs=sampled(rewards={"acuracy": 1.0})))


def test_pairs_of_a_file_are_trained_on(make: Any, root: Path) -> None:
    path = given(root, Pair("r1", "a nodule", "clear", "given"), Pair("r1", "a nodule", "none", "given"))
    recipe = make(pairs={"source": "file", "path": path}, steps=2, loss="simpo")
    run = prepare(recipe)
    assert [sample.id for group in run.data(recipe.stages[0], "fit").drawn().groups for sample in group] == ["r1"]
    assert (train_stage(run, recipe.stages[0]) / "model").is_dir()


def test_a_file_of_pairs_is_a_set(make: Any, root: Path) -> None:
    path = given(root, Pair("r1", "a nodule", "clear", "given"), Pair("r2", "none", "one", "given"))
    recipe = make(pairs={"source": "data"}, steps=1, loss="kto")
    recipe = recipe.model_copy(update={"data": recipe.data.model_copy(update={"root": path})})
    assert (train(recipe) / "model").is_dir()


def test_pairs_of_another_split_are_refused(make: Any, root: Path) -> None:
    path = given(root, Pair("r6", "a", "b", "given"))
    recipe = make(pairs={"source": "file", "path": path})
    with pytest.raises(SampleError, match="'r6', a held-out sample"):
        prepare(recipe).data(recipe.stages[0], "test", "fit")
    with pytest.raises(SampleError, match="'r6', which is no training sample"):
        train(recipe)


def test_a_set_without_pairs_is_named(make: Any) -> None:
    with pytest.raises(SampleError, match="no pair: chosen, rejected missing"):
        train(make(pairs={"source": "data"}))
    with pytest.raises(SampleError, match="no rollouts"):
        train(make("second", pairs={"source": "rollouts", "path": "nowhere"}))
    with pytest.raises(FileNotFoundError, match=r"nowhere\.jsonl does not exist"):
        train(make("third", pairs={"source": "file", "path": "nowhere.jsonl"}))


def test_a_pair_that_is_too_long_stops_a_stage_before_its_first_step(make: Any, root: Path) -> None:
    path = given(root, Pair("r1", "a", "nodule " * 400, "given"))
    recipe = make(pairs={"source": "file", "path": path})
    model = recipe.model.model_copy(update={"decoder": recipe.model.decoder | {"max_position_embeddings": 300}})
    with pytest.raises(SampleError, match=r"'r1' takes .* the decoder at most 300"):
        train(recipe.model_copy(update={"model": model}))


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        ({"pairs": {"source": "file"}}, "file and rollouts need a path"),
        ({"loss": "dppo"}, "loss='dppo'"),
        ({"smoothing": 0.5}, "smoothing=0.5"),
        ({"pairs": {"margin": 0}}, "margin=0"),
        ({"pairs": {"chosen": "reference"}}, "is for pairs.source=sampled"),
        ({"loss": "kto", "reference": "once"}, "KTO asks the reference about other answers"),
        ({"pairs": {"how": ["sides"]}}, "how"),
        ({"pairs": {"answer": 8}}, "did you mean 'answers'"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, stage: dict[str, Any], message: str) -> None:
    path = tmp_path / "toy.yaml"
    settings = {"name": "dpo", "objective": "preference", **stage}
    path.write_text(json.dumps({"name": "toy", "purpose": "x", "stages": [settings]}), encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        load_config(path)
