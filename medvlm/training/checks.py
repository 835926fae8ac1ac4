"""What would break a stage hours after its start, found before its first step; every message names the sample."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from medvlm.evaluation.answering.settings import Answering, parse_answering
from medvlm.evaluation.protocols import get_protocol
from medvlm.generation.prompts import Prompter, reference_text, user_text
from medvlm.heads import text_ids
from medvlm.preferences.pairs import pairs_of
from medvlm.settings import Recipe
from medvlm.stages import AnyStage, ContrastiveStage, GRPOStage, PreferenceStage, SFTStage, Stage
from medvlm.study import Sample, SampleError
from medvlm.training.contrastive import report_of
from medvlm.training.rewards.scoring import RewardSet

SLACK = 64  # bytes by which the text around one question may differ from that around another


def check_rewards(recipe: Recipe) -> None:
    """Find every reward that a stage names.

    Raises:
        ValueError: If one, its gate or one of its options does not exist.
    """
    for stage in recipe.stages:
        if isinstance(stage, GRPOStage):
            RewardSet(stage.rewards)
        elif isinstance(stage, PreferenceStage) and stage.pairs.source == "sampled":
            RewardSet(stage.pairs.rewards)


def check_protocols(recipe: Recipe) -> None:
    """Find the protocol of every stage that is scored, and how it is answered, before hours of training.

    Raises:
        ValueError: If one does not exist.
    """
    recipe_answering(recipe)
    for stage in recipe.stages:
        if stage.evaluate and not isinstance(stage, ContrastiveStage):  # ranked, not asked
            get_protocol(protocol_name(recipe, stage))


def recipe_answering(recipe: Recipe) -> Answering:
    """How the questions of a recipe's held-out split are answered.

    Raises:
        ValueError: If it cannot be read, or takes thoughts of a model that has none.
    """
    asked = recipe.evaluate
    answering = parse_answering(
        asked.answering,
        temperature=asked.temperature,
        shots=asked.shots,
        orders=asked.orders,
        probabilities=asked.probabilities,
    )
    if answering.strategy == "budget" and not recipe.reasoning:
        raise ValueError(f"evaluate.answering {asked.answering} needs a model that reasons (reasoning: true)")
    return answering


def protocol_name(recipe: Recipe, stage: Stage) -> str:
    """How a stage is scored: as it says itself, or the recipe, or as is usual for the data."""
    return stage.protocol or recipe.evaluate.protocol or recipe.data.name


def check_samples(prompter: Prompter, groups: Iterable[Sequence[Sample]], stage: AnyStage, limit: int | None) -> None:
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
    if isinstance(stage, ContrastiveStage):
        _check_pairs(prompter.processor.tokenizer, groups, stage, limit)
        return
    around: int | None = None
    for group in groups:
        for sample in group:
            if around is None:
                around = _size(prompter.text(sample)) - _size(user_text(sample)) + SLACK
            _check(prompter, sample, stage, limit, around)


def check_reports(stage: Stage, samples: Sequence[Sample]) -> None:
    """See that a set has the reports that a contrastive stage pairs with images.

    Raises:
        SampleError: If it has none.
    """
    if isinstance(stage, ContrastiveStage) and not any(sample.kind == "report" for sample in samples):
        raise SampleError(
            f"Stage {stage.name!r} pairs images with reports; none of the {len(samples)} training samples is a report. "
            "Choose a set that has them, or let its options give them (data.options.kinds with report in it)."
        )


def _check_pairs(tokenizer: Any, groups: Iterable[Sequence[Sample]], stage: Stage, limit: int | None) -> None:
    """See that there are pairs to compare, and that every report fits the decoder."""
    pairs = 0
    for group in groups:
        sample = report_of(group)
        if not sample.images:
            raise SampleError(f"Sample {sample.id!r} has a report and no image to pair it with.")
        if limit is not None and _size(sample.answer) > limit // 2:
            length = len(text_ids(tokenizer, sample.answer).ids)
            if length > limit:
                raise SampleError(
                    f"Sample {sample.id!r}: its report takes {length} tokens, the decoder at most {limit}."
                )
        pairs += 1
    if pairs < 2:
        raise SampleError(f"Stage {stage.name!r} compares studies with each other; it draws from {pairs}, at least 2.")


def _check(prompter: Prompter, sample: Sample, stage: AnyStage, limit: int | None, around: int) -> None:
    question, processor = user_text(sample), prompter.processor
    answer = ""
    if isinstance(stage, SFTStage):
        answer = reference_text(sample, reasoning=prompter.reasoning, weak=stage.weak)
    elif isinstance(stage, PreferenceStage):
        answer = max((text for pair in pairs_of(sample) for text in (pair.chosen, pair.rejected)), key=_size)
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
