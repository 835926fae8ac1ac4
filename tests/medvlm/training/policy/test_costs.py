"""Costs of tokens against hand numbers, and what all objectives have in common."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from medvlm.training.policy import (
    METHODS,
    Level,
    Scored,
    TermOptions,
    clipped_surrogate,
    denominator,
    group_advantages,
    log_ratios,
    policy_terms,
    token_weights,
)


def rewards(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


# --- the clipped surrogate -------------------------------------------------------------------------------------------


def surrogate(logps: Tensor, old: Tensor, advantages: Tensor, **numbers: Any) -> tuple[Tensor, Tensor]:
    scored = Scored(logps, old, advantages, torch.tensor([len(logps)]))
    return clipped_surrogate(log_ratios(scored).exp(), scored, **numbers)


def test_on_policy_loss_is_zero_and_its_gradient_is_reinforce() -> None:
    advantages = group_advantages(rewards(1, 0, 0, 3), 4).repeat_interleave(3)
    logps = torch.randn(12, dtype=torch.float64, requires_grad=True)
    loss, clipped = surrogate(logps, logps.detach(), advantages)
    (loss.sum() / 12).backward()
    assert abs(float(loss.detach().mean())) < 1e-6
    assert not clipped.any()
    assert logps.grad is not None
    torch.testing.assert_close(logps.grad, -advantages / 12)


@pytest.mark.parametrize(
    ("ratio", "advantage", "numbers", "loss", "gradient"),
    [
        (1.5, 1.0, {}, -1.28, 0.0),  # above 1.28 with a good answer: clipped
        (1.5, -2.0, {}, 3.0, 3.0),  # above with a bad answer: not clipped, 1.5 * 2
        (0.5, -2.0, {}, 1.6, 0.0),  # below .8 with a bad answer: clipped, .8 * 2
        (0.5, 1.0, {}, -0.5, -0.5),  # below with a good answer: not clipped
        (1.1, 1.0, {}, -1.1, -1.1),
        (9.0, -2.0, {"delta": 4.0}, 8.0, 0.0),  # two-sided: 4 * 2
        (9.0, 1.0, {"delta": 4.0}, -1.28, 0.0),  # a good answer is bounded as before
        (3.0, -2.0, {"delta": 4.0}, 6.0, 6.0),
        (9.0, -2.0, {"dual": 3.0}, 6.0, 0.0),  # dual clip: 3 * 2
        (2.0, -2.0, {"dual": 3.0}, 4.0, 4.0),
        (9.0, 1.0, {"dual": 3.0}, -1.28, 0.0),
    ],
)
def test_clipping_by_hand(
    ratio: float, advantage: float, numbers: dict[str, float], loss: float, gradient: float
) -> None:
    old = torch.tensor([-1.0], dtype=torch.float64)
    logps = (old + np.log(ratio)).requires_grad_()
    found, clipped = surrogate(logps, old, rewards(advantage), **numbers)
    found.sum().backward()
    assert logps.grad is not None
    assert [float(found.detach()), float(logps.grad)] == pytest.approx([loss, gradient])
    assert bool(clipped) == (gradient == 0)


@pytest.mark.parametrize("name", METHODS)
def test_large_ratios_stay_finite(name: str) -> None:
    logps = torch.tensor([3000.0, -6000.0, 0.0, 900.0], requires_grad=True)
    scored = Scored(logps, torch.zeros(4), torch.tensor([1.0, 1.0, -1.0, 0.0]), torch.tensor([2, 0, 1, 1]))
    method = METHODS[name]
    terms = policy_terms(
        method, scored, TermOptions(method.fill({}), method.level), reference=torch.full((4,), -5000.0)
    )
    assert terms.kl is not None
    (terms.policy + terms.kl).sum().backward()
    assert torch.isfinite(terms.policy).all()
    assert logps.grad is not None
    assert torch.isfinite(logps.grad).all()


# --- what the objectives have in common, and what they have not ------------------------------------------------------


def gradient(name: str, logps: Tensor, old: Tensor, advantages: Tensor, sizes: list[int], **given: Any) -> Tensor:
    """Gradient of the loss of whole completions at their log-probabilities."""
    method, lengths = METHODS[name], torch.tensor(sizes)
    leaf = logps.clone().requires_grad_()
    scored = Scored(leaf, old, advantages.repeat_interleave(lengths), lengths)
    terms = policy_terms(method, scored, TermOptions(method.fill(given), method.level))
    loss = (terms.policy * token_weights(sizes, method.aggregate)).sum() / denominator(sizes, method.aggregate, 9)
    return torch.autograd.grad(loss, leaf)[0]


@pytest.mark.parametrize("name", METHODS)
def test_on_policy_every_objective_is_reinforce_with_its_own_weights(name: str) -> None:
    sizes, advantages = [2, 3, 1], rewards(0.7, -0.9, 0.2)
    logps = -torch.rand(6, dtype=torch.float64)
    weights = token_weights(sizes, METHODS[name].aggregate) / denominator(sizes, METHODS[name].aggregate, 9)
    wanted = -advantages.repeat_interleave(torch.tensor(sizes)) * weights
    if METHODS[name].level == "product":  # one action: each token carries the gradient of the whole
        wanted = wanted * torch.tensor(sizes).repeat_interleave(torch.tensor(sizes))
    torch.testing.assert_close(gradient(name, logps, logps, advantages, sizes), wanted, atol=1e-7, rtol=1e-6)


@pytest.mark.parametrize("name", METHODS)
def test_without_advantage_there_is_no_gradient(name: str) -> None:
    logps = -torch.rand(6, dtype=torch.float64)
    found = gradient(name, logps, logps - 0.1 * torch.rand(6), torch.zeros(2), [2, 4])
    assert found.abs().max() == 0


def test_gspo_of_single_tokens_is_grpo() -> None:
    logps = -torch.rand(4, dtype=torch.float64)
    old, advantages = logps - 0.3 * torch.randn(4, dtype=torch.float64), rewards(1, -1, 0.5, -2)
    same = {"clip_low": 0.1, "clip_high": 0.2}
    one, two = (gradient(name, logps, old, advantages, [1] * 4, **same) for name in ("gspo", "grpo"))
    torch.testing.assert_close(one, two)


def test_gspo_token_has_the_value_and_with_one_advantage_the_gradient_of_gspo() -> None:
    logps = -torch.rand(6, dtype=torch.float64)
    old, advantages, sizes = logps - 0.2 * torch.randn(6, dtype=torch.float64), rewards(1, -1), [4, 2]
    one, two = (gradient(name, logps, old, advantages, sizes, clip_high=0.5) for name in ("gspo", "gspo_token"))
    torch.testing.assert_close(one, two)
    scored = Scored(logps, old, advantages.repeat_interleave(torch.tensor(sizes)), torch.tensor(sizes))
    torch.testing.assert_close(log_ratios(scored, "sequence"), log_ratios(scored, "sequence_token"))


def test_levels_of_the_ratio_by_hand() -> None:
    scored = Scored(rewards(1, 2, 4), rewards(0, 0, 1), rewards(0, 0, 0), torch.tensor([2, 1]))
    levels: dict[Level, list[float]] = {"token": [1, 2, 3], "sequence": [1.5, 1.5, 3], "product": [3, 3, 3]}
    for level, wanted in levels.items():
        assert log_ratios(scored, level).tolist() == wanted
    with pytest.raises(ValueError, match="Unknown level 'word'"):
        log_ratios(scored, "word")  # type: ignore[arg-type]


def test_a_capped_weight_keeps_its_gradient() -> None:
    # CISPO: -min(9, 5) * A at the first token, -.5 * A at the second; two tokens
    found = gradient("cispo", rewards(np.log(9), np.log(0.5)), rewards(0, 0), rewards(1.0, -2.0), [1, 1])
    np.testing.assert_allclose(found.numpy(), [-5 / 2, 0.5 * 2 / 2])


def test_the_soft_gate_fades_on_both_sides() -> None:
    gaps = rewards(-2, -1, 0, 1, 2)
    found = gradient("sapo", gaps, torch.zeros(5, dtype=torch.float64), torch.ones(5), [1] * 5)
    slope = [4 * np.exp(g) / ((1 + np.exp(-(np.exp(g) - 1))) * (1 + np.exp(np.exp(g) - 1))) for g in gaps.tolist()]
    np.testing.assert_allclose(found.numpy(), -np.array(slope) / 5, rtol=1e-6)


def test_an_unknown_number_is_named() -> None:
    with pytest.raises(ValueError, match=r"no number 'clip_hi'.*Did you mean 'clip_high'"):
        METHODS["grpo"].fill({"clip_hi": 0.3})


@pytest.mark.parametrize("name", METHODS)
def test_splitting_a_batch_changes_nothing_but_for_bnpo(name: str) -> None:
    sizes, advantages, aggregate = [2, 3, 1, 4], rewards(0.7, -0.9, 0.2, -0.4), METHODS[name].aggregate
    logps = -torch.rand(10, dtype=torch.float64)
    count = denominator(sizes, aggregate, 9, micros=2)
    whole = gradient(name, logps, logps, advantages, sizes)
    halves = [
        gradient(name, part, part, advantages[rows], sizes[rows]) * denominator(sizes[rows], aggregate, 9) / count
        for part, rows in ((logps[:2], slice(0, 1)), (logps[2:], slice(1, 4)))
    ]
    assert torch.allclose(torch.cat(halves), whole, atol=1e-7) == (aggregate != "micro")
