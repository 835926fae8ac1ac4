"""The trainer's test loop leaves the records that the plain loop leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning
import pytest
import torch

from medvlm.evaluation.protocols import Protocol
from medvlm.evaluation.runner import evaluate
from medvlm.generation.engine import Ask, Engine
from medvlm.study import ImageRef
from medvlm.training.testing import test_loop as trainer_loop


def quiet_trainer(**settings: Any) -> lightning.Trainer:
    off: dict[str, Any] = dict.fromkeys(
        ("logger", "enable_progress_bar", "enable_checkpointing", "enable_model_summary"), False
    )
    return lightning.Trainer(accelerator="cpu", inference_mode=False, **off, **settings)


def test_both_loops_leave_the_same_records(batch: list[Ask], tiny: Any, tmp_path: Path) -> None:
    model, processor = tiny
    shown = {ref: tensor for ask in batch for ref, tensor in zip(ask.questions[0].images, ask.images, strict=True)}
    samples = [sample for ask in batch for sample in ask.questions]

    def pixels(ref: ImageRef) -> torch.Tensor:
        return shown[ref]

    engine = Engine(model.train(), processor)
    settings: dict[str, Any] = {"batch": 2, "max_new_tokens": 4}
    own = Protocol("own")
    plain = evaluate(engine, samples, pixels, own, tmp_path / "plain.jsonl", **settings)
    loop = trainer_loop(quiet_trainer())
    tested = evaluate(engine, samples, pixels, own, tmp_path / "tested.jsonl", loop=loop, **settings)
    assert tested == plain
    assert (tmp_path / "tested.jsonl").read_bytes() == (tmp_path / "plain.jsonl").read_bytes()
    assert model.training


def test_several_processes_are_refused() -> None:
    with pytest.raises(ValueError, match="one process"):
        trainer_loop(quiet_trainer(devices=2, strategy="ddp"))
