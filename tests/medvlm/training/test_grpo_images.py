"""Every completion is scored with its own images, however contexts are ordered and split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from medvlm.generation.engine import Ask
from medvlm.training.grpo import GRPO
from medvlm.training.rollouts import Rollout

Scored = dict[tuple[str, int], Tensor]


def scored(module: GRPO, batch: Sequence[Ask], rollouts: Sequence[Rollout]) -> Scored:
    """Log-probabilities as the module's own forward gives them, by question and place in the group."""
    found: Scored = {}
    by_image = {id(ask.images[0]): ask for ask in batch}
    for micro in module.learn_from(batch, rollouts)[0]:
        logps, rows, images = module.forward(micro)[0], module.rows(micro), list(micro.images)
        for row in range(len(micro.trees)):
            ask = by_image[id(images[0])]
            del images[: len(ask.images)]
            mine = rows.row == row
            names = [(question.id, place) for question in ask.questions for place in range(module.options.group)]
            for branch, name in zip(rows.branch[mine].unique().tolist(), names, strict=True):
                found[name] = logps[mine & (rows.branch == branch)].detach()
    return found


def places(module: GRPO, rollouts: Sequence[Rollout]) -> list[tuple[str, int]]:
    return [(rollout.sample.id, index % module.options.group) for index, rollout in enumerate(rollouts)]


def test_log_probabilities_are_those_of_plain_rows_and_of_the_sampler(
    tiny: Any, batch: list[Ask], grpo: Any, answered: Any, plain_logps: Any
) -> None:
    module = grpo(tiny, beta=1.0)  # with a reference every completion is computed
    rollouts = module.roll_out(batch)
    found = scored(module, batch, rollouts)
    for name, (ask, rollout) in zip(places(module, rollouts), answered(batch, rollouts), strict=True):
        torch.testing.assert_close(found[name], plain_logps(module, ask, rollout).detach(), atol=1e-5, rtol=0)
        torch.testing.assert_close(found[name], torch.tensor(rollout.completion.logps), atol=1e-4, rtol=0)


def test_permuting_contexts_permutes_their_log_probabilities(
    tiny: Any, batch: list[Ask], grpo: Any, answered: Any
) -> None:
    module = grpo(tiny, beta=1.0)
    rollouts = module.roll_out(batch)
    moved = [batch[index] for index in (2, 0, 3, 1)]
    theirs = [rollout for ask in moved for other, rollout in answered(batch, rollouts) if other is ask]
    there, here = scored(module, batch, rollouts), scored(module, moved, theirs)
    assert there.keys() == here.keys()
    for name, logps in there.items():
        torch.testing.assert_close(here[name], logps, atol=1e-5, rtol=0)


def test_swapping_two_images_changes_their_log_probabilities_only(tiny: Any, batch: list[Ask], grpo: Any) -> None:
    module = grpo(tiny, beta=1.0)
    rollouts = module.roll_out(batch)
    first, *middle, last = batch
    swapped = [replace(first, images=last.images), *middle, replace(last, images=first.images)]
    there, here = scored(module, batch, rollouts), scored(module, swapped, rollouts)
    for name, logps in there.items():
        changed = float((here[name] - logps).abs().max()) > 1e-5
        assert changed == (name[0] in ("0-0", "3-0")), name


def test_the_order_of_a_samples_own_images_matters(tiny: Any, batch: list[Ask], grpo: Any) -> None:
    module = grpo(tiny, beta=1.0)
    rollouts = module.roll_out(batch)
    turned = [*batch[:2], replace(batch[2], images=batch[2].images[::-1]), batch[3]]
    there, here = scored(module, batch, rollouts), scored(module, turned, rollouts)
    assert any(float((here[name] - there[name]).abs().max()) > 1e-5 for name in there if name[0].startswith("2-"))
