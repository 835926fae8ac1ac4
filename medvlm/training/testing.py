"""The trainer's test loop as the loop of an examination: stages are scored where and as they were trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import lightning
import torch
from torch.utils.data import DataLoader

from medvlm.evaluation.examination import Examination
from medvlm.evaluation.runner import Loop
from medvlm.study import Sample


class Examined(lightning.LightningModule):
    """A model under examination; a test step answers the questions of a batch and leaves their records on disk.

    Args:
        examination: Open; its engine's model is the one that the trainer places and casts.
    """

    def __init__(self, examination: Examination) -> None:
        super().__init__()
        self.model, self.examination = examination.engine.model, examination

    def test_step(self, batch: Sequence[list[Sample]], batch_idx: int) -> None:
        """Answer and record one batch."""
        self.examination.answer(batch)

    def on_test_epoch_end(self) -> None:
        """Log the share of right answers; scores with intervals come from the records."""
        graded = [record.correct for record in self.examination.latest() if record.correct is not None]
        if graded:
            name = f"test/{self.examination.settings.image}/accuracy"
            self.log(name, sum(graded) / len(graded), batch_size=len(graded))

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Leave the batch where it is: it holds questions, whose images are read when they are asked."""
        return batch


def test_loop(trainer: lightning.Trainer) -> Loop:
    """The test loop of a trainer, for `medvlm.evaluation.runner.evaluate`.

    Args:
        trainer: Runs on one device; records of several would be written to one file.

    Raises:
        ValueError: If the trainer has more than one process.
    """
    if trainer.world_size > 1:
        raise ValueError(f"An examination runs in one process, not in {trainer.world_size}; set trainer.devices=1.")

    def loop(examination: Examination) -> None:
        if batches := examination.batches():
            trainer.test(
                Examined(examination), DataLoader(cast(Any, batches), batch_size=None, collate_fn=list), verbose=False
            )

    return loop
