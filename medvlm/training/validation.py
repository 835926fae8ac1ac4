"""Validation between optimiser steps, by the protocol that scores a stage at its end; the best weights are kept.

The examination is that of ``tools/evaluate.py``. It leaves the random state of the training as it was, and its numbers
are those of one process, however many answer. What was reached so far is a part of the trainer's state, and the best
weights lie beside the checkpoints under the number of their batch: a run that was killed goes on to the same choice.
"""

from __future__ import annotations

import math
import shutil
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities.seed import isolate_rng
from safetensors.torch import load_file, save_file
from torch import Tensor

from medvlm.evaluation.examination import Examination
from medvlm.evaluation.examination import Settings as ExamSettings
from medvlm.evaluation.numbers import find_number, numbers_of
from medvlm.evaluation.runner import plain_loop
from medvlm.files import atomic_folder
from medvlm.generation.engine import Engine
from medvlm.ranks import in_turn, is_first
from medvlm.study import WeightsError
from medvlm.training.checkpoint import WEIGHTS, plain_weights, trained_weights
from medvlm.training.devices import load_trained
from medvlm.training.trainer import KEPT
from medvlm.training.validation_data import Exam
from medvlm.validation import ValidateSettings

Point = tuple[int, float]


def best_of(history: Sequence[Point], mode: str) -> Point | None:
    """The best of (batch, number) pairs, the earlier of equals; None where no number is finite.

    Args:
        history: In order.
        mode: ``max`` or ``min``.

    Examples:
        >>> best_of([(10, 0.25), (20, 0.5), (30, 0.5), (40, float("nan"))], "max")
        (20, 0.5)
    """
    finite = [point for point in history if math.isfinite(point[1])]
    return (max if mode == "max" else min)(finite, key=lambda point: point[1], default=None)


class Validation(Callback):
    """Validates every few batches and after the last one; it must stand before what saves checkpoints.

    Args:
        exam: The questions.
        settings: How often, by which number, and what is kept.
        steps: Batches of the stage.
        folder: Of the stage; answers go to ``validation``, weights to ``best`` until the stage ends.
    """

    def __init__(self, exam: Exam, settings: ValidateSettings, steps: int, folder: Path) -> None:
        self.exam, self.settings, self.steps, self.folder = exam, settings, steps, folder
        self.history: list[Point] = []
        self._needed: deque[int | None] = deque(maxlen=KEPT)  # the best of each checkpoint that a run may go on from

    @property
    def best(self) -> Point | None:
        """The best (batch, number) so far."""
        return best_of(self.history, self.settings.mode)

    @property
    def stopped(self) -> bool:
        """Whether so many validations in a row were no better that the stage ends."""
        patience = self.settings.patience
        since = [step for step, _ in self.history if self.best is None or step > self.best[0]]
        return patience is not None and len(since) >= patience

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """End at once where the checkpoint is of a stage that had ended.

        Raises:
            WeightsError: If the best weights that a checkpoint speaks of are gone.
        """
        trainer.should_stop = self.stopped
        if self._keeps and self.best is not None and not self._weights(self.best[0]).is_file():
            raise WeightsError(
                f"{self._weights(self.best[0])} is missing: the run to be continued had its best weights there. "
                f"Bring it back, or delete {self.folder} to begin the stage anew."
            )

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *unused: Any) -> None:
        """Validate where it is time, keep the weights if they are the best, and log every number."""
        step = pl_module.batches_done
        if step % self.settings.every and step != self.steps:
            return
        with isolate_rng(), pl_module.gathered(), trainer.precision_plugin.val_step_context():
            numbers = self.examine(pl_module, step)
        self.history.append((step, float(find_number(self.settings.metric, numbers))))
        if self._keeps and self.best == self.history[-1]:
            self._save(trainer, pl_module, step)
        trainer.should_stop = trainer.should_stop or self.stopped
        shown = {name: value for name, value in numbers.items() if "=" not in name or name == self.settings.metric}
        for logger in trainer.loggers:
            logger.log_metrics({f"validation/{name}": value for name, value in shown.items()}, step=step - 1)

    def examine(self, module: Any, step: int) -> dict[str, float]:
        """The numbers of the weights as they are now; answers are left in ``validation/step-NNNNNN.jsonl``.

        Args:
            module: Has the model and its processor.
            step: Batches done.
        """
        exam = self.exam
        path = self.folder / "validation" / f"step-{step:06d}.jsonl"
        with in_turn():
            if is_first():  # what a killed attempt asked was of weights that are gone
                for stale in path.parent.glob(f"{path.stem}.*"):
                    stale.unlink()
        engine = Engine(module.model, module.processor, reasoning=exam.reasoning)
        settings = ExamSettings(
            batch=exam.batch,
            max_new_tokens=exam.max_new_tokens,
            model_key=f"{self.folder.name} batch {step}",
            seed=exam.seed,
        )
        with Examination(engine, exam.samples, exam.pixels, exam.protocol, path, settings) as examination:
            plain_loop(examination)
            return numbers_of(examination.score())

    def finish(self, module: Any) -> dict[str, Any]:
        """Put the weights that are kept into the module; what was reached, for ``validation.json``.

        Args:
            module: After its last batch.
        """
        best, last = self.best, self.history[-1][0]
        kept = best[0] if best is not None and self._keeps else last
        if best is not None and kept != last:
            load_trained(module, load_file(self._weights(kept)))
        return {
            "metric": self.settings.metric,
            "mode": self.settings.mode,
            "keep": self.settings.keep,
            "questions": len(self.exam.samples),
            "split": self.exam.source,
            "history": [[step, value if math.isfinite(value) else None] for step, value in self.history],
            "best": None if best is None else {"step": best[0], "value": best[1]},
            "kept": kept,
            "stopped": self.stopped and last < self.steps,
        }

    def state_dict(self) -> dict[str, Any]:
        """What was reached, for a checkpoint."""
        self._needed.append(None if self.best is None else self.best[0])
        return {"history": [[step, value] for step, value in self.history]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from what was reached."""
        self.history = [(int(step), float(value)) for step, value in state_dict["history"]]
        self._needed.append(None if self.best is None else self.best[0])

    @property
    def _keeps(self) -> bool:
        return self.settings.keep == "best"

    def _weights(self, step: int) -> Path:
        return self.folder / "best" / f"step-{step:06d}" / WEIGHTS

    def _save(self, trainer: Any, module: Any, step: int) -> None:
        """Write the trained weights; all processes take part where each holds a share of them, the first one writes."""
        weights = trained_weights(module, trainer.strategy.lightning_module_state_dict())
        with in_turn():
            if is_first():
                self._write(plain_weights(weights), self._weights(step).parent)

    def _write(self, weights: dict[str, Tensor], path: Path) -> None:
        """Write weights by one rename; those go that no checkpoint speaks of."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_folder(path) as folder:
            save_file(weights, folder / WEIGHTS)
        kept = {self._weights(step).parent for step in self._needed if step is not None} | {path}
        for old in set(path.parent.glob("step-*")) - kept:
            shutil.rmtree(old)
