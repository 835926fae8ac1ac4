"""Advantages and correction weights as TRL's trainers compute them from the same rewards, with rollouts given."""

from __future__ import annotations

from collections import defaultdict
from typing import Any
from unittest.mock import MagicMock

import pytest
import torch
from torch import Tensor

from medvlm.training.policy import (
    apart_advantages,
    correction_weights,
    group_advantages,
    leave_one_out,
)
from medvlm.training.rewards.scoring import combine_rewards

grpo_trainer = pytest.importorskip("trl.trainer.grpo_trainer", reason="TRL is a test dependency: medvlm[dev]")
rloo_trainer = pytest.importorskip("trl.trainer.rloo_trainer", reason="TRL is a test dependency: medvlm[dev]")

GROUP, WEIGHTS = 4, [1.0, 0.3]
LENGTHS = [1, 3, 2, 4, 2, 2, 1, 5, 3, 3, 2, 1]
NAN = float("nan")


def parts(seed: int, missing: str = "") -> Tensor:
    """Two rewards of three groups: one group has equal rewards; some rewards do not apply."""
    found = torch.rand((12, 2), generator=torch.Generator().manual_seed(seed)).round(decimals=1)
    found[4:8] = 0.5
    if missing:
        found[1, 0] = found[2, 1] = NAN
        found[9] = NAN
    if missing == "group":
        found[8:11] = NAN
    return found


def scored_by(trainer: Any, rewards: Tensor, **settings: Any) -> dict[str, Tensor]:
    """What a trainer of TRL makes of given completions and rewards."""
    draw = torch.Generator().manual_seed(7)
    mask = torch.arange(5)[None] < torch.tensor(LENGTHS)[:, None]
    old, sampled, reference = (-torch.rand((12, 5), generator=draw) for _ in range(3))
    ids = [[5] * length for length in LENGTHS]
    mock = MagicMock()
    mock.accelerator.device, mock.accelerator.process_index = torch.device("cpu"), 0
    mock.accelerator.gather = mock.accelerator.gather_for_metrics = lambda x: x
    mock.accelerator.reduce = lambda x, reduction: x
    scores = [row[:length].tolist() for row, length in zip(sampled, LENGTHS, strict=True)]
    answers: tuple[Any, ...] = ([[1]] * 12, ids, None, ["x"] * 12, scores, {}, None, [[]] * 12)
    mock._generate.return_value = answers if trainer is grpo_trainer.GRPOTrainer else (answers[0], ids, ["x"] * 12)
    mock._get_per_token_logps_and_entropies.side_effect = [(old, None, None), (reference, None, None)]
    mock._calculate_rewards.return_value = rewards
    plain: dict[str, Any] = {
        "environment_factories": None,
        "environments": None,
        "tools": [],
        "num_generations": GROUP,
        "reward_weights": torch.tensor(WEIGHTS),
        "reward_funcs": [1, 2],
        "reward_func_names": ["a", "b"],
        "pad_to_multiple_of": None,
        "mask_truncated_completions": False,
        "beta": 0.0,
        "use_vllm": False,
        "multi_objective_aggregation": "sum_then_normalize",
        "scale_rewards": "group",
        "normalize_advantages": False,
        "reward_clip_range": None,
        "log_multimodal": False,
        "_pending_extra_logs": {},
        "_pending_metrics": {},
        "_metrics": {"train": defaultdict(list)},
        "_logs": defaultdict(lambda: MagicMock()),
    }
    for name, value in (plain | settings).items():
        setattr(mock, name, value)
    mock._tokenizer.pad_token_id = 0
    mock.args.gradient_accumulation_steps = mock.args.steps_per_generation = 1
    module = grpo_trainer if trainer is grpo_trainer.GRPOTrainer else rloo_trainer
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "gather_object", lambda x: x)
        found: dict[str, Tensor] = trainer._generate_and_score_completions(mock, [{"prompt": "q"}] * 12)
    return found | {"old": old, "sampled": sampled, "reference": reference, "mask": mask}


@pytest.mark.parametrize("missing", ["", "some", "group"])
@pytest.mark.parametrize("scale", ["group", "batch", "none"])
def test_group_advantages(scale: Any, missing: str) -> None:
    rewards = parts(0, missing)
    wanted = scored_by(grpo_trainer.GRPOTrainer, rewards, scale_rewards=scale)["advantages"]
    torch.testing.assert_close(group_advantages(combine_rewards(rewards, WEIGHTS), GROUP, scale=scale), wanted)


@pytest.mark.parametrize("missing", ["", "some"])
def test_rewards_normalised_apart(missing: str) -> None:
    rewards = parts(1, missing)
    wanted = scored_by(grpo_trainer.GRPOTrainer, rewards, multi_objective_aggregation="normalize_then_sum")[
        "advantages"
    ]
    torch.testing.assert_close(apart_advantages(rewards, WEIGHTS, GROUP), wanted, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("missing", ["", "some", "group"])
@pytest.mark.parametrize("scale", ["none", "batch"])
def test_leave_one_out(scale: Any, missing: str) -> None:
    rewards = parts(2, missing)
    wanted = scored_by(rloo_trainer.RLOOTrainer, rewards, normalize_advantages=scale == "batch")["advantages"]
    found = leave_one_out(combine_rewards(rewards, WEIGHTS), GROUP, scale=scale)
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=1e-6)


def test_leave_one_out_with_the_kl_in_the_reward() -> None:
    rewards = parts(4)
    theirs = scored_by(rloo_trainer.RLOOTrainer, rewards, beta=0.2)
    kl = ((theirs["old"] - theirs["reference"]) * theirs["mask"]).sum(1)
    found = leave_one_out(combine_rewards(rewards, WEIGHTS) - 0.2 * kl, GROUP)
    torch.testing.assert_close(found, theirs["advantages"], atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("bounds", [(None, 1.5), (0.6, None), (0.6, 1.5)])
@pytest.mark.parametrize("mode", ["token_truncate", "token_mask", "sequence_truncate", "sequence_mask"])
def test_correction_weights(mode: Any, bounds: tuple[float | None, float | None]) -> None:
    low, high = bounds
    named = {"mode": mode, "clip_min": low, "clip_max": high}
    settings = {f"vllm_importance_sampling_{name}": value for name, value in named.items()}
    theirs = scored_by(
        grpo_trainer.GRPOTrainer, parts(3), use_vllm=True, vllm_importance_sampling_correction=True, **settings
    )
    mask = theirs["mask"]
    found = correction_weights(
        theirs["old"][mask], theirs["sampled"][mask], torch.tensor(LENGTHS), mode, low=low, high=high
    )
    torch.testing.assert_close(found, theirs["importance_sampling_ratio"].expand(mask.shape)[mask])
    assert len(set(found.tolist())) > 2
