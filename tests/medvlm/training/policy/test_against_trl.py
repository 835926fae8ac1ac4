"""The losses of TRL's own trainers on the same per-token inputs: equal to 1e-6, and so are their gradients."""

from __future__ import annotations

from collections import defaultdict
from itertools import product
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from medvlm.training.policy import (
    METHODS,
    Scored,
    TermOptions,
    correction_weights,
    denominator,
    entropy_threshold,
    off_policy_mask,
    policy_terms,
    token_weights,
)

grpo_trainer = pytest.importorskip("trl.trainer.grpo_trainer", reason="TRL is a test dependency: medvlm[dev]")
rloo_trainer = pytest.importorskip("trl.trainer.rloo_trainer", reason="TRL is a test dependency: medvlm[dev]")

LENGTHS = [3, 5, 0, 1, 4]
LIMIT = 6
# their name of a loss: ours, with the aggregate that goes with it in TRL
NAMES = {
    "grpo": ("grpo", "sequence"),
    "bnpo": ("bnpo", "micro"),
    "dr_grpo": ("dr_grpo", "constant"),
    "dapo": ("dapo", "token"),
    "luspo": ("luspo", "sum"),
    "cispo": ("cispo", "token"),
    "sapo": ("sapo", "sequence"),
    "vespo": ("vespo", "token"),
}
CLIPPED = ("grpo", "bnpo", "dr_grpo", "dapo", "luspo")
MODES = (None, "token_truncate", "token_mask", "sequence_truncate", "sequence_mask")


def columns(seed: int, spread: float = 0.5) -> dict[str, Tensor]:
    """Per-token inputs of five completions, padded with garbage; one has no token."""
    draw = torch.Generator().manual_seed(seed)
    shape = (len(LENGTHS), max(LENGTHS))
    old = -torch.rand(shape, generator=draw, dtype=torch.float64) * 3

    def near(scale: float) -> Tensor:
        return old + scale * torch.randn(shape, generator=draw, dtype=torch.float64)

    return {
        "old": old,
        "logps": near(spread),
        "reference": near(0.3),
        "sampled": near(0.4),
        "entropies": torch.rand(shape, generator=draw, dtype=torch.float64) * 2,
        "advantages": torch.tensor([1.3, -0.4, 0.7, 0.0, -0.9], dtype=torch.float64),
        "mask": (torch.arange(max(LENGTHS))[None] < torch.tensor(LENGTHS)[:, None]).double(),
    }


def trainer_of(loss: str, level: str, case: dict[str, Any], leaves: tuple[Tensor, Tensor]) -> Any:
    """As much of a trainer as ``_compute_loss`` reads; what a model would say is given."""
    trainer: Any = SimpleNamespace(
        _get_per_token_logps_and_entropies=lambda *a, **k: (*leaves, None),
        accelerator=SimpleNamespace(
            num_processes=1,
            sync_gradients=True,
            gather=lambda x: x,
            reduce=lambda x, reduction: x,
            pad_across_processes=lambda x, dim, pad_index: x,
        ),
        args=SimpleNamespace(
            use_bias_correction_kl=case["corrected"],
            delta=case["delta"],
            steps_per_generation=1,
            sapo_temperature_pos=1.0,
            sapo_temperature_neg=1.05,
            vespo_k_pos=2.0,
            vespo_lambda_pos=3.0,
            vespo_k_neg=3.0,
            vespo_lambda_neg=2.0,
        ),
        model=SimpleNamespace(training=True),
        _metrics={"train": defaultdict(list)},
        loss_type=loss,
        beta=case["beta"],
        epsilon_low=0.2,
        epsilon_high=0.28,
        max_completion_length=LIMIT,
        importance_sampling_level=level,
        top_entropy_quantile=case["quantile"],
        off_policy_mask_threshold=case["off_policy"],
        current_gradient_accumulation_steps=1,
        use_vllm=case["mode"] is not None,
        vllm_importance_sampling_correction=True,
        aux_loss_enabled=False,
        use_adaptive_entropy=False,
        entropy_coef=case["bonus"],
        _entropy_bonus_enabled=case["bonus"] > 0,
        get_off_policy_mask=grpo_trainer.GRPOTrainer.get_off_policy_mask,
        get_gamma_weights=grpo_trainer.GRPOTrainer.get_gamma_weights,
    )
    trainer.get_high_entropy_mask = lambda *given: grpo_trainer.GRPOTrainer.get_high_entropy_mask(trainer, *given)
    return trainer


def their_correction(values: dict[str, Tensor], mode: str, low: float | None, high: float | None) -> Tensor:
    """TRL's ratio between sampler and trainer, as its ``_generate_and_score_completions`` computes it."""
    gap = (values["old"] - values["sampled"]) * values["mask"]
    gap = torch.nan_to_num(gap)
    ratio = (gap.sum(-1, keepdim=True) if mode.startswith("sequence") else gap).exp()
    if mode.endswith("truncate"):
        return ratio.clamp(low, high)
    outside = (ratio < (-torch.inf if low is None else low)) | (ratio > (torch.inf if high is None else high))
    return ratio.masked_fill(outside, 0.0)


def their_loss(loss: str, level: str, case: dict[str, Any], values: dict[str, Tensor]) -> list[Tensor]:
    """Loss and its gradients at log-probabilities and entropies, by ``GRPOTrainer._compute_loss`` itself."""
    leaves = values["logps"].clone().requires_grad_(), values["entropies"].clone().requires_grad_()
    trainer = trainer_of(loss, level, case, leaves)
    ids = torch.zeros(values["logps"].shape, dtype=torch.long)
    inputs = {
        "prompt_ids": ids[:, :1],
        "prompt_mask": ids[:, :1],
        "completion_ids": ids,
        "completion_mask": values["mask"],
        "advantages": values["advantages"],
        "old_per_token_logps": values["old"],
        "sampling_per_token_logps": values["sampled"],
        "ref_per_token_logps": values["reference"],
        "num_items_in_batch": values["mask"].sum(),
    }
    if case["mode"]:
        inputs["importance_sampling_ratio"] = their_correction(values, case["mode"], case["low"], case["high"])
    found = grpo_trainer.GRPOTrainer._compute_loss(trainer, trainer.model, inputs)
    return [found.detach(), *torch.autograd.grad(found, leaves, allow_unused=True, materialize_grads=True)]


def our_loss(loss: str, level: Any, case: dict[str, Any], values: dict[str, Tensor]) -> list[Tensor]:
    """The same from the pure functions, on the tokens laid end to end."""
    name, aggregate = NAMES[loss]
    kept, method, lengths = values["mask"].bool(), METHODS[name], torch.tensor(LENGTHS)
    leaves = values["logps"].clone().requires_grad_(), values["entropies"].clone().requires_grad_()
    given: dict[str, Any] = {}
    if name in CLIPPED:
        given = {"clip_low": 0.2, "clip_high": 0.28, "delta": case["delta"]}
    elif name == "cispo":
        given = {"clip_high": 0.28}
    options = TermOptions(
        numbers=method.fill(given),
        level=level,
        kl="corrected" if case["corrected"] else "k3",
        correction=case["mode"],
        correction_low=case["low"],
        correction_high=case["high"],
        off_policy=case["off_policy"],
        entropy_from=entropy_threshold(values["entropies"][kept], case["quantile"]) if case["quantile"] < 1 else None,
    )
    advantages = values["advantages"].repeat_interleave(lengths)
    terms = policy_terms(
        method,
        Scored(leaves[0][kept], values["old"][kept], advantages, lengths),
        options,
        reference=values["reference"][kept],
        sampled=values["sampled"][kept],
        entropies=leaves[1][kept],
    )
    assert terms.kl is not None
    assert terms.bonus is not None
    weights = token_weights(LENGTHS, aggregate)  # type: ignore[arg-type]
    found = ((terms.policy + case["beta"] * terms.kl) * weights).sum() / denominator(LENGTHS, aggregate, LIMIT)  # type: ignore[arg-type]
    acts = (leaves[1][kept] >= (options.entropy_from or 0)).sum()
    found = found - case["bonus"] * terms.bonus.sum() / acts
    return [found.detach(), *torch.autograd.grad(found, leaves, allow_unused=True, materialize_grads=True)]


def cases(loss: str) -> list[dict[str, Any]]:
    """Every combination of TRL's options that this loss reads; one side of the bounds for each correction."""
    kls = [{"beta": beta, "corrected": corrected} for beta, corrected in ((0.0, True), (0.3, True), (0.3, False))]
    deltas = [{"delta": delta} for delta in ((None, 1.5) if loss in CLIPPED else (None,))]
    modes = [
        {"mode": mode, "low": 0.8 if mode in MODES[2:4] else None, "high": None if mode in MODES[2:4] else 1.2}
        for mode in (MODES[:3] if loss == "vespo" else MODES)
    ]
    # the bonus is added at the end: all it meets is the entropy mask
    rows = [(None, 1.0, 0.0), (None, 1.0, 0.01), (None, 0.4, 0.01), (0.05, 1.0, 0.0), (0.05, 0.4, 0.0)]
    masks = [{"off_policy": off, "quantile": quantile, "bonus": bonus} for off, quantile, bonus in rows]
    return [kl | delta | mode | mask for kl, delta, mode, mask in product(kls, deltas, modes, masks)]


@pytest.mark.parametrize("level", ["token", "sequence"])
@pytest.mark.parametrize("loss", NAMES)
def test_every_combination_of_options_agrees(loss: str, level: str) -> None:
    for seed, case in enumerate(cases(loss)):
        values = columns(seed)
        for found, wanted in zip(
            our_loss(loss, level, case, values), their_loss(loss, level, case, values), strict=True
        ):
            torch.testing.assert_close(found, wanted, atol=1e-6, rtol=1e-6, msg=lambda text: f"{case}: {text}")  # noqa: B023


@pytest.mark.parametrize("loss", NAMES)
def test_far_off_policy_and_with_everything_masked_they_agree(loss: str) -> None:
    case = cases(loss)[0] | {"beta": 0.3}
    for values in (columns(1, spread=4.0), columns(2) | {"advantages": torch.zeros(5, dtype=torch.float64)}):
        for found, wanted in zip(
            our_loss(loss, "token", case, values), their_loss(loss, "token", case, values), strict=True
        ):
            torch.testing.assert_close(found, wanted, atol=1e-6, rtol=1e-6)


def test_a_token_that_the_sampler_did_not_score_is_corrected_by_nothing() -> None:
    values = columns(3)
    values["sampled"][1, 2] = torch.nan
    kept, lengths = values["mask"].bool(), torch.tensor(LENGTHS)
    for mode in MODES[1:]:
        theirs = their_correction(values, mode, 0.7, 1.4).expand(kept.shape)[kept]
        found = correction_weights(values["old"][kept], values["sampled"][kept], lengths, mode, low=0.7, high=1.4)  # type: ignore[arg-type]
        torch.testing.assert_close(found, theirs)
    scored = Scored(
        values["logps"][kept], values["old"][kept], values["advantages"].repeat_interleave(lengths), lengths
    )
    theirs = grpo_trainer.GRPOTrainer.get_off_policy_mask(
        values["advantages"][:, None], values["logps"], values["sampled"], values["mask"], 0.01
    )
    assert set(theirs.flatten().tolist()) == {0.0, 1.0}
    torch.testing.assert_close(off_policy_mask(scored, values["sampled"][kept], 0.01), theirs.expand(kept.shape)[kept])


@pytest.mark.parametrize("seed", range(8))
def test_rloo_agrees_with_its_trainer(seed: int) -> None:
    values = columns(seed, spread=0.15)
    values["advantages"][2] = 0.0  # the completion without tokens costs TRL a constant
    logps = values["logps"].clone().requires_grad_()
    trainer: Any = SimpleNamespace(
        _get_per_token_logps_and_entropies=lambda *a, **k: (logps, values["entropies"], None),
        accelerator=SimpleNamespace(gather=lambda x: x, reduce=lambda x, reduction: x),
        model=SimpleNamespace(training=True),
        _metrics={"train": defaultdict(list)},
        epsilon_low=0.2,
        epsilon_high=0.2,
        aux_loss_enabled=False,
    )
    ids = torch.zeros(logps.shape, dtype=torch.long)
    names = ("prompt_ids", "prompt_mask", "completion_ids")
    inputs = dict.fromkeys(names, ids) | {"completion_mask": values["mask"], "advantages": values["advantages"]}
    inputs["old_logps"] = (values["old"] * values["mask"]).sum(1)
    wanted = rloo_trainer.RLOOTrainer._compute_loss(trainer, trainer.model, inputs)
    (their_gradient,) = torch.autograd.grad(wanted, logps)
    kept, lengths, method = values["mask"].bool(), torch.tensor(LENGTHS), METHODS["rloo"]
    scored = Scored(logps[kept], values["old"][kept], values["advantages"].repeat_interleave(lengths), lengths)
    terms = policy_terms(method, scored, TermOptions(numbers=method.fill({}), level=method.level))
    found = (terms.policy * token_weights(LENGTHS, method.aggregate)).sum() / denominator(LENGTHS, "sequence", LIMIT)
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(torch.autograd.grad(found, logps)[0], their_gradient, atol=1e-6, rtol=1e-6)
