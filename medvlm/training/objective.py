"""The one LightningModule under every objective: prefix trees in, a sum of loss parts out, one optimiser step each.

An objective says which trees a batch gives (`Objective.updates`) and what each counted token costs
(`Objective.parts`). Everything else (micro-batches, denominators, clipping, logging, exact resume) is here once.

Optimisation is manual because a token mean needs its denominator over the whole batch before the first backward pass;
the loss then does not depend on how the batch is split.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any, cast

import lightning
import torch
from torch import Tensor
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor

from medvlm import ranks
from medvlm.generation.draws import RankDraws
from medvlm.generation.engine import Ask, encode_images
from medvlm.generation.outside import OutsideSampler
from medvlm.generation.prompts import Prompter
from medvlm.logps import branch_logps
from medvlm.models.parts import part_of
from medvlm.ranks import average_gradients, gather_rows
from medvlm.rows import Rows, pack
from medvlm.training.checkpoint import trained_weights
from medvlm.training.devices import Shards, gathered, shard
from medvlm.training.step import Micro, Schedule
from medvlm.tree import Tree

_LOG = logging.getLogger(__name__)


class Objective(lightning.LightningModule):
    """Base of the objectives.

    Args:
        model: A composed model.
        processor: Its processor.
        schedule: Learning rate and its limits.
        reasoning: Whether answers carry their reasoning between tags.
        micro_tokens: Most padded tokens in one forward pass.
        seed: With the batch number, it seeds everything random in a step, so that a resumed run repeats it.
    """

    weights: Mapping[str, float] = {"ce": 1.0}
    temperature: float = 1.0
    outside: OutsideSampler | None = None  # samples instead of the model

    def __init__(
        self,
        model: Any,
        processor: Any,
        schedule: Schedule,
        *,
        reasoning: bool = False,
        micro_tokens: int = 16384,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.strict_loading = False  # a checkpoint holds what was trained; the rest comes from the stage's start
        self.model, self.processor, self.schedule = model, processor, schedule
        self.prompter = Prompter(processor, reasoning=reasoning)
        self.micro_tokens, self.seed = micro_tokens, seed
        self.batches_done = 0
        self.left_out: Counter[str] = Counter()  # optimiser steps that were not made in this batch, by metric
        self._left_out_before = 0  # and in this attempt at the stage
        self._cpu_before = 0.0
        self._began = time.process_time()

    @property
    def cpu_seconds(self) -> float:
        """CPU seconds that the batches so far took, those before an interruption included."""
        return self._cpu_before + time.process_time() - self._began

    def on_fit_start(self) -> None:
        """Count the time from here on; sharded weights learn from their first pass that this module is the whole."""
        self._began = time.process_time()
        if self.sharded:
            with torch.no_grad():
                self(self._nothing())
            cast(Any, self).reshard()

    def updates(self, batch: Sequence[Ask]) -> Iterator[tuple[list[Micro], Mapping[str, float]]]:
        """The optimiser steps of a batch: micro-batches, and the count by which each loss part is divided."""
        raise NotImplementedError

    def parts(self, micro: Micro, logps: Tensor, entropy: Tensor) -> dict[str, Tensor]:
        """Loss parts of a micro-batch as weighted sums over its tokens."""
        raise NotImplementedError

    def training_step(self, batch: Sequence[Ask], batch_idx: int) -> None:
        """All optimiser steps of a batch."""
        torch.manual_seed(self.batch_seed)
        self.left_out.clear()
        self.learn(batch)
        self.batches_done += 1

    def learn(self, batch: Sequence[Ask]) -> None:
        """Make the optimiser steps of a batch; an objective that sees no trees has its own."""
        for micros, counts in self.updates(batch):
            self._update(partial(self._accumulate, micros, self._global_counts(counts)))

    def _update(self, backward: Callable[[], Mapping[str, float]]) -> None:
        """One optimiser step from the gradients that ``backward`` leaves; it gives the value of each loss part."""
        optimizer: Any = self.optimizers()
        for group in optimizer.param_groups:
            group["lr"] = self.schedule.lr * self.schedule.factor(self.batches_done)
        optimizer.zero_grad()
        totals = self._averaged(backward())
        if not self.sharded:
            average_gradients(self.trained())
        norm = _whole(torch.nn.utils.clip_grad_norm_(self.trained(), self.schedule.clip_norm))
        if torch.isfinite(norm):  # of the gradients of all processes: they step, or skip, together
            optimizer.step()
        else:
            self.leave_out(
                "skipped", f"its gradient is not finite (norm {float(norm)}); the weights stay as they were."
            )
        self.report(
            {f"loss/{name}": value for name, value in totals.items()}
            | {
                "loss": sum(self.weights[name] * value for name, value in totals.items()),
                "grad_norm": float(norm),
                "skipped": float(self.left_out["skipped"]),
                "lr": optimizer.param_groups[0]["lr"],
            }
        )

    def leave_out(self, metric: str, reason: str) -> None:
        """Count an optimiser step that is not made, and say so: the 1st time, the 2nd, the 4th, the 8th and so on.

        Args:
            metric: Counts such steps of a batch.
            reason: Why, in words.
        """
        self.left_out[metric] += 1
        self._left_out_before += 1
        if ranks.is_first() and self._left_out_before & (self._left_out_before - 1) == 0:
            _LOG.warning("Batch %d: %s Left out so far: %d.", self.batches_done, reason, self._left_out_before)

    def _accumulate(self, micros: Sequence[Micro], counts: Mapping[str, float]) -> dict[str, float]:
        """Gradients of all micro-batches, and the sum of each loss part."""
        totals = dict.fromkeys(self.weights, 0.0)
        most = max(ranks.gather_counts(len(micros))) if self.sharded else 0
        for micro in micros:
            loss = torch.zeros((), device=self.device)
            for name, value in self.parts(micro, *self(micro)).items():
                share = value / counts[name]
                totals[name] += float(share.detach())
                loss = loss + self.weights[name] * share
            self.manual_backward(loss)
        if self.sharded:
            self._keep_up(micros, most)
        return totals

    def _keep_up(self, micros: Sequence[Micro], most: int) -> None:
        """Run the model as often as the process with most micro-batches: layers are gathered by all, or by none."""
        for _ in range(most - len(micros)):
            self.manual_backward(self(self._nothing())[0].sum() * 0)
        if not sum(ranks.gather_counts(sum(len(micro.images) for micro in micros))):
            for name, weight in self.named_parameters():
                if part_of(name) != "decoder":
                    weight.grad = None  # as in one process: no image, no gradient, and none of 0 either

    def forward(self, micro: Micro) -> tuple[Tensor, Tensor]:
        """Log-probability and entropy of the counted tokens of a micro-batch."""
        logps, entropy = self.logps_under(self.model, micro)
        if self.sharded and torch.is_grad_enabled():  # every weight has a gradient in every process, images or not
            logps = logps + sum(weight.sum() for weight in self.trained() if not isinstance(weight, DTensor)) * 0
        return logps, entropy

    def _nothing(self) -> Micro:
        """A micro-batch of one token, for a process that has fewer than the others."""
        end = self.processor.tokenizer.eos_token_id
        return Micro([Tree.from_sequences([[end, end]], [[0.0, 1.0]])], [])

    def configure_model(self) -> None:
        """Share the weights among devices where the strategy says so."""
        if isinstance(self.trainer.strategy, Shards) and not self.sharded:
            shard(self, self.model, cast(Any, self.device_mesh)["data_parallel"])

    @property
    def sharded(self) -> bool:
        """Whether each process holds a share of every weight."""
        return isinstance(self, FSDPModule)

    def gathered(self) -> AbstractContextManager[None]:
        """All weights here for a while, for forward passes whose number depends on what this process has to do."""
        return gathered(self)

    def logps_under(self, model: Any, micro: Micro) -> tuple[Tensor, Tensor]:
        """The same under any model, at the objective's temperature."""
        features = encode_images(model, micro.images, self.processor)
        return branch_logps(model, self.rows(micro), features, temperature=self.temperature)

    @property
    def batch_seed(self) -> int:
        """Seeds everything random of a batch, so that a resumed run repeats it."""
        return self.seed * 1_000_003 + self.batches_done

    def rows(self, micro: Micro) -> Rows:
        """The trees of a micro-batch as tensors on the module's device."""
        pad, layout = self.processor.tokenizer.pad_token_id, self.processor.layout
        return pack(micro.trees, pad, layout=layout).to(self.device)

    def split(self, trees: Sequence[Tree], images: Sequence[Sequence[Tensor]]) -> list[Micro]:
        """Rows of similar length together, so that little is padded, within the token limit."""
        order = sorted(range(len(trees)), key=lambda index: len(trees[index]))
        micros: list[Micro] = []
        for index in order:
            tree = trees[index]
            if not micros or len(tree) * (len(micros[-1].trees) + 1) > self.micro_tokens:
                micros.append(Micro([], []))
            micros[-1].trees.append(tree)
            micros[-1].images.extend(images[index])
        return micros

    def draws(self, attempt: int = 0) -> torch.Generator | RankDraws:
        """Random numbers of this batch for sampling: as in one process, however many share the batch.

        Args:
            attempt: Another number draws other completions of the same batch.
        """
        generator = torch.Generator(self.device).manual_seed(self.batch_seed + attempt * 1_000_000_007)
        return generator if ranks.world_size() == 1 else RankDraws(generator)

    def gather(self, values: Tensor) -> tuple[Tensor, slice]:
        """Rows of all processes in the order of the batch, and which of them are this one's.

        Statistics over a batch (advantages by the batch's deviation, whitening) are those of the whole batch:
        ``rows, own = self.gather(values)``, then ``whiten(rows)[own]``. Every process must call it, with any number of
        rows. A group is never divided: a question's completions stay in one process.

        Args:
            values: ``(N, ...)``, one row a completion (or token) of this process.
        """
        return gather_rows(values)

    def _global_counts(self, counts: Mapping[str, float]) -> dict[str, float]:
        """Counts over all ranks, per rank: the gradients of ranks are averaged, the token mean is over all of them."""
        rows, _ = gather_rows(torch.tensor([list(counts.values())], dtype=torch.float64))
        total = rows.sum(0).tolist()
        return {name: max(1.0, value) / ranks.world_size() for name, value in zip(counts, total, strict=True)}

    def _averaged(self, totals: Mapping[str, float]) -> dict[str, float]:
        """Mean of each number over all processes."""
        rows, _ = gather_rows(torch.tensor([list(totals.values())], dtype=torch.float64))
        return dict(zip(totals, rows.mean(0).tolist(), strict=True))

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Leave the batch where it is: one tensor object is one image, and images move once they are stacked."""
        return batch

    def trained(self) -> list[torch.nn.Parameter]:
        """Parameters that are trained."""
        return [parameter for parameter in self.parameters() if parameter.requires_grad]

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW; the rate is set at every step from the schedule."""
        return torch.optim.AdamW(self.trained(), lr=self.schedule.lr, weight_decay=self.schedule.weight_decay)

    def report(self, values: Mapping[str, float]) -> None:
        """Log scalars of this step."""
        shown = {"loss", "reward"}
        for name, value in values.items():
            self.log(name, float(value), on_step=True, on_epoch=False, prog_bar=name in shown, batch_size=1)

    def save_beside(self, folder: Path) -> None:
        """Write what was trained beside the model into the model's folder; most objectives train nothing else."""

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep trained weights only, and where the run stands."""
        checkpoint["state_dict"] = trained_weights(self, checkpoint["state_dict"])
        checkpoint["batches_done"] = self.batches_done
        checkpoint["cpu_seconds"] = self.cpu_seconds

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on where the run stood.

        Raises:
            ValueError: If the checkpoint is of a model with other weights.
        """
        mine = {name: parameter.shape for name, parameter in self.named_parameters() if parameter.requires_grad}
        theirs = {name: value.shape for name, value in checkpoint["state_dict"].items()}
        if mine != theirs:
            odd = sorted(name for name in mine.keys() | theirs.keys() if mine.get(name) != theirs.get(name))
            raise ValueError(f"The checkpoint is of another model: {len(odd)} weights differ, the first is {odd[0]}.")
        self.batches_done = checkpoint["batches_done"]
        self._cpu_before = checkpoint["cpu_seconds"]


def _whole(norm: Tensor) -> Tensor:
    """A norm over all shares of sharded weights."""
    return norm.full_tensor() if isinstance(norm, DTensor) else norm
