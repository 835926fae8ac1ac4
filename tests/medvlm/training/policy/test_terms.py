"""Entropy, corrections, the KL by exact enumeration and aggregates, against hand numbers."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
import torch
from torch import Tensor

from medvlm.training.policy import (
    METHODS,
    Aggregate,
    Scored,
    TermOptions,
    correction_weights,
    denominator,
    entropy_threshold,
    kl_estimate,
    next_coefficient,
    policy_terms,
    token_weights,
)

NAN = float("nan")


def rewards(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


# --- entropy and correction ------------------------------------------------------------------------------------------


def test_the_most_uncertain_share_is_kept() -> None:
    entropies = torch.arange(10.0)
    assert (entropies >= entropy_threshold(entropies, 0.2)).sum() == 2
    assert entropy_threshold(entropies, 1.0) == 0.0
    assert entropy_threshold(torch.zeros(0), 0.2) == -float("inf")
    for share in (0.0, 1.1, NAN):
        with pytest.raises(ValueError, match="share of tokens"):
            entropy_threshold(entropies, share)


def test_the_bonus_moves_towards_its_target_and_stays_in_bounds() -> None:
    assert [next_coefficient(c, h, 0.2) for c, h in ((0.1, 0.2), (0.1, 0.21), (1.0, 0.0), (0.0, 1.0))] == [
        pytest.approx(0.105),
        pytest.approx(0.095),
        1.0,
        0.0,
    ]


@pytest.mark.parametrize(
    ("mode", "wanted"),
    [
        ("token_truncate", [2.0, 0.5, 1.0, 0.5]),
        ("token_mask", [0.0, 0.5, 1.0, 0.0]),
        ("sequence_truncate", [2.0, 2.0, 0.5, 0.5]),
        ("sequence_mask", [2.0, 2.0, 0.0, 0.0]),
    ],
)
def test_corrections_by_hand(mode: Any, wanted: list[float]) -> None:
    # ratios 4, .5 (product 2) and 1, .1 (product .1), bounds .5 and 2
    old = rewards(4, 0.5, 1, 0.1).log()
    found = correction_weights(old, torch.zeros_like(old), torch.tensor([2, 2]), mode, low=0.5, high=2.0 + 1e-9)
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-6)
    with pytest.raises(ValueError, match="Unknown correction"):
        correction_weights(old, old, torch.tensor([2, 2]), "tis")  # type: ignore[arg-type]


@pytest.mark.parametrize("option", [{"correction": "token_mask"}, {"off_policy": 0.1}, {"entropy_from": 0.1}])
def test_an_option_without_its_values_is_named(option: dict[str, Any]) -> None:
    one = torch.zeros(1)
    method = METHODS["grpo"]
    with pytest.raises(ValueError, match=next(iter(option))):
        policy_terms(method, Scored(one, one, one, torch.tensor([1])), TermOptions(method.fill({}), **option))


# --- the KL to the reference, by exact enumeration of a small vocabulary ---------------------------------------------


def categorical() -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    return torch.randn(7, dtype=torch.float64, requires_grad=True), torch.randn(7, dtype=torch.float64)


@pytest.mark.parametrize(
    ("name", "value", "slope"),
    [("k1", True, "none"), ("k2", False, "kl"), ("k3", True, "opposite"), ("corrected", True, "kl")],
)
def test_what_each_estimator_estimates(name: Any, value: bool, slope: str) -> None:
    scores, other = categorical()
    logp, ref = scores.log_softmax(0), other.log_softmax(0)
    exact, opposite = (logp.exp() * (logp - ref)).sum(), (ref.exp() * (ref - logp)).sum()
    each = kl_estimate(logp, ref, name, ratio=(logp - logp.detach()).exp())
    estimate = (logp.exp().detach() * each).sum()
    assert (abs(float(estimate.detach()) - float(exact.detach())) < 1e-12) == value
    gradients = {
        "none": torch.zeros(7, dtype=torch.float64),
        "kl": torch.autograd.grad(exact, scores, retain_graph=True)[0],
        "opposite": torch.autograd.grad(opposite, scores, retain_graph=True)[0],
    }
    found = torch.autograd.grad(estimate, scores)[0]
    close = [key for key, wanted in gradients.items() if torch.allclose(found, wanted, atol=1e-10)]
    assert close == [slope]


def test_k3_is_never_negative_and_zero_only_where_equal() -> None:
    values = kl_estimate(torch.linspace(-5, 0, 11, dtype=torch.float64), torch.full((11,), -2.5), "k3")
    assert (values >= 0).all()
    assert values.argmin() == 5
    assert values[5] == 0


def test_bad_estimators_are_named() -> None:
    with pytest.raises(ValueError, match="Unknown KL estimator 'k4'"):
        kl_estimate(torch.zeros(1), torch.zeros(1), "k4")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="needs the importance ratio"):
        kl_estimate(torch.zeros(1), torch.zeros(1), "corrected")


# --- aggregation -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("aggregate", "expected"),
    # losses 1 | 2 3 | 4 5 6, at most 10 tokens
    [
        ("token", 21 / 6),
        ("sequence", (1 + 2.5 + 5) / 3),
        ("sum", 21 / 3),
        ("constant", 21 / 30),
        ("micro", 21 / 6),
    ],
)
def test_aggregates_by_hand(aggregate: Any, expected: float) -> None:
    lengths, losses = [1, 2, 3], torch.arange(1.0, 7.0)
    found = (losses * token_weights(lengths, aggregate)).sum() / denominator(lengths, aggregate, 10)
    assert float(found) == pytest.approx(expected)


def test_a_completion_left_out_counts_as_a_sequence_but_not_as_tokens() -> None:
    found = [denominator([4, 0], name, 10, micros=3) for name in get_args(Aggregate)]
    assert dict(zip(get_args(Aggregate), found, strict=True)) == {
        "token": 4.0,
        "sequence": 2.0,
        "sum": 2.0,
        "constant": 20.0,
        "micro": 3.0,
    }


@pytest.mark.parametrize("aggregate", get_args(Aggregate))
def test_an_empty_batch_divides_by_one_and_loses_nothing(aggregate: Any) -> None:
    assert denominator([], aggregate, 5) == 1.0
    assert token_weights([], aggregate).shape == (0,)


def test_an_unknown_aggregate_is_named() -> None:
    with pytest.raises(ValueError, match="Unknown aggregate 'mean'"):
        token_weights([1], "mean")  # type: ignore[arg-type]
