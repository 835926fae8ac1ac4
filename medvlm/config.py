"""Typed recipes: YAML files with ``key=value`` overrides, every mistake named at once."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from medvlm.files import write_whole

FolderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
TAKEN = ("init", "model")  # folders of a run that are no stage's


class Settings(BaseModel):
    """Base of every section: unknown keys are errors, values never change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)


class ModelSettings(Settings):
    """Which model: a folder or hub id as it is (``source``), or parts to be composed."""

    source: str | None = None
    """Folder or hub id of a whole vision-language model; the parts below are then unused."""
    encoder: str | dict[str, Any] = "siglip_tiny"
    """Name of an encoder, folder or hub id, or a mapping with ``name`` and its options."""
    decoder: str | dict[str, Any] = Field(default_factory=lambda: {"model_type": "qwen3"})
    """Folder or hub id of a causal language model, or the numbers of one built from scratch."""
    projector: dict[str, Any] = Field(default_factory=lambda: {"kind": "mlp"})
    """``kind`` and its options."""
    compressor: dict[str, Any] | None = None
    """How the slices of a volume become a fixed number of tokens; None for a model of 2D images."""
    tokenizer: str | None = None
    """Folder or hub id; None takes the decoder's own, or trains one on the texts of the training set."""
    vocabulary: Annotated[int, Field(ge=300)] = 1024
    """Size of a tokenizer that is trained here."""
    intensity: list[str] | None = None
    """Names of intensity recipes, tried in order; None takes the general list."""
    freeze: list[Literal["vision", "projector", "decoder"]] = []
    """Parts that are not trained."""
    lora: dict[str, Any] | None = None
    """``parts``, ``rank``, ``alpha``, ``dropout``: adapters on these parts, all else frozen; None: no adapters."""


class DataSettings(Settings):
    """Which set, and where it is."""

    set: str = "thorax"
    """Name of a set."""
    root: Path | None = None
    """Its folder; the phantoms make theirs when it is absent."""
    options: dict[str, Any] = {}
    """Keyword arguments of the set's loader."""
    make: dict[str, Any] = {}
    """For phantoms: how many patients, which seed, which size."""
    cache_gb: Annotated[float, Field(ge=0)] = 2.0
    """Memory for prepared pixels."""
    workers: Annotated[int, Field(ge=0)] = 0
    """Processes that read images."""
    augment: bool = False
    """Gentle 2D augmentation of training images (no mirror: sides matter)."""


class Stage(Settings):
    """What every stage has."""

    name: FolderName
    start: str | None = None
    """The earlier stage whose model this one starts from, or ``init``; None takes the one before."""
    steps: Annotated[int, Field(ge=1)] = 100
    """Batches; a batch is one optimiser step (``mu`` of them in GRPO)."""
    images: Annotated[int, Field(ge=1)] = 16
    """Images (contexts) a batch."""
    questions: Annotated[int, Field(ge=1)] = 8
    """Most questions of one image in one context."""
    lr: Annotated[float, Field(gt=0)] = 1e-5
    warmup: Annotated[int, Field(ge=0)] = 0
    """Batches over which the learning rate rises."""
    decay: Literal["cosine", "linear", "none"] = "cosine"
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    clip_norm: Annotated[float, Field(gt=0)] = 1.0
    micro_tokens: Annotated[int, Field(ge=1)] = 16384
    """Most padded tokens in one forward pass; a batch is split, its gradient does not change."""
    where: dict[str, str] = {}
    """Keep training samples whose categories have these values."""
    kinds: list[str] | None = None
    """Keep training samples of these kinds of answer."""
    options: dict[str, Any] = {}
    """Keyword arguments of the set's loader, over those of the data section."""
    evaluate: bool = True
    """Whether the stage's model is scored on the test split."""
    protocol: str | None = None
    """Protocol by name; None takes that of the evaluate section."""
    baselines: list[Literal["majority", "blank", "shuffled"]] | None = None
    """What else is scored beside it; None takes those of the evaluate section."""


class SFTStage(Stage):
    """Supervised fine-tuning on reference answers."""

    objective: Literal["sft"]
    weak: bool = False
    """Whether to imitate the answers mined from reports instead of the verified ones."""


class GRPOStage(Stage):
    """Group relative policy optimisation on verified answers."""

    objective: Literal["grpo"]
    group: Annotated[int, Field(ge=2)] = 8
    """Completions a question (G)."""
    temperature: Annotated[float, Field(gt=0)] = 1.0
    max_new_tokens: Annotated[int, Field(ge=1)] = 64
    rewards: dict[str, float] = {"accuracy": 1.0, "format": 0.1}
    """Weight of each reward, by name or ``package.module:function``."""
    scale: Literal["group", "batch", "none"] = "group"
    """What centred rewards are divided by."""
    aggregate: Literal["token", "sequence", "constant"] = "token"
    """Mean over the tokens of the batch (DAPO), over sequences of their means (GRPO), or over a constant (Dr. GRPO)."""
    clip_low: Annotated[float, Field(gt=0, lt=1)] = 0.2
    clip_high: Annotated[float, Field(gt=0)] = 0.28
    beta: Annotated[float, Field(ge=0)] = 0.0
    """Weight of the KL to the reference (the stage's start, or the adapter switched off); 0 keeps no reference."""
    mu: Annotated[int, Field(ge=1)] = 1
    """Optimiser steps on one batch of rollouts."""
    mask_truncated: bool = False
    """Whether completions cut at the limit are left out of the loss."""


class EvaluateSettings(Settings):
    """How the held-out split is scored."""

    split: str = "test"
    limit: Annotated[int, Field(ge=1)] | None = None
    """Most images; None takes all."""
    batch: Annotated[int, Field(ge=1)] = 64
    """Images answered together."""
    max_new_tokens: Annotated[int, Field(ge=1)] = 64
    baselines: list[Literal["majority", "blank", "shuffled"]] = ["majority", "blank", "shuffled"]
    protocol: str | None = None
    """Protocol by name; None takes the one of the set."""


class TrainerSettings(Settings):
    """Where and how a run is executed."""

    accelerator: str = "auto"
    devices: int | str = "auto"
    strategy: str = "auto"
    precision: Literal["32-true", "bf16-mixed", "16-mixed", "bf16-true"] = "32-true"
    threads: Annotated[int, Field(ge=1)] | None = None
    """CPU threads of torch; None leaves its default."""
    checkpoint_every: Annotated[int, Field(ge=1)] = 50
    """Batches between checkpoints; a killed run goes on from the last one."""
    log_every: Annotated[int, Field(ge=1)] = 1
    progress: bool = True
    tensorboard: bool = True
    wandb: str | None = None
    """W&B project; needs the ``wandb`` extra."""


class Recipe(Settings):
    """One run: data, a model and a list of stages."""

    name: FolderName
    purpose: str
    """One line for the list of recipes."""
    seed: int = 0
    output: Path = Path("checkpoints")
    """The run's folder is ``output/name``."""
    reasoning: bool = False
    """Whether answers carry their reasoning between tags."""
    note: str = ""
    """What a reader of the results must know; printed with them."""
    model: ModelSettings = ModelSettings()
    data: DataSettings = DataSettings()
    stages: Annotated[list[Annotated[SFTStage | GRPOStage, Field(discriminator="objective")]], Field(min_length=1)]
    evaluate: EvaluateSettings = EvaluateSettings()
    trainer: TrainerSettings = TrainerSettings()
    reports: Annotated[int, Field(ge=0)] = 0
    """Studies of the test split that the last stage's model reports on at the end."""

    @property
    def folder(self) -> Path:
        """Where the run leaves everything."""
        return self.output / self.name

    @model_validator(mode="after")
    def _stages_start_from_earlier_ones(self) -> Recipe:
        seen: list[str] = []
        for stage in self.stages:
            if stage.name in seen:
                raise ValueError(f"two stages are called {stage.name!r}")
            if stage.name in TAKEN:
                raise ValueError(f"no stage can be called {stage.name!r}: the run has a folder of that name")
            if stage.start not in (None, "init", *seen):
                raise ValueError(f"stage {stage.name!r} starts from {stage.start!r}, which is no earlier stage {seen}")
            seen.append(stage.name)
        return self


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
    place = [str(part) for part in problem["loc"] if part not in ("sft", "grpo")]
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
        "evaluate": EvaluateSettings,
        "trainer": TrainerSettings,
        "sft": SFTStage,
        "grpo": GRPOStage,
    }
    section = next((sections[part] for part in reversed(location[:-1]) if part in sections), Recipe)
    return list(section.model_fields)


def save_config(recipe: Recipe, path: Path) -> None:
    """Write the resolved recipe, complete with defaults, so that it runs again as it was."""
    write_whole(path, yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False))
