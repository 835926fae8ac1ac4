"""Which questions a stage is validated on: the set's own split, or a tenth of its training patients; never the test."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from medvlm.datamodules.data import StudyData
from medvlm.datamodules.sets import LoadReport, load_set
from medvlm.datamodules.splits import fraction_of
from medvlm.evaluation.numbers import extremes, find_number
from medvlm.evaluation.protocols import Protocol, get_protocol
from medvlm.settings import Recipe
from medvlm.stages import Stage
from medvlm.study import ImageRef, Sample, SampleError
from medvlm.training.checks import protocol_name
from medvlm.validation import ValidateSettings

HELD_OUT = 0.1
"""Share of the training patients that a set without a ``validate`` split gives up."""


@dataclass(frozen=True, slots=True)
class Exam:
    """What a stage is validated on.

    Attributes:
        samples: The questions.
        pixels: Prepared pixels of an image reference.
        protocol: How they are scored.
        reasoning: Whether answers carry their reasoning between tags.
        batch: Images answered together.
        max_new_tokens: Longest answer.
        seed: Of the recipe.
        source: Where the questions come from, in words.
    """

    samples: Sequence[Sample]
    pixels: Callable[[ImageRef], Tensor]
    protocol: Protocol
    reasoning: bool = False
    batch: int = 64
    max_new_tokens: int = 64
    seed: int = 0
    source: str = "validate"


def validates(recipe: Recipe) -> bool:
    """Whether any stage is validated: then every stage leaves the questions for it alone."""
    return any(stage.validation is not None for stage in recipe.stages)


def held_out_share(data: StudyData) -> float:
    """Share of the training patients to validate on: 0 where the set has questions of its own for it.

    Args:
        data: Of a stage; the first sample of its ``validate`` split is read (of a mixture, all of them).

    Raises:
        SampleError: If the set has such questions, and none can be used.
        FileNotFoundError: If the set is not there.
    """
    report = LoadReport()
    try:
        if data.mixture is None:
            next(load_set(data.set_name, data.root, "validate", report=report, **data.options), None)
        else:
            data.mixture.load("validate", report, data.options)
    except ValueError:  # no such split; an option that is wrong is so for the training split too
        if report.records:
            raise
        return HELD_OUT
    return 0.0


def choose_questions(samples: Sequence[Sample], limit: int | None, seed: int) -> list[Sample]:
    """At most so many questions, whole patients (or images) by the seed, in the order of the split.

    Which patients they are depends on their names and the seed alone. The first one is taken whatever its questions.

    Args:
        samples: Of the split.
        limit: Most questions; None takes all.
        seed: Which choice.
    """
    if limit is None or len(samples) <= limit:
        return list(samples)
    groups: dict[str, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(_group(sample), []).append(sample)
    chosen: set[str] = set()
    count = 0
    for name in sorted(groups, key=lambda name: (fraction_of(name, seed), name)):
        if chosen and count + len(groups[name]) > limit:
            break
        chosen.add(name)
        count += len(groups[name])
    return [sample for sample in samples if _group(sample) in chosen]


def check_metric(settings: ValidateSettings, samples: Sequence[Sample], protocol: Protocol, stage: str) -> None:
    """See that these questions have the number by which weights are chosen, and that more of it is what is wanted.

    Args:
        settings: Name the number.
        samples: Questions to validate on.
        protocol: How they are scored.
        stage: Whose they are.

    Raises:
        ValueError: If there is no such number, it is none even of perfect answers, or the mode prefers silence.
    """
    where = f"stage {stage!r}: validate.metric={settings.metric!r}"
    perfect, silent = extremes(samples, protocol)
    try:
        best, worst = (find_number(settings.metric, numbers) for numbers in (perfect, silent))
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    if not (math.isfinite(best) and math.isfinite(worst)):
        raise ValueError(
            f"{where} of these {len(samples)} questions is {best} where every answer is right and {worst} where there "
            "is none; choose a number that both have, or more questions (validate.limit)"
        )
    if best != worst and (best > worst) != (settings.mode == "max"):
        other = "min" if settings.mode == "max" else "max"
        raise ValueError(
            f"{where} is {best:g} where every answer is right and {worst:g} where there is none: "
            f"mode={settings.mode} would choose the worst weights, say validate.mode={other}"
        )


def exam_of(recipe: Recipe, stage: Stage, data: StudyData, pixels: Callable[[ImageRef], Tensor]) -> Exam | None:
    """What a stage is validated on, once it is sure that it can be; None for a stage that is not validated.

    Args:
        recipe: Gives the seed, and how stages are scored.
        stage: The stage.
        data: Of the stage; its ``validate`` split is read, no pixels.
        pixels: Prepared pixels of an image reference.

    Raises:
        SampleError: If there are no questions, or the protocol does not ask questions of their kind.
        ValueError: See `check_metric`; or if the strategy is DeepSpeed's, whose weights are not saved one by one.
    """
    settings = stage.validation
    if settings is None:
        return None
    if recipe.trainer.strategy.startswith("deepspeed"):
        raise ValueError(f"stage {stage.name!r}: validate runs under ddp and fsdp, not {recipe.trainer.strategy}")
    samples = validation_questions(data, settings, recipe.seed)
    protocol = get_protocol(protocol_name(recipe, stage))
    check_metric(settings, [protocol.ask(sample) for sample in samples], protocol, stage.name)
    return Exam(
        samples,
        pixels,
        protocol,
        reasoning=recipe.reasoning,
        batch=recipe.evaluate.batch,
        max_new_tokens=recipe.evaluate.max_new_tokens,
        seed=recipe.seed,
        source=f"{data.validate_share:.0%} of the training patients" if data.validate_share else "split validate",
    )


def validation_questions(data: StudyData, settings: ValidateSettings, seed: int) -> list[Sample]:
    """The questions that a stage is validated on.

    Args:
        data: Of the stage; its ``validate`` split is read.
        settings: Of its validation.
        seed: Of the choice, where there is a limit.

    Raises:
        SampleError: If there are none.
    """
    data.setup("validate")
    samples = data.samples["validate"]
    if not samples:
        raise SampleError(
            f"{data.set_name} has nothing to validate on: {data.validate_share:.0%} of its training patients are none. "
            "Give more patients, mark some as split validate, or leave validate out of the recipe"
        )
    return choose_questions(samples, settings.limit, seed)


def _group(sample: Sample) -> str:
    return sample.group or "|".join(str(image.path) for image in sample.images) or sample.id
