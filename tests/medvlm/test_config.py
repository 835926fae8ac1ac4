"""Recipes: every mistake named at once, overrides, what is saved runs again as it was."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from medvlm import config as module
from medvlm.config import find_recipe, list_recipes, load_config, save_config
from medvlm.settings import Recipe
from medvlm.stages import GRPOStage, SFTStage

RECIPES = sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))
TEXT = """
name: toy
purpose: to be read
data: {set: jsonl, root: somewhere}
stages:
  - {name: sft, objective: sft, steps: 5}
  - {name: grpo, objective: grpo, start: sft, lr: 1.0e-4}
"""


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    path = tmp_path / "toy.yaml"
    path.write_text(TEXT, encoding="utf-8")
    return path


def refused(path: Path, *overrides: str) -> str:
    with pytest.raises(ValueError, match=r".+") as caught:
        load_config(path, overrides)
    return str(caught.value)


# --- the recipes that ship -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_shipped_recipe_is_valid(path: Path) -> None:
    recipe = load_config(path)
    assert recipe.name == path.stem
    assert recipe.purpose
    assert len(recipe.purpose) < 120
    assert recipe.stages


def test_shipped_recipes_are_listed_with_their_purpose() -> None:
    found = list_recipes()
    assert list(found) == [path.name for path in RECIPES]
    assert found["cxr_r1.yaml"] == load_config("cxr_r1").purpose


def test_every_setting_has_a_section_and_a_type() -> None:
    assert Recipe.model_fields["stages"].annotation is not None
    assert {"name", "purpose", "seed", "model", "data", "stages", "evaluate", "trainer"} <= set(Recipe.model_fields)


# --- finding one -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cxr_r1", "cxr_r1.yaml", "configs/cxr_r1.yaml"])
def test_a_shipped_recipe_is_found_from_any_folder(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_config(name).name == "cxr_r1"


@pytest.mark.parametrize("name", ["cxr_r2", "deep/in/configs/cxr_r1.yaml", "", "/absent/cxr_r1.yaml", "."])
def test_a_recipe_that_is_not_there_lists_those_that_are(name: str) -> None:
    with pytest.raises(FileNotFoundError, match=r"There is no recipe .*cxr_r1\.yaml"):
        find_recipe(name)


@pytest.mark.parametrize(
    "content", [b"name: [", b"\xff\xfe\x00\x01", b"a: b: c", b"- 1\n- 2", b"just words", b"\t x: 1"]
)
def test_a_file_that_is_no_recipe_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "broken.yaml").write_bytes(content)
    assert "broken.yaml" in refused(tmp_path / "broken.yaml")


def test_an_empty_file_names_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").touch()
    message = refused(tmp_path / "empty.yaml")
    assert "name: Field required" in message
    assert "purpose: Field required" in message


def test_yaml_makes_no_objects(tmp_path: Path) -> None:
    (tmp_path / "hostile.yaml").write_text(f"name: !!python/object/apply:os.mkdir ['{tmp_path / 'boom'}']")
    assert "is no YAML" in refused(tmp_path / "hostile.yaml")
    assert not (tmp_path / "boom").exists()


# --- mistakes --------------------------------------------------------------------------------------------------------


def test_every_mistake_is_named_at_once(toy: Path) -> None:
    message = refused(
        toy,
        "trainer.checkpoint_evry=3",
        "trainer.precision=fp8",
        "model.encodr=x",
        "stages.sft.steps=0",
        "stages.grpo.group=one",
        "stages.grpo.clip_hihg=0.3",
        "data.cache_gb=-1",
        "sead=1",
    )
    for part in (
        "8 invalid setting(s)",
        "trainer.checkpoint_evry: unknown setting, did you mean 'checkpoint_every'?",
        "trainer.precision='fp8': Input should be '32-true'",
        "model.encodr: unknown setting, did you mean 'encoder'?",
        "stages.0.steps=0: Input should be greater than or equal to 1",
        "stages.1.group='one': Input should be a valid integer",
        "stages.1.clip_hihg: unknown setting, did you mean 'clip_high'?",
        "data.cache_gb=-1: Input should be greater than or equal to 0",
        "sead: unknown setting, did you mean 'seed'?",
    ):
        assert part in message


def test_a_setting_of_another_objective_is_unknown(toy: Path) -> None:
    assert "stages.0.group: unknown setting" in refused(toy, "stages.sft.group=8")


def test_an_unlike_name_gets_no_suggestion(toy: Path) -> None:
    assert refused(toy, "trainer.qqqqqq=1").endswith("trainer.qqqqqq: unknown setting")


@pytest.mark.parametrize(
    ("override", "part"),
    [
        ("stages.sft.objective=dpo", "'sft', 'grpo'"),
        ("stages.grpo.start=later", "starts from 'later', which is no earlier stage"),
        ("stages.sft.start=grpo", "starts from 'grpo', which is no earlier stage"),
        ("stages.grpo.name=sft", "two stages are called 'sft'"),
        ("stages.grpo.clip_low=1.5", "less than 1"),
        ("stages.grpo.temperature=0", "greater than 0"),
        ("stages.grpo.beta=.nan", "stages.1.beta"),
        ("stages.grpo.lr=.inf", "stages.1.lr"),
        ("stages.sft=3", "list"),
        ("model.freeze=[eyes]", "'vision', 'projector' or 'decoder'"),
        ("stages=[]", "stages: List should have at least 1 item"),
        ("name=../up", "name='../up': String should match pattern"),
        ("stages.sft.name=a/b", "stages.0.name='a/b': String should match pattern"),
        ("stages.grpo.name=init", "no stage can be called 'init'"),
        ("stages.grpo.name=model", "no stage can be called 'model'"),
    ],
)
def test_a_mistake_is_explained(toy: Path, override: str, part: str) -> None:
    assert part in refused(toy, override)


# --- overrides -------------------------------------------------------------------------------------------------------


def test_overrides_reach_stages_by_name_and_place(toy: Path) -> None:
    recipe = load_config(toy, ["stages.grpo.lr=3e-5", "stages.0.steps=7", "stages.grpo.rewards.accuracy=2"])
    assert [stage.lr for stage in recipe.stages] == [1e-5, 3e-5]
    assert recipe.stages[0].steps == 7
    assert isinstance(recipe.stages[1], GRPOStage)


def test_override_values_are_yaml(toy: Path) -> None:
    recipe = load_config(
        toy, ["reasoning=true", "data.root=null", "data.options={split_by: image}", "note=a = b", "model.decoder=org/x"]
    )
    assert recipe.reasoning
    assert recipe.data.root is None
    assert recipe.data.options == {"split_by": "image"}
    assert (recipe.note, recipe.model.decoder) == ("a = b", "org/x")


def test_scientific_numbers_without_a_point_are_numbers(toy: Path) -> None:
    assert load_config(toy, ["stages.sft.lr=1e-4"]).stages[0].lr == 1e-4  # YAML reads 1e-4 as text


@pytest.mark.parametrize(
    ("override", "part"),
    [
        ("seed", "key=value"),
        ("--seed=3", "key=value"),
        ("=3", "key=value"),
        ("name.first=x", "'name' holds a value, not a section"),
        ("stages.dpo.lr=1", "no 'dpo' in the list, which has ['sft', 'grpo']"),
        ("stages.9.lr=1", "no '9' in the list"),
        ("stages.sft.where=[", "is no YAML value"),
        ("seed.=3", "key=value"),
        ("..=3", "key=value"),
    ],
)
def test_a_broken_override_is_explained(toy: Path, override: str, part: str) -> None:
    assert part in refused(toy, override)


def test_values_do_not_change_after_loading(toy: Path) -> None:
    recipe = load_config(toy)
    with pytest.raises(ValidationError, match="frozen"):
        recipe.seed = 3


# --- saving ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_what_is_saved_loads_as_the_same_recipe(path: Path, tmp_path: Path) -> None:
    recipe = load_config(path, ["seed=5", f"output={tmp_path}"])
    save_config(recipe, tmp_path / "run" / "recipe.yaml")
    assert load_config(tmp_path / "run" / "recipe.yaml") == recipe
    assert [entry.name for entry in (tmp_path / "run").iterdir()] == ["recipe.yaml"]


def test_the_saved_recipe_is_complete_with_defaults(toy: Path, tmp_path: Path) -> None:
    save_config(load_config(toy), tmp_path / "recipe.yaml")
    saved = yaml.safe_load((tmp_path / "recipe.yaml").read_text(encoding="utf-8"))
    kinds: list[type[SFTStage | GRPOStage]] = [SFTStage, GRPOStage]
    for written, stage in zip(saved["stages"], kinds, strict=True):
        assert set(written) == {field.alias or name for name, field in stage.model_fields.items()}
    assert saved["stages"][1]["loss"] == "dapo"


def test_the_run_has_a_folder_of_its_own(toy: Path) -> None:
    assert load_config(toy, ["output=there", "name=here"]).folder == Path("there/here")


def test_reading_a_recipe_loads_no_heavy_package() -> None:
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    assert not imported & {"torch", "transformers", "lightning", "numpy"}
