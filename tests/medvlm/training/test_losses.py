"""Policy-gradient arithmetic against hand numbers, exact enumeration, plain numpy and TRL's own trainer."""

from __future__ import annotations

from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from medvlm.training.losses import (
    denominator,
    group_advantages,
    policy_loss,
    reference_kl,
    token_weights,
)

NAN = float("nan")
LENGTHS = [3, 5, 1, 4]
LIMIT = 6
LOSS_TYPES = {"token": "dapo", "sequence": "grpo", "constant": "dr_grpo"}


def rewards(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


# --- advantages ------------------------------------------------------------------------------------------------------


def test_group_advantages_by_hand() -> None:
    # mean 1.5; squares 2.25 + .25 + .25 + 2.25 = 5, / 3 = 1.6667, root 1.290994
    expected = np.array([-1.5, -0.5, 0.5, 1.5]) / (1.2909944487 + 1e-4)
    np.testing.assert_allclose(group_advantages(rewards(0, 1, 2, 3), 4).numpy(), expected, rtol=1e-9)


def test_the_batch_deviation_is_over_all_rows() -> None:
    values = np.random.default_rng(0).normal(size=12)
    centred = values.reshape(3, 4) - values.reshape(3, 4).mean(1, keepdims=True)
    expected = (centred / (values.std(ddof=1) + 1e-4)).ravel()
    np.testing.assert_allclose(group_advantages(torch.tensor(values), 4, scale="batch").numpy(), expected, rtol=1e-9)


def test_equal_rewards_give_exactly_zero() -> None:
    for scale in ("group", "none"):
        assert group_advantages(rewards(0.1, 0.1, 0.1, 0.1, 7, 7, 7, 7), 4, scale=scale).abs().max() == 0


def test_a_constant_added_to_a_group_changes_nothing() -> None:
    values = torch.randn(8, dtype=torch.float64)
    shifted = values + rewards(5, 5, 5, 5, -3, -3, -3, -3)
    torch.testing.assert_close(group_advantages(shifted, 4), group_advantages(values, 4), atol=1e-9, rtol=0)


def test_scale_does_not_matter_up_to_epsilon() -> None:
    values = torch.randn(8, dtype=torch.float64)
    torch.testing.assert_close(group_advantages(7 * values, 4, eps=0.0), group_advantages(values, 4, eps=0.0))
    torch.testing.assert_close(group_advantages(7 * values, 4), group_advantages(values, 4), atol=1e-3, rtol=0)


def test_permuting_a_group_or_the_groups_permutes_the_advantages() -> None:
    values = torch.randn(12, dtype=torch.float64)
    inside = torch.tensor([2, 0, 3, 1, 4, 5, 6, 7, 11, 10, 9, 8])
    groups = torch.tensor([8, 9, 10, 11, 0, 1, 2, 3, 4, 5, 6, 7])
    for order in (inside, groups):
        torch.testing.assert_close(group_advantages(values[order], 4), group_advantages(values, 4)[order])


def test_a_row_without_reward_is_left_out_of_its_group() -> None:
    found = group_advantages(rewards(1, NAN, 0, 2), 4)
    alone = np.array([1.0, 0.0, 2.0])
    expected = (alone - 1) / (alone.std(ddof=1) + 1e-4)  # three rows, deviation 1
    np.testing.assert_allclose(found[[0, 2, 3]].numpy(), expected, rtol=1e-9)
    assert found[1] == 0


@pytest.mark.parametrize("values", [(NAN, NAN), (NAN, 3.0)])
@pytest.mark.parametrize("scale", ["group", "batch", "none"])
def test_a_group_with_less_than_two_rewards_teaches_nothing(values: tuple[float, float], scale: Any) -> None:
    assert group_advantages(rewards(*values), 2, scale=scale).abs().max() == 0


def test_pairs_always_get_half_root_two() -> None:
    found = group_advantages(rewards(0, 1, 5, -100), 2, eps=0.0)
    np.testing.assert_allclose(found.numpy(), [-(0.5**0.5), 0.5**0.5, 0.5**0.5, -(0.5**0.5)])


def test_centred_rewards_are_leave_one_out_times_a_factor() -> None:
    values = np.random.default_rng(1).normal(size=4)
    leave_one_out = [value - np.delete(values, i).mean() for i, value in enumerate(values)]  # RLOO
    centred = group_advantages(torch.tensor(values), 4, scale="none").numpy()
    np.testing.assert_allclose(leave_one_out, 4 / 3 * centred)


@pytest.mark.parametrize(("count", "group"), [(5, 2), (4, 1), (4, 0)])
def test_rows_must_fill_groups(count: int, group: int) -> None:
    with pytest.raises(ValueError, match="at least 2"):
        group_advantages(torch.zeros(count), group)


# --- the clipped surrogate -------------------------------------------------------------------------------------------


def test_on_policy_loss_is_zero_and_its_gradient_is_reinforce() -> None:
    advantages = group_advantages(rewards(1, 0, 0, 3), 4).repeat_interleave(3)
    logps = torch.randn(12, dtype=torch.float64, requires_grad=True)
    loss, clipped = policy_loss(logps, logps.detach(), advantages)
    (loss.sum() / 12).backward()
    assert abs(float(loss.detach().mean())) < 1e-6
    assert not clipped.any()
    assert logps.grad is not None
    torch.testing.assert_close(logps.grad, -advantages / 12)


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "gradient"),
    [
        (1.5, 1.0, -1.28, 0.0),  # above 1.28 with a good answer: clipped
        (1.5, -2.0, 3.0, 3.0),  # above with a bad answer: not clipped, 1.5 * 2
        (0.5, -2.0, 1.6, 0.0),  # below .8 with a bad answer: clipped, .8 * 2
        (0.5, 1.0, -0.5, -0.5),  # below with a good answer: not clipped
        (1.1, 1.0, -1.1, -1.1),
    ],
)
def test_clipping_by_hand(ratio: float, advantage: float, loss: float, gradient: float) -> None:
    old = torch.tensor([-1.0], dtype=torch.float64)
    logps = (old + np.log(ratio)).requires_grad_()
    found, clipped = policy_loss(logps, old, rewards(advantage))
    found.sum().backward()
    assert logps.grad is not None
    assert [float(found.detach()), float(logps.grad)] == pytest.approx([loss, gradient])
    assert bool(clipped) == (gradient == 0)


def test_large_ratios_stay_finite() -> None:
    logps = torch.tensor([30.0, -60.0, 0.0], requires_grad=True)
    loss, _ = policy_loss(logps, torch.zeros(3), torch.tensor([1.0, 1.0, 0.0]))
    loss.sum().backward()
    assert torch.isfinite(loss).all()
    assert logps.grad is not None
    assert torch.isfinite(logps.grad).all()


# --- the KL to the reference, by exact enumeration of a small vocabulary ---------------------------------------------


def categorical() -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    return torch.randn(7, dtype=torch.float64, requires_grad=True), torch.randn(7, dtype=torch.float64)


def test_expected_estimate_is_the_kl_and_so_is_its_gradient() -> None:
    scores, other = categorical()
    logp, ref = scores.log_softmax(0), other.log_softmax(0)
    exact = (logp.exp() * (logp - ref)).sum()
    estimate = (logp.exp().detach() * reference_kl(logp, logp.detach(), ref)).sum()
    assert float(estimate.detach()) == pytest.approx(float(exact.detach()), abs=1e-12)
    wanted, found = torch.autograd.grad(exact, scores, retain_graph=True)[0], torch.autograd.grad(estimate, scores)[0]
    torch.testing.assert_close(found, wanted, atol=1e-10, rtol=0)


def test_without_the_ratio_the_gradient_would_be_that_of_the_opposite_kl() -> None:
    scores, other = categorical()
    logp, ref = scores.log_softmax(0), other.log_softmax(0)
    plain = (ref - logp).exp() - (ref - logp) - 1  # k3
    opposite = (ref.exp() * (ref - logp)).sum()
    found = torch.autograd.grad((logp.exp().detach() * plain).sum(), scores, retain_graph=True)[0]
    wanted = torch.autograd.grad(opposite, scores)[0]
    torch.testing.assert_close(found, wanted, atol=1e-10, rtol=0)


def test_the_estimate_is_never_negative_and_zero_only_where_equal() -> None:
    logps = torch.linspace(-5, 0, 11, dtype=torch.float64)
    values = reference_kl(logps, logps, torch.full_like(logps, -2.5))
    assert (values >= 0).all()
    assert values.argmin() == 5
    assert values[5] == 0


# --- aggregation -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("aggregate", "expected"),
    # losses 1 | 2 3 | 4 5 6, at most 10 tokens
    [("token", 21 / 6), ("sequence", (1 + 2.5 + 5) / 3), ("constant", 21 / 30)],
)
def test_aggregates_by_hand(aggregate: Any, expected: float) -> None:
    lengths, losses = [1, 2, 3], torch.arange(1.0, 7.0)
    found = (losses * token_weights(lengths, aggregate)).sum() / denominator(lengths, aggregate, 10)
    assert float(found) == pytest.approx(expected)


def test_a_completion_left_out_counts_as_a_sequence_but_not_as_tokens() -> None:
    assert [denominator([4, 0], name, 10) for name in ("token", "sequence", "constant")] == [4.0, 2.0, 20.0]


@pytest.mark.parametrize("aggregate", LOSS_TYPES)
def test_an_empty_batch_divides_by_one_and_loses_nothing(aggregate: Any) -> None:
    assert denominator([], aggregate, 5) == 1.0
    assert token_weights([], aggregate).shape == (0,)
    loss, _ = policy_loss(torch.zeros(0, requires_grad=True), torch.zeros(0), torch.zeros(0))
    assert float(loss.detach().sum() / denominator([0, 0], "token", 5)) == 0.0


# --- TRL's own trainer on the same numbers ---------------------------------------------------------------------------


def columns(seed: int = 0) -> dict[str, Tensor]:
    """Per-token inputs of four completions, padded, with ratios far enough from 1 that both sides clip."""
    draw = torch.Generator().manual_seed(seed)
    shape = (len(LENGTHS), max(LENGTHS))
    old = -torch.rand(shape, generator=draw, dtype=torch.float64) * 3
    return {
        "old": old,
        "logps": old + 0.5 * torch.randn(shape, generator=draw, dtype=torch.float64),
        "reference": old + 0.3 * torch.randn(shape, generator=draw, dtype=torch.float64),
        "advantages": torch.tensor([1.3, -0.4, 0.0, -0.9], dtype=torch.float64),
        "mask": (torch.arange(max(LENGTHS))[None] < torch.tensor(LENGTHS)[:, None]).double(),
    }


def trl_loss(aggregate: str, beta: float, values: dict[str, Tensor]) -> tuple[float, Tensor]:
    """Loss and its gradient at the log-probabilities, computed by ``GRPOTrainer._compute_loss`` itself."""
    grpo_trainer = pytest.importorskip("trl.trainer.grpo_trainer", reason="TRL is a test dependency: medvlm[dev]")
    logps = values["logps"].clone().requires_grad_()
    trainer: Any = SimpleNamespace(
        _get_per_token_logps_and_entropies=lambda *a, **k: (logps, torch.zeros_like(logps), None),
        accelerator=SimpleNamespace(num_processes=1, gather=lambda x: x, reduce=lambda x, reduction: x),
        args=SimpleNamespace(use_bias_correction_kl=True, delta=None, steps_per_generation=1),
        model=SimpleNamespace(training=True),
        _metrics={"train": defaultdict(list)},
        loss_type=LOSS_TYPES[aggregate],
        beta=beta,
        epsilon_low=0.2,
        epsilon_high=0.28,
        max_completion_length=LIMIT,
        importance_sampling_level="token",
        top_entropy_quantile=1.0,
        off_policy_mask_threshold=None,
        current_gradient_accumulation_steps=1,
        use_vllm=False,
        aux_loss_enabled=False,
        _entropy_bonus_enabled=False,
    )
    ids = torch.zeros(logps.shape, dtype=torch.long)
    inputs = {
        "prompt_ids": ids[:, :1],
        "prompt_mask": ids[:, :1],
        "completion_ids": ids,
        "completion_mask": values["mask"],
        "advantages": values["advantages"],
        "old_per_token_logps": values["old"],
        "ref_per_token_logps": values["reference"],
        "num_items_in_batch": values["mask"].sum(),
    }
    loss = grpo_trainer.GRPOTrainer._compute_loss(trainer, trainer.model, inputs)
    loss.backward()
    assert logps.grad is not None
    return float(loss.detach()), logps.grad


def our_loss(aggregate: Any, beta: float, values: dict[str, Tensor]) -> tuple[float, Tensor]:
    """The same from the pure functions, on the tokens laid end to end."""
    kept = values["mask"].bool()
    logps = values["logps"].clone().requires_grad_()
    old, reference = values["old"][kept], values["reference"][kept]
    advantages = values["advantages"].repeat_interleave(torch.tensor(LENGTHS))
    loss, _ = policy_loss(logps[kept], old, advantages)
    loss = loss + beta * reference_kl(logps[kept], old, reference)
    total = (loss * token_weights(LENGTHS, aggregate)).sum() / denominator(LENGTHS, aggregate, LIMIT)
    total.backward()
    assert logps.grad is not None
    return float(total.detach()), logps.grad


@pytest.mark.parametrize("beta", [0.0, 0.04])
@pytest.mark.parametrize("aggregate", LOSS_TYPES)
def test_trl_computes_the_same_loss_and_gradient(aggregate: str, beta: float) -> None:
    values = columns()
    theirs, their_gradient = trl_loss(aggregate, beta, values)
    ours, our_gradient = our_loss(aggregate, beta, values)
    assert ours == pytest.approx(theirs, abs=1e-6)
    torch.testing.assert_close(our_gradient, their_gradient, atol=1e-7, rtol=0)
    assert our_gradient.abs().max() > 1e-3


@pytest.mark.parametrize("aggregate", LOSS_TYPES)
def test_trl_agrees_that_nothing_behind_the_mask_counts(aggregate: str) -> None:
    values = columns()
    padded = values["mask"] == 0
    spoiled = values | {name: values[name].masked_fill(padded, 9.0) for name in ("logps", "old", "reference")}
    _, gradient = our_loss(aggregate, 0.1, spoiled)
    assert gradient[padded].abs().max() == 0
    assert our_loss(aggregate, 0.1, spoiled)[0] == our_loss(aggregate, 0.1, values)[0]
    assert trl_loss(aggregate, 0.1, spoiled)[0] == pytest.approx(our_loss(aggregate, 0.1, values)[0], abs=1e-6)


def test_trl_takes_the_same_deviation() -> None:
    utils = pytest.importorskip("trl.trainer.utils", reason="TRL is a test dependency: medvlm[dev]")
    values = rewards(1, NAN, 0, 2, 5, 5, 5, 4)
    rows = values.reshape(2, 4)
    centred = rows - rows.nanmean(1, keepdim=True)
    theirs = torch.nan_to_num(centred / (utils.nanstd(rows, dim=1, keepdim=True) + 1e-4)).reshape(-1)
    torch.testing.assert_close(group_advantages(values, 4), theirs, atol=1e-7, rtol=0)  # TRL corrects n - 1 in fp32
