"""What a run would be: parameters, tokens, memory, downloads and steps, from configurations; no weight is read."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import torch
from transformers import AutoModelForImageTextToText

from medvlm.identity import PHANTOM_SETS
from medvlm.models import MedVLMConfig
from medvlm.models.learned_prompt import plan_learned_tokens
from medvlm.models.native import FAMILIES
from medvlm.models.parts import PARTS, count_parameters, part_of
from medvlm.models.tokens import max_positions
from medvlm.settings import Recipe
from medvlm.stages import AnyStage, GRPOStage, PreferenceStage, SFTStage
from medvlm.study import Sample
from medvlm.training.build import intensity_recipes, phantom_root, prepare_parts, stage_data
from medvlm.training.checks import check_rewards
from medvlm.training.configuration import plan_config
from medvlm.training.footprint import WEIGHT_BYTES, Load, Memory, Tower, estimate
from medvlm.training.inputs import check_images
from medvlm.training.planning import Lengths, TokenCounter, some
from medvlm.training.preference import LOSSES

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
    """

    stage: AnyStage
    groups: int | None
    questions: float
    prompt: Lengths
    answer: Lengths
    memory: Memory


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
    config, downloads = plan_config(recipe.model)
    samples = [sample for groups in found.values() for group in groups for sample in group]
    recipes = intensity_recipes(recipe.model.intensity)
    check_images(recipe.model, config, samples, recipes=recipes, modality=recipe.data.modality)
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(config)
    parameters = count_parameters(model)
    if recipe.model.prompt_tokens is not None:
        plan_learned_tokens(model, recipe.model.prompt_tokens)
    prepare_parts(model, recipe.model)
    trainable: Counter[str] = Counter(dict.fromkeys(PARTS, 0))
    for name, parameter in model.named_parameters():
        trainable[part_of(name)] += parameter.numel() * parameter.requires_grad
    composed = isinstance(config, MedVLMConfig)
    counter = TokenCounter(recipe, config, samples)
    tokens = (counter.image_tokens, config.volume_tokens if composed and recipe.model.compressor else None)
    notes += counter.notes
    if not composed and config.model_type not in FAMILIES:
        notes.append(
            f"{recipe.model.source} is a {config.model_type!r} model: it can be planned, but not trained. Of native "
            f"models {', '.join(FAMILIES)} are supported."
        )
    plans = tuple(
        _plan(recipe, stage, found[stage.name], config, counter, (sum(parameters.values()), dict(trainable)))
        for stage in recipe.stages
    )
    size = max_positions(config)
    notes += [note for plan in plans if (note := _too_long(plan, size))]
    notes += [note for plan in plans if (note := _too_large(plan, recipe.trainer.memory_gb))]
    sizes = {name: parameters[part] if part else sum(parameters.values()) for name, part in downloads.items()}
    fetched = {name: 2 * count for name, count in sizes.items()}
    return DryRun(recipe, parameters, dict(trainable), *tokens, size, plans, fetched, tuple(dict.fromkeys(notes)))


def _samples(recipe: Recipe, stage: AnyStage, notes: list[str]) -> list[tuple[Sample, ...]]:
    """Groups of training questions that a stage draws from; none, and a note, if the data is not there."""
    if absent := _absent(recipe):
        notes.append(f"data {recipe.data.name}: {absent}; lengths of texts are assumed.")
        return []
    unused: Any = None
    data = stage_data(recipe, stage, recipe.data.root or phantom_root(recipe), unused)
    data.setup("fit")
    return data.drawn().groups


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
    parameters: tuple[int, dict[str, int]],
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
    total, trained = parameters
    lora = recipe.model.lora
    compared = isinstance(stage, GRPOStage) and stage.beta > 0
    compared |= isinstance(stage, PreferenceStage) and LOSSES[stage.loss].reference
    memory = estimate(
        Tower.of(config.get_text_config()),
        Tower.of(config.vision_config),
        _load(stage, config, questions, prompt, answer, train_vision=trained["vision"] > 0),
        total=total,
        trained=sum(trained.values()),
        precision=recipe.trainer.precision,
        reference=compared and (lora is None or lora.get("method") == "pissa"),
    )
    return StagePlan(stage, len(groups) or None, questions, prompt, answer, memory)


def _load(
    stage: AnyStage,
    config: Any,
    questions: float,
    prompt: Lengths,
    answer: Lengths,
    *,
    train_vision: bool,
) -> Load:
    """One micro-batch of trees, each with its questions and their answers."""
    answers = stage.group if isinstance(stage, GRPOStage) else 2 if isinstance(stage, PreferenceStage) else 1
    branch = math.ceil(questions * answers * answer.mean)
    row = math.ceil(prompt.mean) + branch
    tokens = max(row, min(stage.micro_tokens, stage.images * row))
    rows = max(1, tokens // row)
    vision = config.vision_config
    size, patch = getattr(vision, "image_size", 0), getattr(vision, "patch_size", 1)
    patches = (size // patch) ** 2 if isinstance(size, int) and isinstance(patch, int) else 0
    cached = stage.images * row if isinstance(stage, GRPOStage) else 0
    return Load(tokens, row, rows * branch, rows * patches if train_vision else 0, cached)


def _too_long(plan: StagePlan, limit: int | None) -> str | None:
    """A warning where prompt and answer do not fit the decoder."""
    longest = plan.prompt.most + plan.answer.most
    if limit is None or longest <= limit:
        return None
    return (
        f"stage {plan.stage.name}: a sample takes {longest} tokens, the decoder at most {limit}: shorten it, or merge."
    )


def _too_large(plan: StagePlan, memory_gb: float | None) -> str | None:
    """A warning where a stage needs more than a device has."""
    peak, kept = plan.memory.peak, plan.memory.peak - max(plan.memory.activations, plan.memory.sampling)
    if memory_gb is None or peak <= memory_gb * 2**30:
        return None
    way = "lower micro_tokens or images"
    if kept > memory_gb * 2**30:
        way = f"{_bytes(kept)} of it stay; train adapters (model.lora) in bf16-true, or a smaller model"
    return f"stage {plan.stage.name}: about {_bytes(peak)} does not fit a device of {memory_gb:g} GiB: {way}."


def describe(plan: DryRun) -> str:
    """The plan as text."""
    recipe = plan.recipe
    lines = [f"{recipe.name}: dry run, no weights were read or fetched", ""]
    lines += [f"{'part':<12}{'parameters':>12}{'trained':>12}"]
    for part, count in plan.parameters.items():
        lines.append(f"{part:<12}{_count(count):>12}{_count(plan.trainable.get(part, 0)):>12}")
    total, trained = sum(plan.parameters.values()), sum(plan.trainable.values())
    lines += [f"{'all':<12}{_count(total):>12}{_count(trained):>12}", ""]
    volume = "" if plan.volume_tokens is None else f", {plan.volume_tokens} a volume"
    limit = "without bound" if plan.max_positions is None else f"at most {plan.max_positions:,}"
    lines += [f"tokens: {plan.image_tokens} an image{volume}; the decoder takes {limit}", ""]
    for stage in plan.stages:
        lines += _describe_stage(stage, recipe)
    fetched = [f"{name} (about {_bytes(size)})" for name, size in plan.downloads.items()]
    lines.append(f"would be downloaded: {', '.join(fetched) or 'nothing'}")
    return "\n".join([*lines, *(f"note: {note}" for note in plan.notes)])


def _describe_stage(plan: StagePlan, recipe: Recipe) -> list[str]:
    stage, memory = plan.stage, plan.memory
    drawn = stage.steps * stage.images
    of = "" if plan.groups is None else f", {drawn / plan.groups:.2g} epochs of {plan.groups:,}"
    lines = [
        f"stage {stage.name} ({stage.objective}): {stage.steps:,} batches of {stage.images} contexts = {drawn:,}{of}",
        f"  a sample: prompt {plan.prompt.mean:.0f} tokens (most {plan.prompt.most}), "
        f"answer {plan.answer.mean:.0f} (most {plan.answer.most}); {plan.questions:.3g} questions a context",
    ]
    if isinstance(stage, GRPOStage):
        sampled = drawn * plan.questions * stage.group
        lines.append(f"  rollouts: {stage.group} a question, about {sampled:,.0f} completions in {stage.mu} pass(es)")
    parts = ", ".join(f"{name} {_bytes(value)}" for name, value in memory.parts().items())
    weights = {4: "fp32", 2: "bf16"}[WEIGHT_BYTES[recipe.trainer.precision]]
    lines.append(f"  memory of a device ({recipe.trainer.precision}, {weights} weights): about {_bytes(memory.peak)}")
    return [*lines, f"    {parts}", ""]


def _count(number: int) -> str:
    """A number of parameters.

    Examples:
        >>> _count(4_022_468_096), _count(1_500), _count(0)
        ('4.022 B', '1.5 k', '0')
    """
    for size, sign, digits in ((1e9, "B", 3), (1e6, "M", 1), (1e3, "k", 1)):
        if number >= size:
            return f"{number / size:.{digits}f} {sign}"
    return str(number)


def _bytes(number: int) -> str:
    """A number of bytes.

    Examples:
        >>> _bytes(3 * 2**30), _bytes(5 * 2**20)
        ('3.0 GiB', '5 MiB')
    """
    return f"{number / 2**30:.1f} GiB" if number >= 2**30 else f"{math.ceil(number / 2**20)} MiB"
