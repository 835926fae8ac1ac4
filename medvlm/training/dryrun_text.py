"""A planned run as text."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from medvlm.settings import Recipe
from medvlm.stages import GRPOStage
from medvlm.training.footprint import WEIGHT_BYTES
from medvlm.validation import ValidateSettings

if TYPE_CHECKING:
    from medvlm.training.dryrun import DryRun, StagePlan


def describe(plan: DryRun) -> str:
    """The plan as text."""
    recipe = plan.recipe
    lines = [f"{recipe.name}: dry run, no weights were read or fetched", ""]
    lines += [f"{'part':<12}{'parameters':>12}{'trained':>12}"]
    for part, count in plan.parameters.items():
        lines.append(f"{part:<12}{shown_count(count):>12}{shown_count(plan.trainable.get(part, 0)):>12}")
    total, trained = sum(plan.parameters.values()), sum(plan.trainable.values())
    lines += [f"{'all':<12}{shown_count(total):>12}{shown_count(trained):>12}", ""]
    volume = "" if plan.volume_tokens is None else f", {plan.volume_tokens} a volume"
    limit = "without bound" if plan.max_positions is None else f"at most {plan.max_positions:,}"
    lines += [f"tokens: {plan.image_tokens} an image{volume}; the decoder takes {limit}", ""]
    for stage in plan.stages:
        lines += _describe_stage(stage, recipe)
    if plan.device_gib is not None:
        lines += [f"a device has {plan.device_gib:.1f} GiB", ""]
    fetched = [f"{name} (about {shown_bytes(size)})" for name, size in plan.downloads.items()]
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
    if stage.validation is not None:
        lines.append(f"  {validation_text(stage.validation, stage.steps, plan.validated)}")
    parts = ", ".join(f"{name} {shown_bytes(value)}" for name, value in memory.parts().items())
    weights = {4: "fp32", 2: "bf16"}[WEIGHT_BYTES[recipe.trainer.precision]]
    lines.append(
        f"  memory of a device ({recipe.trainer.precision}, {weights} weights): about {shown_bytes(memory.peak)}"
    )
    return [*lines, f"    {parts}", ""]


def validation_text(settings: ValidateSettings, steps: int, questions: int | None) -> str:
    """What the validation of a stage costs.

    Args:
        settings: How often it is.
        steps: Batches of the stage.
        questions: Of each time; None where that is not known.

    Examples:
        >>> validation_text(ValidateSettings(every=40), 100, 200)
        'validation by accuracy: 200 questions x 3 times = 600 answers (every 40 batches, and after the last)'
    """
    times = math.ceil(steps / settings.every)
    often = f"(every {settings.every:,} batches, and after the last)"
    if questions is None:
        most = "all questions" if settings.limit is None else f"at most {settings.limit:,} questions"
        return f"validation by {settings.metric}: {most} x {times:,} times {often}"
    total = questions * times
    return f"validation by {settings.metric}: {questions:,} questions x {times:,} times = {total:,} answers {often}"


def shown_count(number: int) -> str:
    """A number of parameters.

    Examples:
        >>> shown_count(4_022_468_096), shown_count(1_500), shown_count(0)
        ('4.022 B', '1.5 k', '0')
    """
    for size, sign, digits in ((1e9, "B", 3), (1e6, "M", 1), (1e3, "k", 1)):
        if number >= size:
            return f"{number / size:.{digits}f} {sign}"
    return str(number)


def shown_bytes(number: int) -> str:
    """A number of bytes.

    Examples:
        >>> shown_bytes(3 * 2**30), shown_bytes(5 * 2**20)
        ('3.0 GiB', '5 MiB')
    """
    return f"{number / 2**30:.1f} GiB" if number >= 2**30 else f"{math.ceil(number / 2**20)} MiB"
