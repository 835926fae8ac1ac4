"""What must never move the weights: nothing to learn from, rewards that are no numbers, gradients that overflow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from medvlm.generation.engine import Ask
from medvlm.generation.prompts import Prompter
from medvlm.training.grpo import GRPO
from medvlm.training.rollouts import Rollout


@pytest.fixture
def unmoved(tiny: Any) -> Any:
    """Check that no weight has moved, nor become NaN."""
    before = {name: value.clone() for name, value in tiny[0].state_dict().items()}

    def check(module: GRPO) -> bool:
        return all(torch.equal(value, before[name]) for name, value in module.model.state_dict().items())

    return check


def test_equal_rewards_leave_the_step_out_and_say_so_less_and_less(
    tiny: Any, batch: list[Ask], fit: Any, grpo: Any, unmoved: Any, caplog: pytest.LogCaptureFixture
) -> None:
    module = grpo(tiny, "constant", lr=1e-2, mu=2)
    curve = fit(module, [batch] * 3)
    assert [row["idle"] for row in curve] == [2, 2, 2]
    assert unmoved(module)
    said = [record.message for record in caplog.records if "Left out" in record.message]
    assert len(said) == 3  # the 1st, the 2nd, the 4th
    assert "no completion that counts earned more or less than the others" in said[0]


def test_momentum_does_not_move_weights_in_a_step_that_is_left_out(
    tiny: Any, batch: list[Ask], fit: Any, grpo: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = grpo(tiny, lr=1e-2)
    seen = []
    roll_out = module.roll_out

    def flat_at_the_second(asks: Sequence[Ask]) -> list[Rollout]:
        rollouts = roll_out(asks)
        seen.append({name: value.clone() for name, value in module.model.state_dict().items()})
        for rollout in rollouts if module.batches_done == 1 else ():
            rollout.advantage = 0.0
        return list(rollouts)

    monkeypatch.setattr(module, "roll_out", flat_at_the_second)
    curve = fit(module, [batch] * 3)
    assert [row["idle"] for row in curve] == [0, 1, 0]
    assert any(not torch.equal(seen[0][name], value) for name, value in seen[1].items())
    assert all(torch.equal(seen[1][name], value) for name, value in seen[2].items())


def test_a_batch_of_truncated_completions_only_is_left_out(
    tiny: Any,
    batch: list[Ask],
    fit: Any,
    grpo: Any,
    unmoved: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    module = grpo(tiny, mask_truncated=True, lr=1e-2)
    end = property(lambda self: [self.processor.tokenizer.eos_token_id])
    for name in ("stop", "banned"):
        monkeypatch.setattr(Prompter, name, end)
    curve = fit(module, [batch])
    assert (curve[0]["idle"], curve[0]["truncated"], curve[0]["loss"]) == (1, 1, 0)
    assert unmoved(module)
    assert "cut at the limit" in caplog.text


@pytest.mark.parametrize("reward", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("loss", ["dapo", "rloo", "reinforce_pp"])
def test_a_reward_that_is_no_number_teaches_nothing_and_spoils_no_other(
    tiny: Any, batch: list[Ask], fit: Any, grpo: Any, monkeypatch: pytest.MonkeyPatch, loss: str, reward: float
) -> None:
    module = grpo(tiny, loss=loss, lr=1e-3)
    rollouts = module.roll_out(batch)
    rollouts[1].reward = reward
    module._compare(rollouts)
    assert rollouts[1].advantage == 0
    assert all(math.isfinite(rollout.advantage) for rollout in rollouts)
    monkeypatch.setattr(module, "roll_out", lambda asks: rollouts)
    curve = fit(module, [batch])
    assert math.isfinite(curve[0]["loss"])
    assert all(torch.isfinite(value).all() for value in module.model.state_dict().values())


def test_rewards_that_never_apply_are_said(
    tiny: Any, batch: list[Ask], fit: Any, grpo: Any, unmoved: Any, caplog: pytest.LogCaptureFixture
) -> None:
    module = grpo(tiny, "abstains", lr=1e-2)
    assert fit(module, [batch])[0]["idle"] == 1
    assert unmoved(module)
    assert "no reward applies to any completion" in caplog.text


@pytest.mark.parametrize("flat", ["count", "drop"])
def test_an_empty_group_after_filtering(
    tiny: Any, batch: list[Ask], fit: Any, grpo: Any, monkeypatch: pytest.MonkeyPatch, flat: Any
) -> None:
    module = grpo(tiny, mask_truncated=True, flat=flat)
    rollouts = module.roll_out(batch)
    for rollout in rollouts[4:8]:
        rollout.completion = replace(rollout.completion, finished=False)
    for rollout in rollouts[8:12]:
        rollout.reward = 0.5
    module._compare(rollouts)
    counted = [one for place, one in enumerate(rollouts) if flat == "count" or not 8 <= place < 12]
    _, counts = module.learn_from(batch, rollouts)
    assert counts["rl"] == sum(one.length for one in counted if one.finished)
    monkeypatch.setattr(module, "roll_out", lambda asks: rollouts)
    assert math.isfinite(fit(module, [batch])[0]["loss"])


class OnlyTheEnd(GRPO):
    """Every other completion is the end token alone: nothing is left once special tokens are removed."""

    def roll_out(self, batch: Sequence[Ask]) -> list[Rollout]:
        rollouts = super().roll_out(batch)
        for rollout in rollouts[::2]:
            tokens = (self.processor.tokenizer.eos_token_id,)
            rollout.completion = replace(rollout.completion, tokens=tokens, logps=(-1.0,), finished=True)
            rollout.text = self.prompter.decode(tokens)
        self._reward(rollouts)
        return rollouts


@pytest.mark.parametrize("loss", ["grpo", "gspo", "reinforce_pp"])
def test_completions_of_special_tokens_only(tiny: Any, batch: list[Ask], fit: Any, grpo: Any, loss: str) -> None:
    module = grpo(tiny, kind=OnlyTheEnd, loss=loss, lr=1e-3, beta=0.1)
    curve = fit(module, [batch] * 2)
    assert {rollout.text for rollout in module.roll_out(batch)[::2]} == {""}
    assert all(math.isfinite(row["loss"]) for row in curve)
    assert all(torch.isfinite(value).all() for value in module.model.state_dict().values())


class Overflowing(GRPO):
    """The gradient of the second batch is not finite."""

    worst = math.inf

    def parts(self, micro: Any, logps: Tensor, entropy: Tensor) -> dict[str, Tensor]:
        found = super().parts(micro, logps, entropy)
        scale = self.worst if self.batches_done == 1 else 1.0
        return found | {"rl": found["rl"] + (logps * scale).sum() * float(self.batches_done == 1)}


@pytest.mark.parametrize("worst", [math.inf, math.nan])
def test_a_gradient_that_overflows_never_reaches_the_weights(
    tiny: Any, batch: list[Ask], fit: Any, grpo: Any, caplog: pytest.LogCaptureFixture, worst: float
) -> None:
    module = grpo(tiny, kind=Overflowing, lr=1e-3)
    module.worst = worst
    curve = fit(module, [batch] * 3)
    assert [row["skipped"] for row in curve] == [0, 1, 0]
    assert all(torch.isfinite(value).all() for value in module.model.state_dict().values())
    assert "gradient is not finite" in caplog.text
    assert math.isfinite(curve[2]["loss"])


def test_flat_groups_are_drawn_again_until_they_differ(tiny: Any, batch: list[Ask], grpo: Any) -> None:
    wanted = grpo(tiny, "rare").roll_out(batch)
    module = grpo(tiny, "rare", resample=20)
    reported: dict[str, float] = {}
    module.report = reported.update
    found = module.roll_out(batch)
    flat = [len({one.reward for one in wanted[place : place + 4]}) == 1 for place in range(0, 28, 4)]
    assert any(flat)
    for place, was_flat in enumerate(flat):
        group = slice(4 * place, 4 * place + 4)
        assert ([one.text for one in found[group]] == [one.text for one in wanted[group]]) == (not was_flat)
        assert all(one.sample is other.sample for one, other in zip(found[group], wanted[group], strict=True))
    assert reported["flat_left"] == 0
    assert reported["resampled"] >= sum(flat)


def test_drawing_again_ends(tiny: Any, batch: list[Ask], fit: Any, grpo: Any) -> None:
    curve = fit(grpo(tiny, "constant", resample=3), [batch])
    assert (curve[0]["resampled"], curve[0]["flat_left"], curve[0]["idle"]) == (21, 7, 1)
