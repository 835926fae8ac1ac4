"""What would break a stage hours after its start, found before its first step; every message names the sample."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from medvlm.evaluation.protocols import get_protocol
from medvlm.generation.prompts import Prompter, reference_text, user_text
from medvlm.settings import GRPOStage, Recipe, SFTStage, Stage
from medvlm.study import Sample, SampleError
from medvlm.training.rewards import find_reward

SLACK = 64  # bytes by which the text around one question may differ from that around another


def check_rewards(recipe: Recipe) -> None:
    """Find every reward that a stage names.

    Raises:
        ValueError: If one does not exist.
    """
    for stage in recipe.stages:
        for name in stage.rewards if isinstance(stage, GRPOStage) else ():
            find_reward(name)


def check_protocols(recipe: Recipe) -> None:
    """Find the protocol of every stage that is scored, before hours of training.

    Raises:
        ValueError: If one does not exist.
    """
    for stage in recipe.stages:
        if stage.evaluate:
            get_protocol(protocol_name(recipe, stage))


def protocol_name(recipe: Recipe, stage: Stage) -> str:
    """How a stage is scored: as it says itself, or the recipe, or as is usual for the data."""
    return stage.protocol or recipe.evaluate.protocol or recipe.data.name


def check_samples(
    prompter: Prompter, groups: Iterable[Sequence[Sample]], stage: SFTStage | GRPOStage, limit: int | None
) -> None:
    """See that every sample has the answer that the stage imitates, fills its placeholders and fits the decoder.

    A text has at most as many tokens as bytes: only samples that come near the limit are tokenised.

    Args:
        prompter: Of the stage.
        groups: The samples that the stage draws.
        stage: Whether answers are imitated or sampled.
        limit: Longest sequence of the decoder; None if unbounded.

    Raises:
        SampleError: If a sample is too long or writes a placeholder of its own.
        ValueError: If it lacks the answer.
    """
    around: int | None = None
    for group in groups:
        for sample in group:
            if around is None:
                around = _size(prompter.text(sample)) - _size(user_text(sample)) + SLACK
            _check(prompter, sample, stage, limit, around)


def _check(prompter: Prompter, sample: Sample, stage: SFTStage | GRPOStage, limit: int | None, around: int) -> None:
    question, processor = user_text(sample), prompter.processor
    answer = ""
    if isinstance(stage, SFTStage):
        answer = reference_text(sample, reasoning=prompter.reasoning, weak=stage.weak)
    for token in processor.placeholders:
        if token in question + answer:
            raise SampleError(f"Sample {sample.id!r} has {token} in its text; it would ask for an image of its own.")
    shown = sum(processor.count_tokens("volume" if image.volume else "image") for image in sample.images)
    sampled = stage.max_new_tokens if isinstance(stage, GRPOStage) else 0
    if limit is None or around + _size(question) + shown + _size(answer) + 1 + sampled <= limit:
        return
    prompt, written = len(prompter.prompt(sample)), sampled or len(prompter.completion(answer))
    if prompt + written > limit:
        raise SampleError(
            f"Sample {sample.id!r} takes {prompt} tokens ({shown} of them for {len(sample.images)} image(s)) and "
            f"{written} for its answer, the decoder at most {limit}. Leave it out or shorten it, merge more image "
            "tokens (model.projector.merge), or take a longer decoder (max_position_embeddings)."
        )


def _size(text: str) -> int:
    return len(text.encode())
