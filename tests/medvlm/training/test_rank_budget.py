"""AdaLoRA in a stage: the budget is spent, the penalty is the paper's, and an interrupted run takes the same ranks."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from torch.utils.data import DataLoader

from medvlm.generation.engine import Ask
from medvlm.models import add_lora, tiny_decoder, tiny_vlm
from medvlm.models.merge import merge_lora
from medvlm.settings import Recipe
from medvlm.training.checkpoint import SafeCheckpointIO
from medvlm.training.rank_budget import RankBudget, factors, orthogonality
from medvlm.training.sft import SFT
from medvlm.training.step import Schedule
from medvlm.training.trainer import Checkpoints, build_trainer

STEPS = 6


def module(tiny: Any) -> Any:
    torch.manual_seed(0)
    model, processor = tiny_vlm(tiny[1].tokenizer, image_size=32, decoder=tiny_decoder(width=32, layers=1, heads=2))
    add_lora(model, ["decoder", "vision"], rank=2, method="adalora")
    return SFT(model, processor, Schedule(lr=1e-2, steps=STEPS))


def fit(one: Any, batch: list[Ask], batches: int, *callbacks: Any, path: Path | None = None) -> None:
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_epochs=1,
        limit_train_batches=STEPS,
        logger=False,
        callbacks=[RankBudget(STEPS), *callbacks],
        plugins=[SafeCheckpointIO()],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    loader: Any = DataLoader([batch] * batches, batch_size=None, collate_fn=lambda item: item)  # type: ignore[arg-type]
    trainer.fit(one, loader, ckpt_path=path, weights_only=True)


def ranks(one: Any) -> list[int]:
    return [int((weight != 0).sum()) for name, weight in one.named_parameters() if "lora_E" in name]


def test_the_budget_falls_to_the_mean_rank_and_differs_between_layers(tiny: Any, batch: list[Ask]) -> None:
    one = module(tiny)
    assert all(weight.shape == (3, 1) for name, weight in one.named_parameters() if "lora_E" in name)
    fit(one, batch, STEPS)
    assert sum(ranks(one)) == 2 * len(ranks(one))
    assert len(set(ranks(one))) > 1
    merge_lora(one.model)


def test_an_interrupted_stage_takes_the_same_ranks_and_weights(tiny: Any, batch: list[Ask], tmp_path: Path) -> None:
    whole, again = module(tiny), module(tiny)
    fit(whole, batch, STEPS, Checkpoints(tmp_path, 2))
    shutil.rmtree(tmp_path / "step-000006")
    fit(again, batch, STEPS - 4, path=tmp_path / "step-000004")
    assert again.batches_done == STEPS
    for name, weight in whole.named_parameters():
        assert torch.equal(weight, again.get_parameter(name)), name


def test_the_penalty_is_that_of_peft(tiny: Any) -> None:
    right, left = factors(module(tiny).model)
    norms = [torch.norm(a @ a.T - torch.eye(3)) for a in right] + [torch.norm(b.T @ b - torch.eye(3)) for b in left]
    torch.testing.assert_close(orthogonality(right, left), sum(norms) / len(norms))


def test_a_step_that_was_skipped_scores_nothing(tiny: Any, batch: list[Ask]) -> None:
    one = module(tiny)
    fit(one, batch, 1)
    budget = RankBudget(STEPS)
    budget.on_fit_start(one.trainer, one)
    next(weight for name, weight in one.named_parameters() if "lora_A" in name).grad[0] = torch.nan
    budget.on_train_batch_end(one.trainer, one)
    assert budget.allocator.exp_avg_ipt == {}


def test_sharded_adapters_are_refused(tiny: Any) -> None:
    class FSDPStrategy:
        pass

    class Trainer:
        strategy = FSDPStrategy()

    with pytest.raises(ValueError, match="needs whole adapters"):
        RankBudget(2).on_fit_start(Trainer(), module(tiny))


def test_a_recipe_brings_its_budget_before_its_checkpoints(tmp_path: Path) -> None:
    stage = {"objective": "sft", "name": "sft", "steps": 4}
    recipe = Recipe.model_validate(
        {"name": "r", "purpose": "p", "stages": [stage], "model": {"lora": {"method": "adalora"}}}
    )
    callbacks = [type(one).__name__ for one in build_trainer(recipe, recipe.stages[0], tmp_path).callbacks]  # type: ignore[attr-defined]
    assert callbacks.index("RankBudget") < callbacks.index("Checkpoints")
