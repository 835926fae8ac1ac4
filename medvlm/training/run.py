"""Run a recipe: its stages in one trainer, scores after each, a table and a page at the end; killed, it goes on.

What a run leaves in its folder::

    recipe.yaml            the recipe, complete with defaults
    init/model             the untrained (or loaded) model
    STAGE/model            the model after a stage: a Hugging Face folder, safetensors only
    STAGE/steps            checkpoints of an unfinished stage
    STAGE/best             the best weights of an unfinished stage that is validated
    STAGE/logs             metrics as CSV, one attempt after each interruption
    STAGE/rollouts         sampled completions with their rewards (GRPO)
    STAGE/pairs.jsonl      what was chosen over what (preference)
    STAGE/validation       answers of each validation; what they reached is in STAGE/validation.json
    STAGE/records          one line for each test question: answer, score, confidence
    model                  the last stage's model
    summary.json, index.html
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from medvlm.config import load_config, save_config
from medvlm.datamodules.cache import PixelCache, fingerprint
from medvlm.datamodules.data import StudyData
from medvlm.files import atomic_folder, write_whole
from medvlm.generation.remote import Server
from medvlm.models import load_vlm
from medvlm.models.quantized import merged
from medvlm.models.tokens import max_positions
from medvlm.ranks import in_turn, is_first
from medvlm.settings import DataSettings, Recipe
from medvlm.stages import AnyStage, ContrastiveStage, GRPOStage, PreferenceStage, SFTStage, Stage
from medvlm.training.build import Collate, build_model, data_root, set_texts, stage_data
from medvlm.training.card import CARD_FILE, model_card, trained_kinds, trained_reads
from medvlm.training.checkpoint import latest_checkpoint
from medvlm.training.checks import check_protocols, check_reports, check_rewards, check_samples
from medvlm.training.contrastive import Contrastive, ContrastiveOptions
from medvlm.training.devices import meet, whole_model
from medvlm.training.fitting import prepare_parts
from medvlm.training.grpo import GRPO
from medvlm.training.grpo_options import check_policies, options_of
from medvlm.training.objective import Objective
from medvlm.training.pairing import give_pairs, remember_reference
from medvlm.training.prefer import Preference, PreferenceOptions
from medvlm.training.rewards.scoring import RewardSet
from medvlm.training.rollouts import RolloutLog
from medvlm.training.sft import SFT
from medvlm.training.step import Schedule
from medvlm.training.trainer import build_trainer
from medvlm.training.validation import Validation
from medvlm.training.validation_data import exam_of
from medvlm.training.validation_result import RESULT


@dataclass(slots=True)
class Run:
    """A recipe on its way: where its data is, and the pixels that all stages share."""

    recipe: Recipe
    root: Path
    pixels: PixelCache
    middle: float
    half: float
    _data: dict[str, StudyData] = field(default_factory=dict)

    @property
    def held_out(self) -> str:
        """The split that is scored."""
        return self.recipe.evaluate.split

    def data(self, stage: Stage, *splits: str) -> StudyData:
        """The data module of a stage, its splits read once for training, scoring and notes."""
        if stage.name not in self._data:
            self._data[stage.name] = stage_data(self.recipe, stage, self.root, self.collate())
        for split in splits:
            self._data[stage.name].setup(split)
        if "fit" in splits:
            check_reports(stage, self._data[stage.name].samples["train"])
            if isinstance(stage, PreferenceStage):
                give_pairs(self.recipe, stage, self._data[stage.name], self.pixels, start_folder(self.recipe, stage))
        return self._data[stage.name]

    def collate(self) -> Collate:
        """The collate function of a stage's loader."""
        strength = "gentle" if self.recipe.data.augment else "none"
        return Collate(self.pixels, strength, self.recipe.seed, self.middle, self.half)


def prepare(recipe: Recipe) -> Run:
    """Make the folder, the data and the model from which the first stage starts, unless they are there.

    Raises:
        ValueError: If the folder holds a run of another recipe, a stage names a reward or a number to validate by that
            does not exist, or the recipe asks for devices or a strategy that there are not.
        RankError: In every other process, if the first one failed.
    """
    check_rewards(recipe)
    check_policies(recipe.stages)
    check_protocols(recipe)
    meet(recipe.trainer)
    with in_turn():
        _claim(recipe)
        root = data_root(recipe.data, recipe)
        start = recipe.folder / "init" / "model"
        if not start.is_dir():
            _check_validation(recipe, root)
            save_model(*build_model(recipe.model, set_texts(recipe, root), seed=recipe.seed), recipe, start)
    _, processor = load_vlm(start)
    images = processor.image_processor
    cache = pixel_cache(recipe.data, images)
    return Run(recipe, root, cache, *display_range(images.image_mean, images.image_std))


def _check_validation(recipe: Recipe, root: Path) -> None:
    """See that every stage can be validated as it says, before the first one is trained."""
    unused: Any = None
    for stage in recipe.stages:
        if stage.validation is not None:
            exam_of(recipe, stage, stage_data(recipe, stage, root, unused), unused)


def pixel_cache(settings: DataSettings, images: Any) -> PixelCache:
    """The cache that all stages share.

    Args:
        settings: Say how much is kept, where, and how files are decoded.
        images: The model's image processor.
    """
    return PixelCache(
        images.pixels,
        int(settings.cache_gb * 2**30),
        recipe=fingerprint(images.to_dict()),
        folder=settings.cache,
        disk_bytes=int(settings.cache_disk_gb * 2**30),
        modality=settings.modality,
        repair=settings.repair,
        size=images.needed if settings.decode == "fit" else None,
    )


def display_range(mean: Sequence[float], std: Sequence[float]) -> tuple[float, float]:
    """Middle and half of what [0, 1] becomes when it is normalised, by the first channel.

    Examples:
        >>> display_range([0.5] * 3, [0.5] * 3), display_range([0.0] * 3, [1.0] * 3)
        ((0.0, 1.0), (0.5, 0.5))
    """
    return (0.5 - mean[0]) / std[0], 0.5 / std[0]


def _claim(recipe: Recipe) -> None:
    """Write the recipe into its folder; what decides the weights must agree with what is there."""
    path = recipe.folder / "recipe.yaml"
    decisive = ("seed", "reasoning", "model", "data", "stages")
    if path.is_file() and (recipe.folder / "init" / "model").is_dir():  # before that, nothing was made of it
        old, new = _decisive(load_config(path)), _decisive(recipe)
        if changed := [name for name in decisive if getattr(old, name) != getattr(new, name)]:
            raise ValueError(
                f"{recipe.folder} holds a run with other settings ({', '.join(changed)}). "
                "Choose another place (output=FOLDER or name=NAME), or delete it."
            )
    if is_first():
        save_config(recipe, path)


def _decisive(recipe: Recipe) -> Recipe:
    """The recipe without what changes no number: where pixels are kept, who reads them, which server samples."""
    free = {"cache": None, "cache_gb": 0.0, "cache_disk_gb": 1.0, "workers": 0}
    stages = [one.model_copy(update={"rollouts": None}) if isinstance(one, GRPOStage) else one for one in recipe.stages]
    return recipe.model_copy(update={"data": recipe.data.model_copy(update=free), "stages": stages})


def save_model(
    model: Any, processor: Any, recipe: Recipe, folder: Path, beside: Callable[[Path], None] | None = None
) -> None:
    """Save a model and its processor by one rename, with a card of what it is, for programs and for readers.

    Args:
        model: What is saved.
        processor: Its processor.
        recipe: Of the run.
        folder: Where.
        beside: Writes what else was trained into the folder.
    """
    card = {
        "recipe": recipe.name,
        "seed": recipe.seed,
        "reasoning": recipe.reasoning,
        "trained_on": "+".join(recipe.data.sets),
        "kinds": trained_kinds(recipe),
        "reads": trained_reads(recipe),
        "note": recipe.note,
        "not_for_clinical_use": True,
    }
    folder.parent.mkdir(parents=True, exist_ok=True)
    with atomic_folder(folder) as temporary:
        model.save_pretrained(temporary)
        processor.save_pretrained(temporary)
        if beside is not None:
            beside(temporary)
        (temporary / "medvlm.json").write_text(json.dumps(card, indent=1), encoding="utf-8")
        (temporary / CARD_FILE).write_text(model_card(recipe), encoding="utf-8")


def build_objective(recipe: Recipe, stage: AnyStage, model: Any, processor: Any, folder: Path) -> Objective:
    """The LightningModule of a stage."""
    schedule = Schedule(stage.lr, stage.steps, stage.warmup, stage.decay, stage.weight_decay, stage.clip_norm)
    common: dict[str, Any] = {
        "reasoning": recipe.reasoning,
        "micro_tokens": stage.micro_tokens,
        "seed": recipe.seed,
    }
    if isinstance(stage, SFTStage):
        return SFT(model, processor, schedule, weak=stage.weak, **common)
    if isinstance(stage, ContrastiveStage):
        compared = ContrastiveOptions(**{name: getattr(stage, name) for name in ContrastiveOptions.__slots__})
        return Contrastive(model, processor, schedule, options=compared, **common)
    if isinstance(stage, PreferenceStage):
        compared_with = PreferenceOptions(**{name: getattr(stage, name) for name in PreferenceOptions.__slots__})
        return Preference(model, processor, schedule, options=compared_with, **common)
    options = options_of(stage)
    log, rewards = RolloutLog(folder / "rollouts"), RewardSet(stage.rewards, on_error=stage.on_reward_error)
    server = None if stage.rollouts is None else Server(**stage.rollouts.model_dump())
    return GRPO(model, processor, schedule, rewards=rewards, options=options, log=log, server=server, **common)


def start_folder(recipe: Recipe, stage: Stage) -> Path:
    """The model that a stage starts from."""
    names = [other.name for other in recipe.stages]
    before = names.index(stage.name) - 1
    return recipe.folder / (stage.start or (names[before] if before >= 0 else "init")) / "model"


def train_stage(run: Run, stage: AnyStage) -> Path:
    """Train one stage, from its last checkpoint if there is one, and return its folder.

    A finished stage (its ``model`` is there) is not trained again.
    """
    recipe = run.recipe
    folder = recipe.folder / stage.name
    if (folder / "model").is_dir():
        return folder
    model, processor = starting_model(recipe, stage)
    model.train()
    module = build_objective(recipe, stage, model, processor, folder)
    data = run.data(stage, "fit")
    check_samples(module.prompter, data.drawn().groups, stage, max_positions(model.config))
    exam = exam_of(recipe, stage, data, run.pixels)
    validation = None
    if exam is not None and stage.validation is not None:
        validation = Validation(exam, stage.validation, stage.steps, folder)
    trainer = build_trainer(recipe, stage, folder, callbacks=[] if validation is None else [validation])
    if isinstance(stage, PreferenceStage) and isinstance(module, Preference):
        remember_reference(recipe, stage, module, data, run.pixels, trainer)
    checkpoint = latest_checkpoint(folder / "steps")
    if checkpoint is not None:
        data.start_step = int(checkpoint.name.partition("-")[2])
    trainer.fit(module, data, ckpt_path=checkpoint, weights_only=True)
    if module.batches_done < stage.steps and not (validation is not None and validation.stopped):
        raise KeyboardInterrupt(f"Stage {stage.name} stopped at batch {module.batches_done} of {stage.steps}.")
    result = None if validation is None else validation.finish(module)
    model = whole_model(module, lambda: starting_model(recipe, stage)[0])
    with in_turn():
        if is_first():
            cost = {"cpu_seconds": round(module.cpu_seconds, 1), "batches": module.batches_done}
            write_whole(folder / "cost.json", json.dumps(cost))
            if result is not None:
                write_whole(folder / RESULT, json.dumps(result, indent=1))
            model = merged(model, start_folder(recipe, stage))
            save_model(model, processor, recipe, folder / "model", module.save_beside)
            for unfinished in ("steps", "best"):
                shutil.rmtree(folder / unfinished, ignore_errors=True)
    return folder


def starting_model(recipe: Recipe, stage: Stage) -> tuple[Any, Any]:
    """The model that a stage starts from, as it is trained (frozen parts, adapters), and its processor."""
    torch.manual_seed(recipe.seed)
    model, processor = load_vlm(start_folder(recipe, stage), quantize=recipe.model.quantize)
    prepare_parts(model, recipe.model)
    return model, processor
