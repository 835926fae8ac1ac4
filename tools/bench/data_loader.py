"""How long the embedded training step waits for its data: a stage of ``cxr_r1`` by the trainer itself."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.callbacks import Callback

from medvlm.config import load_config
from medvlm.models import load_vlm
from medvlm.training.run import build_objective, prepare, start_folder
from medvlm.training.trainer import build_trainer
from tools.bench.data_rows import Row

RECIPE = Path(__file__).resolve().parents[2] / "configs" / "cxr_r1.yaml"
PATIENTS, STEPS, SHARE = 200, 8, 0.05


class Waits(Callback):
    """Seconds of each step, and seconds from the end of one to the start of the next.

    In these the loader gives a batch and the trainer does its own bookkeeping.
    """

    def __init__(self) -> None:
        self.waits: list[tuple[float, float]] = []
        self.steps: list[tuple[float, float]] = []
        self._last: tuple[float, float] | None = None

    def on_train_batch_start(self, *unused: Any) -> None:
        """A batch is there."""
        now = _now()
        if self._last is not None:
            self.waits.append((now[0] - self._last[0], now[1] - self._last[1]))
        self._last = now

    def on_train_batch_end(self, *unused: Any) -> None:
        """The step is done."""
        now = _now()
        if self._last is not None:
            self.steps.append((now[0] - self._last[0], now[1] - self._last[1]))
        self._last = now


def measure(repeats: int) -> list[Row]:
    """Measure with and without worker processes.

    Args:
        repeats: Times ``STEPS`` steps are taken.
    """
    with tempfile.TemporaryDirectory() as folder:
        return [_row(Path(folder), workers, repeats) for workers in (0, 2)]


def _row(folder: Path, workers: int, repeats: int) -> Row:
    """Train some steps, the first left out: it starts the loader."""
    steps = repeats * STEPS
    overrides = [
        f"output={folder}/{workers}",
        f"data.root={folder}/thorax",
        f"data.make={{patients: {PATIENTS}, size: 128}}",
        f"data.workers={workers}",
        "trainer.progress=false",
        "trainer.tensorboard=false",
        "trainer.accelerator=cpu",
    ]
    recipe = load_config(RECIPE, overrides)
    stage = recipe.stages[0].model_copy(update={"steps": steps + 1})
    run = prepare(recipe)
    torch.manual_seed(0)
    model, processor = load_vlm(start_folder(recipe, stage))
    model.train()
    module = build_objective(recipe, stage, model, processor, recipe.folder / stage.name)
    waits, trainer = Waits(), build_trainer(recipe, stage, recipe.folder / stage.name)
    trainer.callbacks.append(waits)  # type: ignore[attr-defined]
    data = run.data(stage, "fit")
    trainer.fit(module, data)
    cpu, wall = (_means(waits, place) for place in (0, 1))
    drawn = f"{steps} steps of {stage.images} images from {len(data.drawn())}, the first epoch decoded"
    return Row(
        f"embedded step (cxr_r1, {stage.name}), {workers} workers: wait for data",
        cpu[0], cpu[1], wall[0], wall[1],
        "the whole step", target=1 / SHARE, remark=f"{drawn}; waits {wall[0] / wall[1]:.1%} of the time on the clock",
    )  # fmt: skip


def _means(waits: Waits, place: int) -> tuple[float, float]:
    """Mean wait and mean whole step: an epoch that decodes counts as much as it does in a run."""
    found = [wait[place] for wait in waits.waits]
    whole = [wait + step[place] for wait, step in zip(found, waits.steps[1:], strict=True)]
    return sum(found) / len(found), sum(whole) / len(whole)


def _now() -> tuple[float, float]:
    return time.process_time(), time.perf_counter()
