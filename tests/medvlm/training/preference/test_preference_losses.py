"""Preference losses against TRL's own trainers, values and gradients, and against hand numbers."""

from __future__ import annotations

import math
from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from medvlm.training.preference import LOSSES, LossName, divergence, implicit_rewards, kto, pair_losses

LENGTHS = ([3, 7, 1, 5], [4, 2, 6, 5])  # of chosen and rejected answers
WIDTH = 7


@pytest.fixture
def tokens() -> Tensor:
    """Log-probabilities of the answer tokens, chosen then rejected, ``(8, 7)``; 0 beyond an answer's end."""
    draw = torch.Generator().manual_seed(0)
    values = -torch.rand(8, WIDTH, generator=draw, dtype=torch.float64) * 2
    return values * mask()


def mask() -> Tensor:
    lengths = torch.tensor([*LENGTHS[0], *LENGTHS[1]])
    return (torch.arange(WIDTH) < lengths[:, None]).double()


def reference() -> Tensor:
    draw = torch.Generator().manual_seed(1)
    return -torch.rand(8, generator=draw, dtype=torch.float64) * 6


class Accelerator:
    """The part of an accelerator that gathers, with one process."""

    device = torch.device("cpu")

    def gather_for_metrics(self, value: Any) -> Any:
        return value

    gather = gather_for_metrics


def stub(logps: Tensor) -> Any:
    """A model whose fused head gives these log-probabilities."""
    zeros = torch.zeros_like(logps)
    outputs = SimpleNamespace(log_probs=logps, entropy=zeros, mean_logits=zeros, is_top1=zeros.bool())
    return lambda **inputs: outputs


def trl_dpo(logps: Tensor, kinds: list[str], beta: float) -> Tensor:
    trainer = pytest.importorskip("trl.trainer.dpo_trainer")
    whole = torch.cat([torch.zeros(8, 1), mask()], dim=1).long()
    ref = reference()
    inputs = {"input_ids": whole, "attention_mask": whole, "completion_mask": whole}
    inputs |= {"ref_chosen_logps": ref[:4], "ref_rejected_logps": ref[4:]}
    model = SimpleNamespace(training=True)
    known = {
        "accelerator": Accelerator(), "aux_loss_enabled": False, "ld_alpha": None, "precompute_ref_logps": True,
        "f_divergence_type": "reverse_kl", "loss_types": kinds, "loss_weights": [1.0] * len(kinds), "beta": beta,
        "label_smoothing": 0.0, "use_weighting": False, "model": model, "_total_train_tokens": 0, "_tp_size": 1,
        "_metrics": {"train": defaultdict(list)},
    }  # fmt: skip
    loss: Tensor = trainer.DPOTrainer._compute_loss(SimpleNamespace(**known), stub(logps), inputs, False)
    return loss


def ours(name: LossName, logps: Tensor, *, beta: float, gamma: float = 0.0, smoothing: float = 0.0) -> Tensor:
    """Mean over pairs, with ``alpha`` times the mean over chosen tokens."""
    rewards = implicit_rewards(name, logps.sum(1), mask().sum(1), reference(), beta=beta)
    loss = pair_losses(name, rewards[:4], rewards[4:], beta=beta, gamma=gamma, smoothing=smoothing).mean()
    return loss - LOSSES[name].alpha * logps[:4].sum() / mask()[:4].sum()


def agree(found: Any, wanted: Any, tokens: Tensor) -> None:
    """Same value and same gradient on every answer token."""
    sides = []
    for function in (found, wanted):
        leaf = tokens.clone().requires_grad_()
        value = function(leaf)
        value.backward()
        assert leaf.grad is not None
        sides.append((value.detach().double(), leaf.grad * mask()))
    torch.testing.assert_close(sides[0][0], sides[1][0], atol=1e-6, rtol=0)
    torch.testing.assert_close(sides[0][1], sides[1][1], atol=1e-6, rtol=0)
    assert float(sides[1][1].abs().max()) > 1e-4


@pytest.mark.parametrize("beta", [0.05, 0.5])
@pytest.mark.parametrize(
    ("name", "kinds"), [("dpo", ["sigmoid"]), ("rpo", ["sigmoid", "sft"]), ("ipo", ["ipo"])], ids=["dpo", "rpo", "ipo"]
)
def test_as_trl_with_a_reference(tokens: Tensor, name: LossName, kinds: list[str], beta: float) -> None:
    agree(lambda leaf: ours(name, leaf, beta=beta), lambda leaf: trl_dpo(leaf, kinds, beta), tokens)


@pytest.mark.parametrize(("kind", "smoothing"), [("sigmoid", 0.0), ("sigmoid", 0.1), ("simpo", 0.0)])
def test_as_trl_without_a_reference(tokens: Tensor, kind: str, smoothing: float) -> None:
    trainer = pytest.importorskip("trl.experimental.cpo.cpo_trainer")
    name: LossName = "simpo" if kind == "simpo" else "cpo"
    known = SimpleNamespace(
        alpha=0.0, accelerator=Accelerator(), loss_type=kind, simpo_gamma=0.7, beta=2.0, label_smoothing=smoothing
    )

    def theirs(leaf: Tensor) -> Tensor:
        scores = leaf.sum(1) / mask().sum(1) if kind == "simpo" else leaf.sum(1)
        losses: Tensor = trainer.CPOTrainer.cpo_loss(known, scores[:4], scores[4:])[0]
        return losses.mean() - LOSSES[name].alpha * leaf[:4].sum() / mask()[:4].sum()

    agree(lambda leaf: ours(name, leaf, beta=2.0, gamma=0.7, smoothing=smoothing), theirs, tokens)


def test_as_trl_odds_ratios(tokens: Tensor) -> None:
    trainer = pytest.importorskip("trl.experimental.orpo.orpo_trainer")
    known = SimpleNamespace(beta=0.25, accelerator=Accelerator())

    def theirs(leaf: Tensor) -> Tensor:
        scores = leaf.sum(1) / mask().sum(1)
        losses: Tensor = trainer.ORPOTrainer.odds_ratio_loss(known, scores[:4], scores[4:])[0]
        return -leaf[:4].sum() / mask()[:4].sum() - losses.mean()

    agree(lambda leaf: ours("orpo", leaf, beta=0.25), theirs, tokens)


@pytest.mark.parametrize("shift", [[0.4, 1.2], [-3.0, 1.0]])
def test_as_trl_answers_one_by_one(tokens: Tensor, shift: list[float]) -> None:
    trainer = pytest.importorskip("trl.trainer.kto_trainer")
    good = torch.tensor([True, True, False, True, False, False, True, False])
    mismatched = torch.tensor(shift, dtype=torch.float64)
    whole = torch.cat([torch.zeros(8, 1), mask()], dim=1).long()
    inputs = {"input_ids": whole, "attention_mask": whole, "completion_mask": whole}
    inputs |= {"label": good, "ref_logps": reference(), "ref_KL_logps": torch.zeros(2)}
    known = {
        "accelerator": Accelerator(), "model": SimpleNamespace(training=True), "aux_loss_enabled": False,
        "precompute_ref_logps": True, "calculate_KL": True, "loss_type": "kto", "beta": 0.3,
        "desirable_weight": 1.0, "undesirable_weight": 1.5, "_metrics": {"train": defaultdict(list)},
        "_total_train_tokens": 0, "_tp_size": 1, "_compute_kl_logps": lambda model, batch: mismatched,
    }  # fmt: skip

    def theirs(leaf: Tensor) -> Tensor:
        loss: Tensor = trainer.KTOTrainer._compute_loss(SimpleNamespace(**known), stub(leaf), inputs, False)
        return loss

    def here(leaf: Tensor) -> Tensor:
        rewards = implicit_rewards("kto", leaf.sum(1), mask().sum(1), reference(), beta=0.3)
        return kto(rewards, good, 0.3 * divergence(mismatched), weight_bad=1.5).mean()

    agree(here, theirs, tokens)


def test_smoothed_labels_by_hand() -> None:
    """With r_w - r_l = log 3, sigmoid is 3/4: loss = -(0.9 log 3/4 + 0.1 log 1/4)."""
    found = pair_losses("dpo", torch.tensor([math.log(3)]), torch.zeros(1), beta=0.1, gamma=0.0, smoothing=0.1)
    assert float(found) == pytest.approx(-(0.9 * math.log(0.75) + 0.1 * math.log(0.25)), abs=1e-6)


@pytest.mark.parametrize("name", ["orpo", "simpo", "dpo", "cpo"])
def test_a_certain_answer_gives_no_infinity(name: LossName) -> None:
    logps = torch.tensor([0.0, -900.0]).requires_grad_()
    rewards = implicit_rewards(name, logps, torch.tensor([4, 4]), torch.zeros(2), beta=0.1)
    loss = pair_losses(name, rewards[:1], rewards[1:], beta=0.1, gamma=1.0, smoothing=0.0).sum()
    loss.backward()
    assert torch.isfinite(loss)
    assert logps.grad is not None
    assert torch.isfinite(logps.grad).all()


def test_a_loss_that_needs_a_reference_says_so() -> None:
    with pytest.raises(ValueError, match="'dpo' compares with a reference"):
        implicit_rewards("dpo", torch.zeros(1), torch.ones(1), beta=0.1)
    with pytest.raises(ValueError, match="one by one"):
        pair_losses("kto", torch.zeros(1), torch.zeros(1), beta=0.1, gamma=0.0, smoothing=0.0)


def test_a_length_counts_only_in_means() -> None:
    """Twice the tokens at half the log-probability each: the sums agree, the means do not."""
    logps, lengths = torch.tensor([-4.0, -4.0]), torch.tensor([4, 8])
    sums = implicit_rewards("cpo", logps, lengths, beta=1.0)
    means = implicit_rewards("simpo", logps, lengths, beta=1.0)
    assert sums.tolist() == [-4.0, -4.0]
    assert means.tolist() == [-1.0, -0.5]
