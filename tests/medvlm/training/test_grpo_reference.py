"""What the KL is measured to: the model without its adapters, or a frozen copy of the stage's start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from medvlm.config import load_config
from medvlm.generation.engine import Ask
from medvlm.logps import branch_logps
from medvlm.models import add_lora, tiny_vlm
from medvlm.rows import pack
from medvlm.training.dryrun import dry_run


def adapt(model: Any) -> None:
    """Adapters that change what the model says: fresh ones would not, for their second factor is zero."""
    add_lora(model, ["decoder"], rank=4)
    draw = torch.Generator().manual_seed(5)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            weight.data = 0.05 * torch.randn(weight.shape, generator=draw)


def test_with_adapters_the_reference_is_the_model_without_them(tiny: Any, batch: list[Ask], grpo: Any) -> None:
    model, processor = tiny
    base, _ = tiny_vlm(processor.tokenizer, image_size=32, seed=0)
    adapt(model)
    module = grpo((model, processor), beta=0.1)
    for micro in module.learn_from(batch, module.roll_out(batch))[0]:
        features: list[Tensor] = []
        for image in micro.images:
            output: Any = base.get_image_features(image[None])
            features += output.pooler_output
        wanted, _ = branch_logps(base, pack(micro.trees, 0), features, temperature=module.options.temperature)
        torch.testing.assert_close(micro.columns["reference"], wanted.detach(), atol=1e-5, rtol=0)
        assert float((module.forward(micro)[0] - wanted).abs().max()) > 1e-2  # and the adapters are on again


def test_with_adapters_only_adapters_are_trained(
    tiny: Any, batch: list[Ask], fit: Any, grpo: Any, gradients: Any
) -> None:
    adapt(tiny[0])
    module = grpo(tiny, beta=0.1)
    curve = fit(module, [batch])
    found = gradients(module.model)
    assert found
    assert all("lora_" in name for name in found)
    assert curve[0]["loss/ref_kl"] > 0


def test_without_adapters_the_reference_is_the_frozen_start(tiny: Any, batch: list[Ask], fit: Any, grpo: Any) -> None:
    before = {name: value.clone() for name, value in tiny[0].state_dict().items()}
    module = grpo(tiny, beta=0.1, lr=5e-3)
    curve = fit(module, [batch] * 2)
    frozen = module.reference._frozen[0].state_dict()
    assert all(torch.equal(frozen[name], value) for name, value in before.items())
    assert curve[0]["loss/ref_kl"] == pytest.approx(0.0, abs=1e-6)
    assert curve[1]["loss/ref_kl"] > 1e-6
    assert not any("frozen" in name for name in module.state_dict())


def test_without_a_kl_there_is_no_reference(tiny: Any, grpo: Any) -> None:
    assert grpo(tiny).reference is None


def test_the_gradient_without_advantage_is_that_of_the_kl(
    tiny: Any,
    batch: list[Ask],
    fit: Any,
    grpo: Any,
    gradients: Any,
    same_gradients: Any,
    answered: Any,
    plain_logps: Any,
) -> None:
    model, processor = tiny
    other, _ = tiny_vlm(processor.tokenizer, image_size=32, seed=1)
    module = grpo(tiny, "constant", beta=0.5)
    module.reference._frozen[:] = [other.eval().requires_grad_(False)]
    rollouts = module.roll_out(batch)
    fit(module, [batch])
    found = gradients(model)
    model.zero_grad()
    total = torch.zeros(())
    for ask, rollout in answered(batch, rollouts):
        logps = plain_logps(module, ask, rollout)
        gap = plain_logps(module, ask, rollout, other) - logps
        total = total + ((logps - logps.detach()).exp() * (gap.exp() - gap - 1)).sum()
    (0.5 * total / sum(len(rollout.completion.tokens) for rollout in rollouts)).backward()
    same_gradients(found, gradients(model))


@pytest.mark.parametrize(("more", "copied"), [("", False), (", reference_every: 5", True), (", reference: copy", True)])
def test_a_plan_counts_a_copy_where_adapters_do_not_do(tmp_path: Path, more: str, copied: bool) -> None:
    stages = f"stages=[{{name: grpo, objective: grpo, beta: 0.1{more}}}]"
    lora = "model.lora={parts: [decoder], rank: 2}"
    memory = dry_run(load_config("cxr_r1", [f"output={tmp_path}", lora, stages])).stages[0].memory
    assert memory.reference == (memory.weights if copied else 0)
