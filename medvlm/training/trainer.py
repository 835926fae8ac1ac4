"""The one Lightning trainer of every stage: loggers, progress, checkpoints that resume exactly."""

from __future__ import annotations

import csv
import logging
import shutil
import warnings
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, RichProgressBar
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger

from medvlm.settings import Recipe
from medvlm.stages import Stage
from medvlm.study import need
from medvlm.training.checkpoint import SafeCheckpointIO
from medvlm.training.devices import build_strategy
from medvlm.training.rank_budget import RankBudget

KEPT = 2


class Checkpoints(Callback):
    """Saves every few batches and keeps the last two, so that one is complete whenever the run is killed.

    Args:
        folder: Where ``step-NNNNNN`` folders go.
        every: Batches between two.
    """

    def __init__(self, folder: Path, every: int) -> None:
        self.folder, self.every = folder, every

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *unused: Any) -> None:
        """Save after a whole batch: rollouts never outlive the batch they were sampled for."""
        if pl_module.batches_done % self.every:
            return
        trainer.save_checkpoint(self.folder / f"step-{pl_module.batches_done:06d}", weights_only=False)
        if trainer.is_global_zero:
            for old in sorted(self.folder.glob("step-*"))[:-KEPT]:
                shutil.rmtree(old)


def build_trainer(
    recipe: Recipe,
    stage: Stage,
    folder: Path,
    *,
    attempt: str | None = None,
    trains: bool = True,
    callbacks: Sequence[Callback] = (),
) -> lightning.Trainer:
    """The trainer of a stage.

    Args:
        recipe: Its trainer section says where to run.
        stage: Its steps end the run.
        folder: Of the stage; metrics go to ``logs/ATTEMPT/metrics.csv``.
        attempt: Name of the attempt; ``attempt-N`` if not given, a new one after each interruption.
        trains: Whether weights are trained; to score them, every process holds the whole model.
        callbacks: What else is done after a batch, before it is saved.
    """
    settings = recipe.trainer
    placed = settings if trains else settings.model_copy(update={"strategy": "auto"})
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    _quiet()
    called: list[Callback] = [*callbacks, Checkpoints(folder / "steps", settings.checkpoint_every)]
    if (recipe.model.lora or {}).get("method") == "adalora":
        called.insert(0, RankBudget(stage.steps))
    if settings.progress:
        called.append(RichProgressBar())
    return lightning.Trainer(
        accelerator=settings.accelerator,
        devices=settings.devices,
        num_nodes=settings.nodes,
        strategy=build_strategy(placed),
        precision=settings.precision,
        max_epochs=1,
        limit_train_batches=stage.steps,
        limit_val_batches=0,
        logger=build_loggers(recipe, stage, folder, attempt),
        callbacks=called,
        plugins=[SafeCheckpointIO()],
        log_every_n_steps=settings.log_every,
        use_distributed_sampler=False,  # the data modules know the shares of all processes
        inference_mode=False,  # pixels read while testing stay in the cache, and training cannot use inference tensors
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=settings.progress,
    )


def _quiet() -> None:
    """Keep Lightning's advice off the screen where this trainer goes against it on purpose."""
    for name in ("lightning.pytorch.utilities.rank_zero", "lightning.pytorch.accelerators.cuda"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in (
        ".*does not have many workers.*",  # pixels are cached; a worker process would cache them again
        ".*no `validation_step`.*",  # stages are scored by protocols, not by a validation loss
        ".*overridden `transfer_batch_to_device`.*",
        ".*LeafSpec.*",
    ):
        warnings.filterwarnings("ignore", message=message)


def build_loggers(recipe: Recipe, stage: Stage, folder: Path, attempt: str | None = None) -> list[Logger]:
    """CSV always, TensorBoard by default, W&B where the recipe names a project."""
    attempt = attempt or f"attempt-{len(list((folder / 'logs').glob('attempt-*')))}"
    loggers: list[Logger] = [CSVLogger(folder, name="logs", version=attempt, flush_logs_every_n_steps=10)]
    if recipe.trainer.tensorboard:
        loggers.append(TensorBoardLogger(folder, name="tensorboard", version=attempt))
    if recipe.trainer.wandb is not None:
        need("wandb", "wandb")
        from lightning.pytorch.loggers import WandbLogger

        loggers.append(WandbLogger(project=recipe.trainer.wandb, name=f"{recipe.name}/{stage.name}", save_dir=folder))
    return loggers


def read_metrics(folder: Path) -> dict[str, list[tuple[float, float]]]:
    """Curves of a stage, ``name -> [(step, value)]``; where attempts overlap the later one counts."""
    curves: dict[str, dict[float, float]] = defaultdict(dict)
    attempts = sorted((folder / "logs").glob("attempt-*"), key=lambda path: int(path.name.partition("-")[2]))
    for attempt in attempts:
        if not (attempt / "metrics.csv").is_file():
            continue
        with (attempt / "metrics.csv").open(newline="", encoding="utf-8") as lines:
            for row in csv.DictReader(lines):
                for name, value in row.items():
                    if value and name not in ("step", "epoch"):
                        curves[name][float(row["step"])] = float(value)
    return {name: sorted(points.items()) for name, points in curves.items()}
