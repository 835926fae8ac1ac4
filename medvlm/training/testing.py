"""The trainer's test loop as the loop of an examination: stages are scored where and as they were trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import lightning
import torch
from torch.utils.data import DataLoader

from medvlm.evaluation.examination import Examination
from medvlm.evaluation.runner import Loop
from medvlm.ranks import gather_counts
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
        """Join the records of all processes and log the share of right answers; intervals come from the records."""
        self.examination.join()
        graded = [record.correct for record in self.examination.latest() if record.correct is not None]
        if graded:
            name = f"test/{self.examination.settings.image}/accuracy"
            self.log(name, sum(graded) / len(graded), batch_size=len(graded), sync_dist=True)

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Leave the batch where it is: it holds questions, whose images are read when they are asked."""
        return batch


def test_loop(trainer: lightning.Trainer) -> Loop:
    """The test loop of a trainer, for `medvlm.evaluation.runner.evaluate`.

    Args:
        trainer: Its processes take batches in turn, and the records are those of one; it must not divide them again
            (``use_distributed_sampler=False``).
    """

    def loop(examination: Examination) -> None:
        own = examination.batches()
        if most := max(gather_counts(len(own))):
            batches = [*own, *[[]] * (most - len(own))]  # all processes go through the loop as often
            loader = DataLoader(cast(Any, batches), batch_size=None, collate_fn=list)
            trainer.test(Examined(examination), loader, verbose=False)

    return loop
