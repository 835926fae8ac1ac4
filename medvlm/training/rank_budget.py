"""AdaLoRA's rank budget during a stage: ranks leave the layers that need them least (Zhang et al., ICLR 2023).

An AdaLoRA adapter is ``B diag(E) A``. After every batch peft's allocator scores each triplet (a column of B, an entry
of E, a row of A) by its smoothed sensitivity and uncertainty, and zeroes the entries of E that the budget of that batch
does not cover. The scores are kept in checkpoints, so that a resumed run takes the same ranks. The paper's penalty that
keeps A and B orthogonal joins the gradient after it was clipped, and is logged as a loss part.
"""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch.callbacks import Callback
from peft import AdaLoraConfig
from peft.tuners.adalora.layer import RankAllocator
from torch import Tensor

from medvlm.models.adapters import adaptive_rank

SHARDED = ("fsdp", "deepspeed")
ADAPTER = "default"  # the name that add_adapter gives


class RankBudget(Callback):
    """Spends the budget of a stage; it must stand before what saves checkpoints.

    Args:
        steps: Batches of the stage.
    """

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.allocator: Any = None
        self._saved: dict[str, Any] = {}
        self.pattern: dict[str, list[bool]] | None = None

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """Set the budget of this stage.

        Raises:
            ValueError: If weights are sharded over devices: no device could score a triplet.
        """
        strategy = type(trainer.strategy).__name__.lower()
        if any(name in strategy for name in SHARDED):
            raise ValueError(
                f"lora.method=adalora needs whole adapters on every device, {strategy} shards them. Choose "
                "trainer.strategy=ddp, or another method."
            )
        model = pl_module.model
        config = self._config(pl_module)
        for name, value in adaptive_rank(config.target_r, steps=self.steps).items():
            setattr(config, name, value)
        self.allocator = RankAllocator(model, config, ADAPTER)
        for name, scores in self._saved.items():
            setattr(self.allocator, name, {key: score.to(pl_module.device) for key, score in scores.items()})

    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        """Add the gradient of the penalty."""
        right, left = factors(pl_module.model)
        with torch.enable_grad():
            penalty = float(self._config(pl_module).orth_reg_weight) * orthogonality(right, left)
        for factor, gradient in zip([*right, *left], torch.autograd.grad(penalty, [*right, *left]), strict=True):
            factor.grad = gradient if factor.grad is None else factor.grad + gradient
        pl_module.report({"loss/orthogonality": float(penalty.detach())})

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *unused: Any) -> None:
        """Score the triplets by the gradients of the batch's last step, and keep as many as the budget covers."""
        model, step = pl_module.model, pl_module.batches_done
        last = self.steps - self._config(pl_module).tfinal
        if step > last and self.pattern is not None:
            self.allocator.mask_using_rank_pattern(model, self.pattern)
            return
        if _scored(model):
            self.allocator.update_ipt(model)
        budget, due = self.allocator.budget_schedule(step)
        if (due or step >= last) and self.allocator.exp_avg_ipt:
            self.pattern = self.allocator.mask_to_budget(model, budget)

    def state_dict(self) -> dict[str, Any]:
        """Scores and ranks so far, as plain tensors and lists."""
        scores = {name: dict(getattr(self.allocator, name)) for name in ("exp_avg_ipt", "exp_avg_unc")}
        return {"scores": scores, "pattern": self.pattern}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from scores and ranks of a checkpoint."""
        self._saved, self.pattern = state_dict["scores"], state_dict["pattern"]

    @staticmethod
    def _config(module: Any) -> AdaLoraConfig:
        config: AdaLoraConfig = module.model.peft_config[ADAPTER]
        return config


def factors(model: Any) -> tuple[list[Tensor], list[Tensor]]:
    """The matrices A ``(rank, in)`` and B ``(out, rank)`` of all adapters."""
    named = list(model.named_parameters())
    return [weight for name, weight in named if "lora_A" in name], [
        weight for name, weight in named if "lora_B" in name
    ]


def orthogonality(right: list[Tensor], left: list[Tensor]) -> Tensor:
    """How far rows of A and columns of B are from orthonormal: the mean of ``|A A^T - 1|`` and ``|B^T B - 1|``.

    Examples:
        >>> round(float(orthogonality([torch.eye(2, 4)], [2 * torch.eye(4, 2)])), 4)  # 0, and |diag(3, 3)| = sqrt(18)
        2.1213
    """
    rows = [*right, *(factor.T for factor in left)]
    norms = [torch.linalg.norm(one @ one.T - torch.eye(len(one), device=one.device, dtype=one.dtype)) for one in rows]
    return torch.stack(norms).mean()


def _scored(model: Any) -> bool:
    """Whether the gradients of the adapters can be read: finite, and zeros where a batch reached no adapter."""
    adapted = [weight for name, weight in model.named_parameters() if "lora_" in name]
    for weight in adapted:
        if weight.grad is None:  # a batch without images does not reach the encoder
            weight.grad = torch.zeros_like(weight)
    return all(bool(torch.isfinite(weight.grad).all()) for weight in adapted)
