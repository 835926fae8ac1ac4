"""Where the pairs of a preference stage come from, and how its samples get them.

Pairs that are made (by corruption, from sampled answers, from the rollouts of an earlier run) are kept in the stage's
``pairs.jsonl``, so that a run that goes on, or is read later, has the same ones.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import torch

from medvlm.datamodules.batches import group_by_image
from medvlm.datamodules.cache import PixelCache
from medvlm.datamodules.data import StudyData
from medvlm.generation.engine import Ask, Engine
from medvlm.generation.prompts import reference_text
from medvlm.generation.sampling import Completion
from medvlm.models import load_vlm
from medvlm.preferences.build import corrupted_pairs
from medvlm.preferences.choose import Scored, Window, chosen_pairs, read_rollouts
from medvlm.preferences.pairs import Pair, attach, pair_of, pairs_of, read_pairs, write_pairs
from medvlm.ranks import in_turn
from medvlm.settings import Recipe
from medvlm.stages import PairSettings, PreferenceStage
from medvlm.study import Sample
from medvlm.training.prefer import Preference
from medvlm.training.rewards.scoring import RewardSet, reward_columns
from medvlm.training.rollouts import Rollout

FILE = "pairs.jsonl"
_LOG = logging.getLogger(__name__)


def give_pairs(recipe: Recipe, stage: PreferenceStage, data: StudyData, pixels: PixelCache, start: Path) -> None:
    """Let the training samples of a stage carry their pairs; from then on only those that have some are drawn.

    Args:
        recipe: Of the run.
        stage: The stage; if its samples have pairs already, nothing happens.
        data: Its data, the training split read, and the held-out one if it is to be told apart.
        pixels: Prepared pixels, for answers that are sampled.
        start: The model that the stage starts from.

    Raises:
        SampleError: If a pair is of another split, or none is left.
    """
    samples = data.samples["train"]
    if any(map(pairs_of, samples)):
        return
    keep = data.keep
    pairs = _pairs(recipe, stage, [one for one in samples if keep is None or keep(one)], pixels, start)
    held_out = [sample.id for split, found in data.samples.items() if split != "train" for sample in found]
    data.samples["train"] = attach(samples, pairs, held_out=held_out)
    data.keep = lambda sample: bool(pairs_of(sample)) and (keep is None or keep(sample))


def remember_reference(
    recipe: Recipe, stage: PreferenceStage, module: Preference, data: StudyData, pixels: PixelCache, trainer: Any
) -> None:
    """Ask the start of a stage about all of its pairs, if the recipe wants that once and not at every step.

    Args:
        recipe: Of the run.
        stage: The stage.
        module: Its objective, not trained yet.
        data: Its data.
        pixels: Prepared pixels.
        trainer: Where and in which precision it will run.

    Raises:
        ValueError: If images are augmented: the reference would be asked about others than are shown.
    """
    if stage.reference != "once":
        return
    if recipe.data.augment:
        raise ValueError(
            f"Stage {stage.name}: reference=once needs the same images at every step; set data.augment=false."
        )
    groups = data.drawn().groups
    module.to(trainer.strategy.root_device)
    with trainer.precision_plugin.forward_context():
        for start in range(0, len(groups), stage.images):
            part = groups[start : start + stage.images]
            module.remember([Ask(tuple(pixels(ref) for ref in group[0].images), tuple(group)) for group in part])


def _pairs(
    recipe: Recipe, stage: PreferenceStage, samples: Sequence[Sample], pixels: PixelCache, start: Path
) -> list[Pair]:
    """The pairs of a stage: given ones, or those of its file, which is made unless it is there."""
    settings, path = stage.pairs, recipe.folder / stage.name / FILE
    if settings.source == "data":
        return [pair_of(sample.extra, sample=sample.id) for sample in samples]
    if settings.source == "file" and settings.path is not None:
        return read_pairs(settings.path)
    with in_turn():
        if not path.is_file():
            write_pairs(path, samples, _made(recipe, stage, samples, pixels, start))
        return read_pairs(path)


def _made(
    recipe: Recipe, stage: PreferenceStage, samples: Sequence[Sample], pixels: PixelCache, start: Path
) -> list[Pair]:
    """Make the pairs of a stage."""
    settings = stage.pairs
    if settings.source == "corrupted":
        options: dict[str, Any] = {"reasoning": recipe.reasoning, "each": settings.each, "seed": recipe.seed}
        return corrupted_pairs(samples, settings.how, **options)
    known = {sample.id: sample for sample in samples}
    references = None
    if settings.source == "rollouts" and settings.path is not None:
        read = read_rollouts(settings.path, by=settings.by)
        answers = {name: scored for name, scored in read.items() if name in known}
    else:
        device = "cuda" if torch.cuda.is_available() and recipe.trainer.accelerator != "cpu" else "cpu"
        engine = Engine(*load_vlm(start, device=device), reasoning=recipe.reasoning)
        groups = group_by_image(samples, max_questions=stage.questions)
        batch = recipe.evaluate.batch
        answers = sampled_answers(engine, groups, pixels, settings, batch=batch, seed=recipe.seed)
        if settings.chosen == "reference":
            references = scored_references([known[name] for name in answers], settings, reasoning=recipe.reasoning)
    window = Window(settings.margin, settings.shortest, settings.longest)
    pairs, left = chosen_pairs(answers, window, references=references)
    _LOG.info("stage %s: %s", stage.name, left)
    return pairs


def scored_references(samples: Sequence[Sample], settings: PairSettings, *, reasoning: bool) -> dict[str, Scored]:
    """The reference answers with their rewards, by sample id.

    Args:
        samples: Whose answers.
        settings: What scores them.
        reasoning: Whether answers carry their rationale between tags.
    """
    texts = [reference_text(sample, reasoning=reasoning) for sample in samples]
    rollouts = [Rollout(sample, Completion((), (), True), text) for sample, text in zip(samples, texts, strict=True)]
    _, totals = RewardSet(settings.rewards).score(texts, reward_columns(rollouts))
    found = zip(samples, texts, totals.tolist(), strict=True)
    return {sample.id: Scored(text, total) for sample, text, total in found}


def sampled_answers(
    engine: Engine,
    groups: Sequence[Sequence[Sample]],
    pixels: PixelCache,
    settings: PairSettings,
    *,
    batch: int = 64,
    seed: int = 0,
) -> dict[str, list[Scored]]:
    """Answers that a model samples, each with its reward, by sample id.

    Args:
        engine: The model.
        groups: Questions on the same images.
        pixels: Prepared pixels.
        settings: How many answers, how long, and what scores them.
        batch: Groups that are asked together.
        seed: With the place of a batch, it seeds what is drawn.
    """
    engine.model.eval()
    rewards, answers = RewardSet(settings.rewards), defaultdict[str, list[Scored]](list)
    if settings.limit is not None:
        before = [0, *accumulate(map(len, groups))]
        groups = [group for group, asked in zip(groups, before, strict=False) if asked < settings.limit]
    for start in range(0, len(groups), batch):
        part = groups[start : start + batch]
        asks = [Ask(tuple(pixels(ref) for ref in group[0].images), tuple(group)) for group in part]
        options: dict[str, Any] = {"n": settings.answers, "max_new_tokens": settings.max_new_tokens}
        replies = engine.generate(asks, temperature=settings.temperature, seed=seed * 1_000_003 + start, **options)
        rollouts = [
            Rollout(sample, Completion(reply.tokens, reply.logps, reply.finished), reply.text)
            for group, of_group in zip(part, replies, strict=True)
            for sample, of_sample in zip(group, of_group, strict=True)
            for reply in of_sample
        ]
        _, totals = rewards.score([rollout.text for rollout in rollouts], reward_columns(rollouts))
        for rollout, total in zip(rollouts, totals.tolist(), strict=True):
            answers[rollout.sample.id].append(Scored(rollout.text, total, rollout.completion.finished))
    return answers
