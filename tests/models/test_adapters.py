"""LoRA and its kin: trained, saved apart, loaded again, merged into a plain model; outputs agree each time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from medvlm.models import add_lora, build_vlm, load_lora, load_vlm, save_lora, tiny_decoder
from medvlm.models.adapters import METHODS
from medvlm.models.merge import can_switch_off, merge_lora
from medvlm.study import WeightsError

INPUTS = {"input_ids": torch.tensor([[5, 5, 5, 5, 40, 41]]), "pixel_values": torch.ones(1, 3, 16, 16)}
ENCODER = {"name": "siglip_tiny", "image_size": 16, "patch_size": 8, "width": 16, "layers": 1, "heads": 2}


def compose(tokenizer: Any, decoder: str = "qwen3") -> Any:
    model, processor = build_vlm(
        encoder=ENCODER, decoder=tiny_decoder(decoder, width=32, layers=2, heads=2), tokenizer=tokenizer
    )
    return model.eval(), processor


@torch.no_grad()
def logits(model: Any) -> Any:
    return model.eval()(**INPUTS).logits


def train(model: Any, steps: int = 2) -> None:
    optimizer = torch.optim.SGD([weight for weight in model.parameters() if weight.requires_grad], lr=0.5)
    for _ in range(steps):
        optimizer.zero_grad()
        model.train()(**INPUTS, labels=INPUTS["input_ids"]).loss.backward()
        optimizer.step()


@pytest.fixture(params=METHODS)
def method(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("decoder", ["qwen3", "gpt2"])
def test_saved_apart_and_merged_they_give_the_same(
    tokenizer: Any, method: str, decoder: str, tmp_path: Path, recwarn: Any
) -> None:
    model, processor = compose(tokenizer, decoder)
    before = logits(model)
    add_lora(model, ["decoder", "vision"], rank=2, alpha=4, also_train=["projector"], method=method)
    torch.testing.assert_close(logits(model), before, atol=1e-4, rtol=1e-4)
    train(model)
    adapted = logits(model)
    assert (adapted - before).abs().max() > 1e-2
    save_lora(model, tmp_path / "adapter")
    other = compose(tokenizer, decoder)[0]
    load_lora(other, tmp_path / "adapter")
    torch.testing.assert_close(logits(other), adapted, atol=1e-5, rtol=1e-5)
    merge_lora(model)
    model.save_pretrained(tmp_path / "merged")
    processor.save_pretrained(tmp_path / "merged")
    torch.testing.assert_close(logits(load_vlm(tmp_path / "merged")[0]), adapted, atol=1e-4, rtol=1e-4)


def test_switched_off_they_leave_the_model_as_it_was(tokenizer: Any, method: str) -> None:
    model = compose(tokenizer)[0]
    before = logits(model)
    add_lora(model, rank=2, also_train=["projector"], method=method)
    train(model)
    model.disable_adapters()
    same = torch.allclose(logits(model), before, atol=1e-5)
    assert same == can_switch_off(model) == (method != "pissa")


def test_a_merge_that_changes_outputs_is_refused(tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from peft.tuners.lora.layer import Linear

    model = compose(tokenizer)[0]
    add_lora(model, rank=2)
    train(model)
    monkeypatch.setattr(Linear, "get_delta_weight", lambda self, adapter: torch.ones_like(self.weight))
    with pytest.raises(WeightsError, match="differ by"):
        merge_lora(model)


@pytest.mark.parametrize(
    ("method", "message"), [("dorra", "none of lora, dora"), ("prompt", r"say model\.prompt_tokens")]
)
def test_methods_that_do_not_fit_say_why(tokenizer: Any, method: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        add_lora(compose(tokenizer)[0], method=method)


def test_every_method_plans_without_weights(tokenizer: Any, method: str) -> None:
    model, _ = build_vlm(encoder=ENCODER, decoder=tiny_decoder(width=32), tokenizer=tokenizer, meta=True)
    add_lora(model, rank=2, method=method)
    assert sum(weight.numel() for weight in model.parameters() if weight.requires_grad) > 0
