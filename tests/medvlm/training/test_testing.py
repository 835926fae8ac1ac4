"""The trainer's test loop leaves the records that the plain loop leaves, in one process and in two."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
import torch.distributed as dist

from medvlm.evaluation.protocols import Protocol
from medvlm.evaluation.runner import evaluate, plain_loop
from medvlm.evaluation.scoring import Score
from medvlm.generation.engine import Ask, Engine
from medvlm.study import ImageRef
from medvlm.training.devices import Replicas
from medvlm.training.testing import test_loop as trainer_loop

OWN = Protocol("own")


def quiet_trainer(**settings: Any) -> lightning.Trainer:
    off: dict[str, Any] = dict.fromkeys(
        ("logger", "enable_progress_bar", "enable_checkpointing", "enable_model_summary"), False
    )
    return lightning.Trainer(accelerator="cpu", inference_mode=False, use_distributed_sampler=False, **off, **settings)


@pytest.fixture
def ask(batch: list[Ask], tiny: Any) -> Callable[..., Score]:
    """Put the questions of the batch to the tiny model."""
    shown = {ref: tensor for ask in batch for ref, tensor in zip(ask.questions[0].images, ask.images, strict=True)}
    samples = [sample for ask in batch for sample in ask.questions]
    engine = Engine(tiny[0].train(), tiny[1])

    def pixels(ref: ImageRef) -> torch.Tensor:
        return shown[ref]

    def run(path: Path, loop: Any = plain_loop, *, batch: int = 2) -> Score:
        return evaluate(engine, samples, pixels, OWN, path, loop=loop, batch=batch, max_new_tokens=4, model_key="tiny")

    return run


def in_two(work: Callable[[], None], store: Path) -> list[int | None]:
    """Run a function in two processes that meet by a file; their exit status."""

    def process(rank: int) -> None:
        os.environ |= {"LOCAL_RANK": str(rank), "NODE_RANK": "0"}
        limit = timedelta(seconds=60)
        dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2, timeout=limit)
        work()

    children = [multiprocessing.get_context("fork").Process(target=process, args=(rank,)) for rank in (0, 1)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    return [child.exitcode for child in children]


def test_both_loops_leave_the_same_records(ask: Callable[..., Score], tiny: Any, tmp_path: Path) -> None:
    plain = ask(tmp_path / "plain.jsonl")
    assert ask(tmp_path / "tested.jsonl", trainer_loop(quiet_trainer())) == plain
    assert (tmp_path / "tested.jsonl").read_bytes() == (tmp_path / "plain.jsonl").read_bytes()
    assert tiny[0].training


@pytest.mark.parametrize("together", [1, 4])  # two batches for each process; one batch, and nothing for the second
def test_two_processes_leave_the_records_of_one(ask: Callable[..., Score], tmp_path: Path, together: int) -> None:
    wanted = ask(tmp_path / "one.jsonl", batch=together)

    def work() -> None:
        loop = trainer_loop(quiet_trainer(devices=2, strategy=Replicas()))
        for path, chosen in ((tmp_path / "tested.jsonl", loop), (tmp_path / "plain.jsonl", plain_loop)):
            assert ask(path, chosen, batch=together) == wanted

    assert in_two(work, tmp_path / "store") == [0, 0]
    for name in ("tested", "plain"):
        assert (tmp_path / f"{name}.jsonl").read_bytes() == (tmp_path / "one.jsonl").read_bytes()
    assert sorted(path.name for path in tmp_path.glob("*.jsonl")) == ["one.jsonl", "plain.jsonl", "tested.jsonl"]


def test_what_killed_processes_recorded_is_not_asked_again(ask: Callable[..., Score], tmp_path: Path) -> None:
    wanted = ask(tmp_path / "one.jsonl")
    lines = (tmp_path / "one.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "two.jsonl").write_bytes(lines[0])
    (tmp_path / "two.part-0.jsonl").write_bytes(b"".join(lines[2:4]) + b"{torn")
    (tmp_path / "two.part-1.jsonl").write_bytes(lines[0] + lines[1].replace(b'"text": "', b'"text": "kept '))

    def refuse(examination: Any) -> None:
        assert examination.answered == 4
        plain_loop(examination)

    found = ask(tmp_path / "two.jsonl", refuse)
    assert found.accuracy is not None
    assert wanted.accuracy is not None
    assert found.accuracy.n == wanted.accuracy.n
    assert b'"text": "kept ' in (tmp_path / "two.jsonl").read_bytes()
    assert not list(tmp_path.glob("two.part*"))
