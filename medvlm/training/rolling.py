"""Completions of a batch: sampled once, and drawn again for questions whose answers all earned the same."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from medvlm.generation.engine import Ask, ask_tree, encode_images
from medvlm.generation.remote import Wanted
from medvlm.generation.sampling import Completion, sample
from medvlm.ranks import gather_counts
from medvlm.training.credit import flat_groups
from medvlm.training.grpo_options import GRPOOptions
from medvlm.training.objective import Objective
from medvlm.training.rollouts import Rollout

Answers = list[list[list[Completion]]]
"""``[ask][question][sample]``."""


@torch.no_grad()
def draw(module: Objective, batch: Sequence[Ask], options: GRPOOptions, attempt: int = 0) -> list[Rollout]:
    """Sample and decode ``group`` completions a question, questions in order.

    Args:
        module: Whose model answers.
        batch: Questions with their images.
        options: How many completions, how long, at which temperature.
        attempt: Another number draws other completions of the same batch.
    """
    found = (
        _here(module, batch, options, attempt) if module.outside is None else _outside(module, batch, options, attempt)
    )
    return [
        Rollout(question, completion, module.prompter.decode(completion.tokens))
        for ask, leaves in zip(batch, found, strict=True)
        for question, completions in zip(ask.questions, leaves, strict=True)
        for completion in completions
    ]


def _here(module: Objective, batch: Sequence[Ask], options: GRPOOptions, attempt: int) -> Answers:
    """Sampled by the model itself."""
    training = module.model.training
    module.model.eval()
    with module.gathered():
        found = sample(
            module.model,
            [ask_tree(module.prompter, ask) for ask in batch],
            encode_images(module.model, [image for ask in batch for image in ask.images], module.processor),
            n=options.group,
            max_new_tokens=options.max_new_tokens,
            temperature=options.temperature,
            stop=module.prompter.stop,
            banned=module.prompter.banned,
            generator=module.draws(attempt),
            pad_id=module.processor.tokenizer.pad_token_id,
            layout=module.processor.layout,
        )
    module.model.train(training)
    return found


def _outside(module: Objective, batch: Sequence[Ask], options: GRPOOptions, attempt: int) -> Answers:
    """Sampled by a server, whose weights follow once a batch."""
    if module.outside is None or module.sharded:
        raise ValueError("A server that samples follows a trainer that holds all weights: trainer.strategy=ddp.")
    if attempt == 0:
        module.outside.follow(module.model)
    prompter = module.prompter
    wanted = Wanted(options.group, options.max_new_tokens, options.temperature, prompter.stop, prompter.banned)
    return module.outside.sample(batch, wanted, module.batch_seed + attempt * 1_000_000_007)


def fill_flat(
    module: Objective,
    batch: Sequence[Ask],
    rollouts: list[Rollout],
    options: GRPOOptions,
    score: Callable[[Sequence[Rollout]], None],
) -> dict[str, float]:
    """Draw again, in place, where all answers of a question earned the same (dynamic sampling, DAPO, 2503.14476).

    DAPO draws other questions; here the same questions are asked again, so that a batch keeps its images. A group
    without variance has no gradient, so that this weighs a question by how rarely it has one, and does not turn its
    gradient.

    Args:
        module: Whose model answers.
        batch: Questions with their images.
        rollouts: Rewarded, groups contiguous.
        options: ``resample`` is the most attempts.
        score: Fills in rewards.

    Returns:
        ``resampled`` (groups drawn again, over all attempts and processes) and ``flat_left`` (groups still without
        variance).
    """
    drawn = 0
    for attempt in range(1, options.resample + 1):
        flat = flat_groups(rollouts, options.group)
        if not (count := sum(gather_counts(len(flat)))):
            break
        drawn += count
        fresh = draw(module, _asks_of(batch, flat), options, attempt)
        score(fresh)
        for place, group in enumerate(flat):
            there, here = group * options.group, place * options.group
            rollouts[there : there + options.group] = fresh[here : here + options.group]
    left = sum(gather_counts(len(flat_groups(rollouts, options.group))))
    return {"resampled": float(drawn), "flat_left": float(left)}


def why(rollouts: Sequence[Rollout]) -> str:
    """In words, why nothing is to be learned from a batch.

    Args:
        rollouts: All of them, compared.
    """
    if all(math.isnan(rollout.reward) for rollout in rollouts):
        return "no reward applies to any completion."
    if all(not rollout.finished for rollout in rollouts):
        return "every completion was cut at the limit (max_new_tokens) and is masked, or they earned the same."
    return "no completion that counts earned more or less than the others of its group."


def _asks_of(batch: Sequence[Ask], chosen: Sequence[int]) -> list[Ask]:
    """The batch with the chosen questions only, counted through it."""
    wanted, first, found = set(chosen), 0, []
    for ask in batch:
        kept = tuple(one for place, one in enumerate(ask.questions, first) if place in wanted)
        first += len(ask.questions)
        if kept:
            found.append(replace(ask, questions=kept))
    return found
