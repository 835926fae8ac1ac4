"""Recipes as YAML files with ``key=value`` overrides, every mistake named at once."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from medvlm.files import write_whole
from medvlm.settings import DataSettings, EvaluateSettings, ModelSettings, PartSettings, Recipe, TrainerSettings
from medvlm.settings_base import Settings
from medvlm.stages import ContrastiveStage, GRPOStage, PairSettings, PreferenceStage, SFTStage
from medvlm.validation import ValidateSettings


def find_recipe(name: str | Path) -> Path:
    """The file of a recipe: a path, or the name of one that ships with medvlm.

    Raises:
        FileNotFoundError: If there is none; the message lists the shipped ones.
    """
    path = Path(name)
    if path.is_file():
        return path
    shipped = {
        entry.name: Path(str(entry)) for entry in files("medvlm.configs").iterdir() if entry.name.endswith(".yaml")
    }
    if (found := shipped.get(path.name if path.suffix else f"{path.name}.yaml")) and len(path.parts) <= 2:
        return found
    raise FileNotFoundError(f"There is no recipe {str(name)!r}; shipped ones: {', '.join(sorted(shipped))}.")


def list_recipes() -> dict[str, str]:
    """Name and one-line purpose of every shipped recipe."""
    found = {}
    for entry in sorted(files("medvlm.configs").iterdir(), key=lambda entry: entry.name):
        if entry.name.endswith(".yaml"):
            found[entry.name] = load_config(Path(str(entry))).purpose
    return found


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe, apply ``a.b=value`` overrides (values are YAML) and validate the result.

    Args:
        path: A YAML file or the name of a shipped recipe.
        overrides: ``stages.0.lr=1e-4`` reaches into lists by position, ``stages.grpo.lr=1e-4`` by name.

    Raises:
        FileNotFoundError: If there is no such recipe.
        ValueError: If anything is wrong with it; every problem is named at once.
    """
    file = find_recipe(path)
    try:
        tree = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{file} is no YAML: {error}") from None
    if not isinstance(tree, dict):
        raise ValueError(f"{file} holds a {type(tree).__name__}, expected sections.")
    for item in overrides:
        _override(tree, item)
    try:
        return Recipe.model_validate(tree)
    except ValidationError as error:
        problems = "\n".join(f"  {_explain(dict(problem))}" for problem in error.errors())
        raise ValueError(f"{file} has {error.error_count()} invalid setting(s):\n{problems}") from None


def _override(tree: dict[str, Any], item: str) -> None:
    key, equals, value = item.partition("=")
    if not equals or key.startswith("-") or not all(key.split(".")):
        raise ValueError(f"Overrides look like key=value, got {item!r}.")
    *parents, leaf = key.split(".")
    node: Any = tree
    for parent in parents:
        node = _member(node, parent, key) if isinstance(node, list) else node.setdefault(parent, {})
        if not isinstance(node, dict | list):
            raise ValueError(f"{key}: {parent!r} holds a value, not a section.")
    if isinstance(node, list):
        raise ValueError(f"{key} names a whole entry of a list; name one of its settings.")
    try:
        node[leaf] = yaml.safe_load(value)
    except yaml.YAMLError:
        raise ValueError(f"{key}: {value!r} is no YAML value.") from None


def _member(entries: list[Any], name: str, key: str) -> Any:
    """An entry of a list by its ``name`` or its position."""
    for index, entry in enumerate(entries):
        if name == str(index) or (isinstance(entry, Mapping) and entry.get("name") == name):
            return entry
    names = [entry.get("name", index) if isinstance(entry, Mapping) else index for index, entry in enumerate(entries)]
    raise ValueError(f"{key}: there is no {name!r} in the list, which has {names}.")


def _explain(problem: dict[str, Any]) -> str:
    """One line a problem, with the nearest known name for an unknown one."""
    place = [str(part) for part in problem["loc"] if part not in ("sft", "grpo", "contrastive", "preference")]
    where = ".".join(place) or "recipe"
    if problem["type"] != "extra_forbidden":
        value = problem["input"]
        shown = f"={value!r}" if isinstance(value, str | int | float | bool) else ""
        return f"{where}{shown}: {problem['msg'].removeprefix('Value error, ')}"
    near = difflib.get_close_matches(place[-1], _names(problem["loc"]), n=1)
    return f"{where}: unknown setting" + (f", did you mean {near[0]!r}?" if near else "")


def _names(location: Sequence[int | str]) -> list[str]:
    """Settings of the section in which an unknown one was found."""
    sections: dict[str, type[Settings]] = {
        "model": ModelSettings,
        "data": DataSettings,
        "parts": PartSettings,
        "evaluate": EvaluateSettings,
        "trainer": TrainerSettings,
        "sft": SFTStage,
        "grpo": GRPOStage,
        "contrastive": ContrastiveStage,
        "preference": PreferenceStage,
        "pairs": PairSettings,
        "validate": ValidateSettings,
    }
    section = next((sections[part] for part in reversed(location[:-1]) if part in sections), Recipe)
    return list(section.model_fields)


def save_config(recipe: Recipe, path: Path) -> None:
    """Write the resolved recipe, complete with defaults, so that it runs again as it was."""
    write_whole(path, yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False))
