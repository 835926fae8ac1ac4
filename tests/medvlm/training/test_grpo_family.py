"""Every objective and option through the module: steps, counts, references, entropies, KL in the reward."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import pytest
import torch
from torch import Tensor

from medvlm.generation.engine import Ask
from medvlm.stages import GRPOStage
from medvlm.training.grpo import GRPO
from medvlm.training.grpo_options import GRPOOptions
from medvlm.training.policy import METHODS, Aggregate, Level, Place, Scale, whitened_returns
from medvlm.training.policy.correction import Correction
from medvlm.training.policy.kl import Estimator
from medvlm.training.rollouts import Rollout


class Stepping(GRPO):
    """Keeps the columns of every optimiser step, with the log-probabilities it saw."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.steps: list[list[dict[str, Tensor]]] = []

    def _update(self, backward: Any) -> None:
        self.steps.append([])
        super()._update(backward)

    def parts(self, micro: Any, logps: Tensor, entropy: Tensor) -> dict[str, Tensor]:
        found = super().parts(micro, logps, entropy)
        now = {"logps": logps.detach()[micro.columns["place"]], "entropies": entropy.detach()[micro.columns["place"]]}
        self.steps[-1].append(dict(micro.columns) | now | {f"part/{name}": value for name, value in found.items()})
        return found


@pytest.mark.parametrize("loss", METHODS)
def test_every_loss_learns_in_minibatches_with_everything_on(
    tiny: Any, batch: list[Ask], fit: Any, grpo: Any, loss: str
) -> None:
    before = {name: value.clone() for name, value in tiny[0].state_dict().items()}
    options: dict[str, Any] = {"mu": 2, "minibatches": 2, "beta": 0.1, "entropy_bonus": 0.01, "entropy_quantile": 0.5}
    module = grpo(tiny, kind=Stepping, loss=loss, lr=1e-3, correction="token_truncate", off_policy=1.0, **options)
    curve = fit(module, [batch])
    assert len(module.steps) == 4
    assert all(torch.isfinite(torch.tensor(value)) for name, value in curve[0].items() if name != "length")
    assert any(not torch.equal(value, before[name]) for name, value in module.model.state_dict().items())
    assert curve[0]["loss/ref_kl"] != 0


def test_later_minibatches_compare_with_the_policy_that_sampled(
    tiny: Any, batch: list[Ask], fit: Any, grpo: Any
) -> None:
    module = grpo(tiny, kind=Stepping, minibatches=2, lr=1e-2)
    fit(module, [batch])
    (first,), (second,) = module.steps
    torch.testing.assert_close(first["logps"], first["old"], atol=1e-5, rtol=0)
    torch.testing.assert_close(second["old"], second["sampled"], atol=1e-4, rtol=0)
    assert float((second["logps"] - second["old"]).abs().max()) > 0.05


def test_minibatches_share_out_all_completions_once(tiny: Any, batch: list[Ask], fit: Any, grpo: Any) -> None:
    module = grpo(tiny, kind=Stepping, minibatches=3, beta=0.1)  # 4 contexts with 7 questions
    fit(module, [batch])
    assert sum(len(micro["lengths"]) for step in module.steps for micro in step) == 7 * 4
    assert len(module.steps) == 3


@pytest.mark.parametrize("name", ["sequence", "sum", "micro"])
def test_only_micro_depends_on_the_split(
    tiny: Any, batch: list[Ask], fit: Any, grpo: Any, gradients: Any, same_gradients: Any, name: str
) -> None:
    found = []
    for micro_tokens in (100_000, 1):
        module = grpo(tiny, aggregate=name, micro_tokens=micro_tokens)
        fit(module, [batch])
        found.append(gradients(module.model))
    if name != "micro":
        same_gradients(*found)
    else:
        with pytest.raises(AssertionError):
            same_gradients(*found)


def test_the_most_uncertain_tokens_are_those_of_the_batch_however_it_is_split(
    tiny: Any, batch: list[Ask], fit: Any, grpo: Any, gradients: Any, same_gradients: Any
) -> None:
    found = []
    for micro_tokens in (100_000, 1):
        module = grpo(tiny, kind=Stepping, entropy_quantile=0.3, micro_tokens=micro_tokens)
        fit(module, [batch])
        found.append(gradients(module.model))
        entropies = torch.cat([micro["entropy"] for micro in module.steps[0]])
        assert float((entropies >= module._entropy_from).float().mean()) == pytest.approx(0.3, abs=0.03)
    same_gradients(*found)


def test_the_bonus_is_the_mean_entropy_and_raises_it(tiny: Any, batch: list[Ask], fit: Any, grpo: Any) -> None:
    module = grpo(tiny, "constant", kind=Stepping, entropy_bonus=0.5, lr=1e-3)
    curve = fit(module, [batch] * 4)
    mean = torch.cat([micro["entropies"] for micro in module.steps[0]]).mean()
    assert curve[0]["loss/entropy"] == pytest.approx(float(mean), rel=1e-5)
    assert curve[0]["loss"] == pytest.approx(-0.5 * float(mean), rel=1e-5)
    assert curve[-1]["entropy"] > curve[0]["entropy"]


def test_the_bonus_acts_below_its_target_only(tiny: Any, batch: list[Ask], fit: Any, grpo: Any) -> None:
    for target, coefficient in ((100.0, 0.11), (0.001, 0.09)):
        module = grpo(tiny, "constant", entropy_bonus=0.1, entropy_target=target)
        fit(module, [batch] * 2)
        assert module.bonus.coefficient == pytest.approx(coefficient)
        assert (module.bonus.now > 0) == (target > 1)


def test_a_reference_that_follows(tiny: Any, batch: list[Ask], fit: Any, grpo: Any) -> None:
    start = {name: value.clone() for name, value in tiny[0].named_parameters()}
    module = grpo(tiny, beta=0.1, lr=1e-3, reference_every=2, reference_mix=0.25)
    fit(module, [batch])
    assert all(torch.equal(value, start[name]) for name, value in module.reference.state(module.model).items())
    module.batches_done = 1
    fit(module, [batch])
    policy = dict(module.model.named_parameters())
    for name, value in module.reference.state(module.model).items():
        torch.testing.assert_close(value, 0.25 * policy[name].detach() + 0.75 * start[name])


def owned(module: GRPO, rollouts: Sequence[Rollout]) -> dict[int, dict[str, Tensor]]:
    """Columns of each rollout."""
    found = {}
    for micro, mine in module._owners:
        sizes = micro.columns["lengths"].tolist()
        split = {name: micro.columns[name].split(sizes) for name in ("advantage", "sampled", "reference")}
        for place, rollout in enumerate(mine):
            found[id(rollout)] = {name: values[place] for name, values in split.items()}
    return found


@pytest.mark.parametrize("loss", ["rloo", "reinforce_pp"])
def test_a_kl_in_the_reward_is_paid_by_the_tokens(
    tiny: Any, batch: list[Ask], fit: Any, grpo: Any, monkeypatch: pytest.MonkeyPatch, loss: str
) -> None:
    module = grpo(tiny, loss=loss, beta=0.3)
    with torch.no_grad():
        for weight in module.reference._frozen[0].parameters():
            weight += 0.02 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(weight.numel()))
    rollouts = module.roll_out(batch)
    monkeypatch.setattr(module, "roll_out", lambda asks: rollouts)
    curve = fit(module, [batch])
    columns = owned(module, rollouts)
    costs = [0.3 * (columns[id(one)]["sampled"] - columns[id(one)]["reference"]) for one in rollouts]
    rewards = torch.tensor([rollout.reward for rollout in rollouts])
    if loss == "rloo":
        paid = (rewards - torch.stack([cost.sum() for cost in costs])).reshape(-1, 4)
        wanted = (paid - (paid.sum(1, keepdim=True) - paid) / 3).reshape(-1)
        expected = [value.expand(one.length) for value, one in zip(wanted, rollouts, strict=True)]
    else:
        lengths = torch.tensor([rollout.length for rollout in rollouts])
        expected = list(whitened_returns(rewards, lengths, cost=torch.cat(costs)).split(lengths.tolist()))
    for rollout, values in zip(rollouts, expected, strict=True):
        torch.testing.assert_close(columns[id(rollout)]["advantage"], values, atol=1e-5, rtol=1e-5)
    assert curve[0]["loss"] == pytest.approx(curve[0]["loss/rl"])  # the KL is shown, and is no part of the loss


def test_rewards_normalised_apart(tiny: Any, batch: list[Ask], grpo: Any) -> None:
    module = grpo(tiny, normalise="apart")
    rollouts = module.roll_out(batch)
    advantages = torch.tensor([rollout.advantage for rollout in rollouts])
    assert float(advantages.std()) == pytest.approx(1.0, abs=1e-3)  # scaled over the batch
    groups = advantages.reshape(-1, 4)
    torch.testing.assert_close(groups.mean(1), torch.zeros(7), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss": "ppo"}, "Unknown loss 'ppo'"),
        ({"loss": "cispo", "clip_low": 0.2}, "loss 'cispo': .* no number 'clip_low'; it has clip_high"),
        ({"loss": "sapo", "loss_options": {"tau_negativ": 1.0}}, "Did you mean 'tau_negative'"),
        ({"loss": "rloo", "scale": "group"}, "take batch or none"),
        ({"loss": "rloo", "normalise": "apart"}, "another baseline"),
        ({"loss": "vespo", "correction": "sequence_mask"}, "token_truncate or token_mask"),
        ({"reference_every": 5}, "set beta"),
        ({"beta": 0.1, "kl_place": "reward", "normalise": "apart"}, "kl_place: loss"),
    ],
)
def test_options_that_exclude_each_other_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GRPOOptions(**options).resolved()


def test_a_recipe_may_say_what_the_functions_take() -> None:
    def allowed(name: str) -> set[str]:
        kinds: list[Any] = [GRPOStage.model_fields[name].annotation]
        while any(get_args(kind) for kind in kinds):
            kinds = [inner for kind in kinds for inner in get_args(kind) or (kind,)]
        return {kind for kind in kinds if isinstance(kind, str)}

    known = {"scale": Scale, "aggregate": Aggregate, "ratio": Level, "kl": Estimator, "kl_place": Place}
    for name, taken in (known | {"correction": Correction}).items():
        assert allowed(name) == set(get_args(taken)), name
    assert allowed("loss") == set(METHODS)


def test_what_is_not_said_is_as_the_loss_has_it() -> None:
    for loss, method in METHODS.items():
        found = GRPOOptions(loss=loss).resolved()
        assert (found.scale, found.aggregate, found.ratio) == (method.scale, method.aggregate, method.level)
        assert found.numbers() == method.numbers
    assert GRPOOptions(loss="gspo", clip_high=0.1).resolved().numbers()["clip_high"] == 0.1
