"""What answers are compared with, against hand numbers and plain numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from medvlm.training.policy import apart_advantages, group_advantages, leave_one_out, whitened_returns

NAN = float("nan")


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


# --- other baselines --------------------------------------------------------------------------------------------------


def test_leave_one_out_is_the_centred_reward_times_a_factor() -> None:
    values = torch.randn(8, dtype=torch.float64)
    centred = group_advantages(values, 4, scale="none")
    torch.testing.assert_close(leave_one_out(values, 4), 4 / 3 * centred)
    assert leave_one_out(rewards(1, NAN, NAN, 5), 2).tolist() == [0, 0, 0, 0]  # nobody else in the group
    with pytest.raises(ValueError, match="not by the group"):
        leave_one_out(values, 4, scale="group")


def test_rewards_normalised_apart_by_hand() -> None:
    # column 1: -1, 1 over sqrt(2); column 2 constant: 0. Sum -.7071, .7071; over the batch again
    parts = torch.tensor([[0.0, 3.0], [8.0, 3.0]], dtype=torch.float64)
    first = 4 / (32**0.5 + 1e-4)
    wanted = first / (first * 2**0.5 + 1e-4)
    np.testing.assert_allclose(apart_advantages(parts, [1.0, 1.0], 2).numpy(), [-wanted, wanted], rtol=1e-9)


def test_summed_first_two_mixtures_are_alike_and_apart_they_are_not() -> None:
    # a group of (format, accuracy) wins: (0, 1) and (0, 2) in sum give the same advantages, GDPO tells them apart
    one, two = torch.tensor([[0.0, 0], [0, 1], [0, 0], [0, 0]]), torch.tensor([[0.0, 0], [1, 1], [0, 0], [0, 0]])
    summed = [group_advantages(parts.sum(1), 4, eps=0.0) for parts in (one, two)]
    torch.testing.assert_close(summed[0], summed[1])
    both = apart_advantages(torch.cat([one, two]), [1.0, 1.0], 4)
    assert float(both[5] - both[1]) > 0.5


def test_returns_whitened_over_tokens_by_hand() -> None:
    # rewards 1 and 0 on 1 and 3 tokens: returns 1, 0, 0, 0: mean .25, variance (.5625 + 3 * .0625) / 3 = .25
    found = whitened_returns(rewards(1, 0), torch.tensor([1, 3]))
    np.testing.assert_allclose(found.numpy(), np.array([0.75, -0.25, -0.25, -0.25]) / (0.25 + 1e-8) ** 0.5)


def test_returns_with_discount_and_a_cost_of_tokens_by_hand() -> None:
    cost = rewards(0.1, 0.2, 0.4)
    # last token of the first: 1 - .2 = .8; before it: -.1 + .5 * .8 = .3; the second: 0 - .4
    returns = np.array([0.3, 0.8, -0.4])
    wanted = (returns - returns.mean()) / (returns.var(ddof=1) + 1e-8) ** 0.5
    found = whitened_returns(rewards(1, 0), torch.tensor([2, 1]), cost=cost, gamma=0.5)
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-12)


def test_a_reward_of_nan_or_infinity_has_no_return_and_moves_no_other() -> None:
    found = whitened_returns(rewards(1, NAN, float("inf"), 0), torch.tensor([1, 2, 0, 1]))
    np.testing.assert_allclose(found.numpy(), [0.5**0.5, 0, 0, -(0.5**0.5)], rtol=1e-6)
    assert group_advantages(rewards(1, float("inf"), 0, 2), 2, scale="none").tolist() == [0, 0, -1, 1]


@pytest.mark.parametrize("sizes", [[], [0, 0]])
def test_no_tokens_have_no_returns(sizes: list[int]) -> None:
    lengths = torch.tensor(sizes, dtype=torch.long)
    assert whitened_returns(torch.zeros(len(sizes)), lengths).shape == (0,)
