"""Rewards together: weights, gates, schedules, options, and functions that fail."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from medvlm.stages import GRPOStage, RewardTerm
from medvlm.training.rewards import REWARDS
from medvlm.training.rewards.scoring import RewardError, RewardSet, combine_rewards

NAN = float("nan")
COLUMNS = {"id": ["first", "second", "third"]}


def lengths(completions: Sequence[str], *, factor: float = 1.0, **columns: Any) -> list[float | None]:
    return [factor * len(text) for text in completions]


def starts_with_a(completions: Sequence[str], **columns: Any) -> list[float | None]:
    return [float(text.startswith("a")) for text in completions]


def minus(completions: Sequence[str], **columns: Any) -> list[float | None]:
    return [-1.0] * len(completions)


def odd(completions: Sequence[str], **columns: Any) -> list[float | None]:
    """None for "n", NaN for "x", an error for "e"."""
    if "e" in completions:
        raise KeyError("no such finding")
    return [{"n": None, "x": NAN}.get(text, 1.0) for text in completions]


def needs(completions: Sequence[str], *, model: str, **columns: Any) -> list[float | None]:
    return [1.0] * len(completions)


@pytest.fixture(autouse=True)
def _toys(monkeypatch: pytest.MonkeyPatch) -> None:
    for toy in (lengths, starts_with_a, minus, odd, needs):
        monkeypatch.setitem(REWARDS, toy.__name__, toy)


def term(**fields: Any) -> RewardTerm:
    return RewardTerm.model_validate(fields)


def test_rewards_are_summed_by_weight_and_none_is_no_zero() -> None:
    parts = torch.tensor([[1.0, 0.5], [NAN, 0.5], [0.0, NAN], [NAN, NAN]])
    # 2*1 + 3*.5 = 3.5; 3*.5 = 1.5; 2*0 = 0; nothing applies
    np.testing.assert_allclose(combine_rewards(parts, [2.0, 3.0]).numpy(), [3.5, 1.5, 0.0, NAN])


def test_a_number_is_a_weight() -> None:
    parts, totals = RewardSet({"lengths": 2.0, "minus": 0.5}).score(["a", "bbb"], {})
    assert parts.tolist() == [[1.0, -1.0], [3.0, -1.0]]
    assert totals.tolist() == [1.5, 5.5]


def test_no_format_no_credit_but_a_punishment_stays() -> None:
    gated: Any = {"starts_with_a": 0.0, "lengths": term(gate="starts_with_a"), "minus": term(gate="starts_with_a")}
    parts, totals = RewardSet(gated).score(["ab", "bbb"], {})
    assert parts.tolist() == [[1.0, 2.0, -1.0], [0.0, 0.0, -1.0]]
    assert totals.tolist() == [1.0, -1.0]


def test_a_gate_of_a_gate_closes_too() -> None:
    chain: Any = {"starts_with_a": 1.0, "odd": term(gate="starts_with_a"), "lengths": term(gate="odd")}
    assert RewardSet(chain).score(["bbb"], {})[1].tolist() == [0.0]


def test_a_weight_moves_in_a_straight_line_and_then_stays() -> None:
    rewards = RewardSet({"lengths": term(**{"weight": 1, "from": 0, "until": 100, "to": 0.5})})
    assert [rewards.score(["four"], {}, step)[1].item() for step in (0, 50, 100, 1000)] == [4.0, 3.0, 2.0, 2.0]
    assert rewards.measured == {"weight/lengths": 0.5}


def test_a_reward_that_starts_later_is_not_asked_before() -> None:
    rewards = RewardSet({"minus": 1.0, "odd": term(**{"from": 5})})
    parts, totals = rewards.score(["e"], {"id": ["s"]}, 4)
    assert math.isnan(parts[0, 1])
    assert totals.tolist() == [-1.0]
    with pytest.raises(RewardError):
        rewards.score(["e"], {"id": ["s"]}, 5)


def test_options_reach_the_function() -> None:
    assert RewardSet({"lengths": term(options={"factor": 3})}).score(["ab"], {})[1].tolist() == [6.0]


@pytest.mark.parametrize(
    ("terms", "says"),
    [
        ({"lengths": term(options={"facto": 3})}, "no option 'facto'; it has: factor"),
        ({"needs": 1.0}, "needs the option 'model'"),
        ({"lengths": term(gate="format")}, "gate 'format' of reward 'lengths' is none of its rewards"),
        ({"lengths": term(gate="lengths")}, "gated by itself: lengths <- lengths"),
        ({"lengths": term(gate="odd"), "odd": term(gate="lengths")}, "gated by itself"),
        ({"lenghts": 1.0}, "Unknown reward 'lenghts'"),
    ],
)
def test_what_cannot_be_asked_is_said_before_the_first_step(terms: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        RewardSet(terms)


@pytest.mark.parametrize("fields", [{"to": 1.0}, {"until": 3}, {"until": 3, "to": 0, "from": 3}, {"weigth": 1}])
def test_a_schedule_without_an_end_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        term(**fields)


def test_the_short_and_the_long_form_are_one_and_come_back_from_disk() -> None:
    long = {"weight": 1.0, "gate": "format", "from": 2, "until": 9, "to": 0.5, "options": {"strict": True}}
    stage = GRPOStage.model_validate({"name": "a", "objective": "grpo", "rewards": {"format": 0.1, "accuracy": long}})
    dumped = stage.model_dump(mode="json")
    assert dumped["rewards"] == {"format": 0.1, "accuracy": long}
    assert GRPOStage.model_validate(dumped) == stage


@pytest.mark.parametrize(("text", "says"), [("e", "raised KeyError"), ("x", "returned nan, expected a finite number")])
def test_a_failing_reward_is_named_with_its_sample(text: str, says: str) -> None:
    with pytest.raises(RewardError, match=rf"Reward 'odd' {says}.*sample second, completion '{text}'"):
        RewardSet({"odd": 1.0}).score(["fine", text, "n"], COLUMNS)


@pytest.mark.parametrize("text", ["e", "x"])
def test_a_failing_reward_leaves_its_completion_out_if_asked(text: str, caplog: pytest.LogCaptureFixture) -> None:
    rewards = RewardSet({"odd": 1.0, "minus": 1.0}, on_error="skip")
    with caplog.at_level(logging.WARNING):
        parts, totals = rewards.score(["fine", text, "n"], COLUMNS)
    np.testing.assert_array_equal(totals.numpy(), [0.0, NAN, -1.0])
    np.testing.assert_array_equal(parts.numpy(), [[1.0, -1.0], [NAN, NAN], [NAN, -1.0]])  # nothing compares it
    assert rewards.measured == {"reward_failed": 1.0}
    assert "sample second" in caplog.text


def test_one_value_a_completion() -> None:
    short: Any = {f"{__name__}:too_few": 1.0}
    with pytest.raises(RewardError, match="returned 1 values for 2 completions"):
        RewardSet(short, on_error="skip").score(["a", "b"], {})


def too_few(completions: Sequence[str], **columns: Any) -> list[float | None]:
    return [1.0]


# --- in a training step ----------------------------------------------------------------------------------------------


def fails_on_short(completions: Sequence[str], **columns: Any) -> list[float | None]:
    """Fails on about half of random text, and differs on the rest."""
    if any(len(text) % 2 for text in completions):
        raise ZeroDivisionError("no words")
    return [float(sum(map(ord, text)) % 7) for text in completions]


def test_a_run_stops_at_a_failing_reward_before_the_weights_move(
    tiny: Any, batch: Any, grpo: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(REWARDS, "fails_on_short", fails_on_short)
    module = grpo(tiny, "fails_on_short", lr=1e-2)
    before = [weight.clone() for weight in module.parameters()]
    with pytest.raises(RewardError, match=r"Reward 'fails_on_short' raised ZeroDivisionError: no words \(sample \d-\d"):
        module.roll_out(batch)
    assert all(torch.equal(old, new) for old, new in zip(before, module.parameters(), strict=True))


def test_a_run_goes_on_without_the_completions_that_fail(
    tiny: Any, batch: Any, grpo: Any, fit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(REWARDS, "fails_on_short", fails_on_short)
    module = grpo(tiny, "fails_on_short", lr=1e-3)
    module.rewards = RewardSet({"fails_on_short": 1.0}, on_error="skip")
    for rollout in module.roll_out(batch):
        assert math.isnan(rollout.reward) == (len(rollout.text) % 2 == 1)
        assert not math.isnan(rollout.reward) or rollout.advantage == 0
    curve = fit(module, [batch] * 2)
    assert all(row["reward_failed"] > 0 and math.isfinite(row["loss"]) for row in curve)
    assert all(bool(weight.isfinite().all()) for weight in module.parameters())
