"""Native models are aligned by the same objective as composed ones."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch

from medvlm.generation.engine import Ask
from medvlm.study import ImageRef, Sample
from medvlm.training.contrastive import Contrastive, ContrastiveOptions
from medvlm.training.step import Schedule

from .conftest import Native


def test_images_and_reports_of_a_native_model_meet(native: Native, monkeypatch: pytest.MonkeyPatch) -> None:
    reports = ("No effusion.", "Left pneumothorax. Large opacity.")
    batch = [
        Ask((image,), (Sample(text, (ImageRef(Path(text)),), "What is seen?", text, "report"),))
        for image, text in zip(native.images, reports, strict=True)
    ]
    model = copy.deepcopy(native.model)
    module: Any = Contrastive(
        model, native.processor, Schedule(1e-3, 1), options=ContrastiveOptions(local=0.5, dim=8), micro_tokens=1
    )
    monkeypatch.setattr(module, "report", lambda values: None)
    monkeypatch.setattr(module, "manual_backward", torch.Tensor.backward)
    values = module._backward(module.pairs(batch))
    assert values["contrastive"] > 0
    decoder = {id(weight) for weight in model.get_decoder().parameters()}
    learns = [
        (id(weight) in decoder, bool(weight.grad.any())) for weight in model.parameters() if weight.grad is not None
    ]
    assert (True, True) in learns
    assert (False, True) in learns
