"""What a run would be: parameters, tokens, memory, downloads and steps, from configurations; no weight is read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

from medvlm.identity import PHANTOM_SETS
from medvlm.models import MedVLMConfig
from medvlm.models.native import FAMILIES
from medvlm.models.tokens import max_positions
from medvlm.settings import Recipe
from medvlm.stages import AnyStage, GRPOStage, PreferenceStage, SFTStage
from medvlm.study import Sample
from medvlm.training.build import intensity_recipes, phantom_root, stage_data
from medvlm.training.checks import check_rewards
from medvlm.training.configuration import plan_config
from medvlm.training.dryrun_text import describe, shown_bytes
from medvlm.training.fitting import Census, device_gib, shares, take_census, way_out
from medvlm.training.footprint import Load, Memory, Tower, estimate
from medvlm.training.inputs import check_images
from medvlm.training.planning import Lengths, TokenCounter, some
from medvlm.training.preference import LOSSES
from medvlm.training.saved_values import Kept, values_of_images
from medvlm.training.validation_data import exam_of

WITHOUT_DATA = 96  # tokens of a prompt's text, where no data is at hand


@dataclass(frozen=True, slots=True)
class StagePlan:
    """What a stage would do.

    Attributes:
        stage: Its settings.
        groups: Contexts (images with their questions) that it draws from; None if the data is not there.
        questions: Questions of a context, mean.
        prompt: Tokens of a prompt, images included.
        answer: Tokens of an answer that is imitated, or the limit of a sampled one.
        memory: Bytes on each device.
        validated: Questions of a validation; None where there is none, or the data is not there.
    """

    stage: AnyStage
    groups: int | None
    questions: float
    prompt: Lengths
    answer: Lengths
    memory: Memory
    validated: int | None = None


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a recipe would need; as text, see `describe`.

    Attributes:
        recipe: The recipe.
        parameters: Parameters of each part.
        trainable: Those that are trained, adapters included.
        image_tokens: Decoder tokens of one image.
        volume_tokens: Decoder tokens of one volume; None where the model takes none.
        max_positions: Longest sequence of the decoder; None if unbounded.
        stages: In order.
        downloads: Hub names whose weights would be fetched, and about how many bytes of them are used.
        notes: What a reader must know: data that is not there, samples that are too long, guesses.
        device_gib: Memory of a device, where the recipe or a GPU says it.
    """

    recipe: Recipe
    parameters: dict[str, int]
    trainable: dict[str, int]
    image_tokens: int
    volume_tokens: int | None
    max_positions: int | None
    stages: tuple[StagePlan, ...]
    downloads: dict[str, int]
    notes: tuple[str, ...]
    device_gib: float | None = None

    def __str__(self) -> str:
        """See `describe`."""
        return describe(self)


def dry_run(recipe: Recipe) -> DryRun:
    """Plan a recipe: its model on the meta device, its texts tokenised where data and tokenizer are there.

    Weights are never read or fetched. The configuration of a Hub name (some kB) is fetched if it is not cached.

    Raises:
        WeightsError: If a configuration is neither here nor can be fetched, or fits no model.
        ValueError: If a setting names nothing that exists (a reward, an encoder, an intensity recipe).
        SampleError: If the model cannot read the images of the set.
    """
    check_rewards(recipe)
    notes: list[str] = []
    found = {stage.name: _samples(recipe, stage, notes) for stage in recipe.stages}
    validated = {stage.name: _validated(recipe, stage) for stage in recipe.stages}
    config, downloads = plan_config(recipe.model)
    samples = [sample for groups in found.values() for group in groups for sample in group]
    recipes = intensity_recipes(recipe.model.intensity)
    check_images(recipe.model, config, samples, recipes=recipes, modality=recipe.data.modality)
    census = take_census(config, recipe.model)
    composed = isinstance(config, MedVLMConfig)
    counter = TokenCounter(recipe, config, samples)
    tokens = (counter.image_tokens, config.volume_tokens if composed and recipe.model.compressor else None)
    notes += counter.notes
    if not composed and config.model_type not in FAMILIES:
        notes.append(
            f"{recipe.model.source} is a {config.model_type!r} model: it can be planned, but not trained. Of native "
            f"models {', '.join(FAMILIES)} are supported."
        )
    kept = values_of_images(config, counter.image_tokens) if census.trainable["vision"] else Kept()
    plans = tuple(
        replace(_plan(recipe, stage, found[stage.name], config, counter, census, kept), validated=validated[stage.name])
        for stage in recipe.stages
    )
    size, limit = max_positions(config), device_gib(recipe.trainer)
    notes += [note for plan in plans if (note := _too_long(plan, size))]
    notes += [note for plan in plans if (note := _too_large(plan, recipe, limit))]
    sizes = {name: census.parameters[part] if part else census.total for name, part in downloads.items()}
    fetched = {name: 2 * count for name, count in sizes.items()}
    counts = (census.parameters, census.trainable)
    return DryRun(recipe, *counts, *tokens, size, plans, fetched, tuple(dict.fromkeys(notes)), limit)


def _samples(recipe: Recipe, stage: AnyStage, notes: list[str]) -> list[tuple[Sample, ...]]:
    """Groups of training questions that a stage draws from; none, and a note, if the data is not there."""
    if absent := _absent(recipe):
        notes.append(f"data {recipe.data.name}: {absent}; lengths of texts are assumed.")
        return []
    unused: Any = None
    data = stage_data(recipe, stage, recipe.data.root or phantom_root(recipe), unused)
    data.setup("fit")
    return data.drawn().groups


def _validated(recipe: Recipe, stage: AnyStage) -> int | None:
    """Questions of each validation of a stage; None where there is none, or the data is not there.

    Raises:
        ValueError: If it cannot be validated as it says.
    """
    if stage.validation is None or _absent(recipe):
        return None
    unused: Any = None
    exam = exam_of(recipe, stage, stage_data(recipe, stage, recipe.data.root or phantom_root(recipe), unused), unused)
    return None if exam is None else len(exam.samples)


def _absent(recipe: Recipe) -> str:
    """What of the data is not there, and what to do; empty if all of it is."""
    settings = recipe.data
    if settings.parts:
        roots = [str(part.root) for part in settings.parts if not part.root.exists()]
        return f"{', '.join(roots)} not there (set data.parts.N.root=FOLDER)" if roots else ""
    if settings.root is None and settings.set not in PHANTOM_SETS:
        return "data.root is not set (set data.root=FOLDER)"
    root = settings.root or phantom_root(recipe)
    then = "the run will make it" if settings.set in PHANTOM_SETS else "set data.root=FOLDER"
    return "" if root.exists() else f"{root} does not exist ({then})"


def _plan(
    recipe: Recipe,
    stage: AnyStage,
    groups: Sequence[Sequence[Sample]],
    config: Any,
    counter: TokenCounter,
    census: Census,
    kept: Kept,
) -> StagePlan:
    """Tokens and memory of one stage."""
    samples = some([sample for group in groups for sample in group])
    prompt = Lengths.of([counter.prompt(sample) for sample in samples] or [counter.image_tokens + WITHOUT_DATA])
    if isinstance(stage, GRPOStage):
        answer = Lengths(stage.max_new_tokens, stage.max_new_tokens)
    else:
        weak = isinstance(stage, SFTStage) and stage.weak
        answer = Lengths.of([counter.answer(sample, weak=weak) for sample in samples] or [WITHOUT_DATA])
    questions = fmean(len(group) for group in groups) if groups else 1.0
    lora = recipe.model.lora
    compared = isinstance(stage, GRPOStage) and stage.beta > 0
    compared |= isinstance(stage, PreferenceStage) and stage.reference == "live" and LOSSES[stage.loss].reference
    copied = lora is None or lora.get("method") == "pissa"
    copied |= isinstance(stage, GRPOStage) and (stage.reference == "copy" or stage.reference_every > 0)
    memory = estimate(
        Tower.of(config.get_text_config()),
        _load(stage, questions, prompt, answer, kept.of(groups)),
        total=census.total,
        trained=census.trained,
        small=census.small,
        precision=recipe.trainer.precision,
        reference=compared and copied,
    )
    return StagePlan(stage, len(groups) or None, questions, prompt, answer, memory)


def _load(
    stage: AnyStage,
    questions: float,
    prompt: Lengths,
    answer: Lengths,
    encoded: float,
) -> Load:
    """One micro-batch of trees, each with its questions and their answers."""
    answers = stage.group if isinstance(stage, GRPOStage) else 2 if isinstance(stage, PreferenceStage) else 1
    branch = math.ceil(questions * answers * answer.mean)
    row = math.ceil(prompt.mean) + branch
    tokens = max(row, min(stage.micro_tokens, stage.images * row))
    rows = max(1, tokens // row)
    cached = stage.images * row if isinstance(stage, GRPOStage) else 0
    return Load(tokens, row, rows * branch, math.ceil(rows * encoded), cached)


def _too_long(plan: StagePlan, limit: int | None) -> str | None:
    """A warning where prompt and answer do not fit the decoder."""
    longest = plan.prompt.most + plan.answer.most
    if limit is None or longest <= limit:
        return None
    return (
        f"stage {plan.stage.name}: a sample takes {longest} tokens, the decoder at most {limit}: shorten it, or merge."
    )


def _too_large(plan: StagePlan, recipe: Recipe, limit: float | None) -> str | None:
    """A warning where a stage needs more than a device has."""
    kept = plan.memory.held // shares(recipe.trainer)
    peak = kept + plan.memory.peak - plan.memory.held
    if limit is None or peak <= limit * 2**30:
        return None
    way = "lower micro_tokens or images."
    if kept > limit * 2**30:
        way = f"{shown_bytes(kept)} of it stay. {way_out(recipe)}"
    return f"stage {plan.stage.name}: about {shown_bytes(peak)} does not fit a device of {limit:g} GiB: {way}"
