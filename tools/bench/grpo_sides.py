"""The two trainers of the GRPO bench, each through its own ``fit``, one optimisation step at a time."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

import lightning
import torch
from datasets import Dataset  # type: ignore[import-untyped]
from lightning.pytorch.callbacks import Callback
from torch.utils.data import DataLoader
from transformers import PrinterCallback, TrainerCallback
from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.grpo_trainer import GRPOTrainer

from medvlm.generation.engine import Ask
from medvlm.generation.prompts import user_text
from medvlm.training.grpo import GRPO, GRPOOptions
from medvlm.training.rewards import REWARDS
from medvlm.training.rollouts import Rollout
from medvlm.training.step import Schedule
from tools.bench.grpo_task import Side, Task, share_of_early_letters
from tools.bench.machine import Clock

LR, CLIP_LOW, CLIP_HIGH = 1e-6, 0.2, 0.28
REWARDS["early_letters"] = share_of_early_letters


def asks_of(task: Task) -> list[Ask]:
    """The questions with freshly prepared pixels."""
    pixels = [task.processor.image_processor.pixels(image) for image in task.images]
    return [Ask((one,), (sample,)) for one, sample in zip(pixels, task.samples, strict=True)]


class Ours(GRPO):
    """medvlm's objective with the numbers of the bench, timed.

    The pixels are prepared at every step, as TRL does, and the optimiser's state outlives a ``fit``, as TRL's does.
    """

    def __init__(self, task: Task, side: Side) -> None:
        options = GRPOOptions(
            group=task.size.group, max_new_tokens=task.size.limit, clip_low=CLIP_LOW, clip_high=CLIP_HIGH
        )
        schedule = Schedule(lr=LR, steps=10**6, decay="none")
        super().__init__(
            side.model,
            task.processor,
            schedule,
            rewards={"early_letters": 1.0},
            options=options,
            micro_tokens=task.size.micro_tokens,
        )
        self.task, self.side = task, side
        self.kept: list[torch.optim.Optimizer] = []

    def step(self) -> None:
        """One step of a real Lightning trainer."""
        trainer = lightning.Trainer(
            accelerator="cpu",
            max_epochs=1,
            logger=False,
            callbacks=[OurClock(self.side)],
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        loader: Any = DataLoader([0], batch_size=None)  # type: ignore[arg-type]
        trainer.fit(self, loader)

    def training_step(self, batch: Any, batch_idx: int) -> None:
        """Prepare the pixels, then learn."""
        super().training_step(asks_of(self.task), batch_idx)

    def roll_out(self, batch: Sequence[Ask]) -> list[Rollout]:
        """Remember how long the completions are."""
        rollouts = super().roll_out(batch)
        self.side.lengths.append(fmean(len(rollout.completion.tokens) for rollout in rollouts))
        return rollouts

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The one optimiser of all rounds."""
        self.kept = self.kept or [super().configure_optimizers()]
        return self.kept[0]


class OurClock(Callback):
    """Times whole batches."""

    def __init__(self, side: Side) -> None:
        self.side = side

    def on_train_batch_start(self, *unused: Any) -> None:
        """Start."""
        self.clock = Clock()

    def on_train_batch_end(self, *unused: Any) -> None:
        """Stop."""
        self.side.spent.append(self.clock.stop())


class Theirs(GRPOTrainer):
    """TRL's trainer as it is, that keeps the batches it learned from in its last step."""

    side: Side
    kept: list[dict[str, Any]]

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> Any:
        self.kept.append(inputs)
        if self.accelerator.device.type == "cpu":  # its fused head passes by the module: all positions but the last
            rows, length = inputs["completion_mask"].shape
            self.side.scored += rows * (inputs["prompt_ids"].shape[1] + length - 1)
        loss: Any = super()._compute_loss(model, inputs)  # type: ignore[no-untyped-call]
        return loss

    def loss_of(self, inputs: dict[str, Any]) -> float:
        """Its loss of a batch, which is not kept again."""
        return float(super()._compute_loss(self.model, inputs))  # type: ignore[no-untyped-call]

    def step(self) -> None:
        """One optimisation step of its own loop."""
        self.kept = []
        self.train()
        lengths = [float(length) for inputs in self.kept for length in inputs["completion_mask"].sum(1)]
        self.side.lengths.append(fmean(lengths))


class TheirClock(TrainerCallback):
    """Times whole optimisation steps."""

    def __init__(self, side: Side) -> None:
        self.side = side

    def on_step_begin(self, *unused: Any, **more: Any) -> None:
        """Start."""
        self.clock = Clock()

    def on_step_end(self, *unused: Any, **more: Any) -> None:
        """Stop."""
        self.side.spent.append(self.clock.stop())


def their_trainer(task: Task, side: Side, folder: str) -> Theirs:
    """TRL at its best without vLLM: the fastest micro-batch, nothing recomputed, logged, evaluated or saved."""
    rows = task.size.prompts * task.size.group
    settings = GRPOConfig(
        output_dir=folder,
        per_device_train_batch_size=task.size.micro_rows,
        gradient_accumulation_steps=rows // task.size.micro_rows,
        num_generations=task.size.group,
        max_completion_length=task.size.limit,
        temperature=1.0,
        beta=0.0,
        loss_type="dapo",
        epsilon=CLIP_LOW,
        epsilon_high=CLIP_HIGH,
        learning_rate=LR,
        lr_scheduler_type="constant",
        max_grad_norm=1.0,
        max_steps=1,
        bf16=False,
        use_cpu=True,
        use_vllm=False,
        gradient_checkpointing=False,
        generation_kwargs={"suppress_tokens": task.banned},
        shuffle_dataset=False,
        dataloader_pin_memory=False,
        logging_strategy="no",
        save_strategy="no",
        eval_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    trainer = Theirs(
        side.model,
        [share_of_early_letters],
        settings,
        _dataset(task),
        processing_class=task.processor,
        callbacks=[TheirClock(side)],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.side = side
    return trainer


def _dataset(task: Task) -> Dataset:
    rows = [
        {"prompt": [{"role": "user", "content": user_text(sample)}], "image": image}
        for sample, image in zip(task.samples, task.images, strict=True)
    ]
    return Dataset.from_list(rows)
