"""An evaluation that is killed in the middle and goes on, against one that nobody disturbed."""

from __future__ import annotations

import os
import signal
import time
import traceback
from pathlib import Path
from typing import Any

from medvlm.evaluation.examination import Examination
from medvlm.evaluation.records import read_records
from tools.bench.evaluate_sides import examine
from tools.bench.evaluate_task import Task

PATIENCE = 600.0


def kill_and_resume(task: Task, folder: Path) -> dict[str, Any]:
    """What a SIGKILL costs: nothing that was on disk is asked again, and the records end byte-equal.

    Args:
        task: Model and questions.
        folder: For the records.

    Raises:
        RuntimeError: If the run could not be killed in the middle, or did not go on.
    """
    whole, killed = folder / "whole.jsonl", folder / "killed.jsonl"
    examine(task, whole, 1)
    child = _start(task, killed)
    waited = time.monotonic()
    while not (killed.is_file() and killed.read_bytes().count(b"\n")):
        if time.monotonic() - waited > PATIENCE or os.waitpid(child, os.WNOHANG)[0]:
            raise RuntimeError(f"the evaluation wrote nothing to {killed} that it could be killed after")
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    before = [record.id for record in read_records(killed)]
    again = _asked_again(task, killed)
    records = [record.id for record in read_records(killed)]
    return {
        "killed_by": -status,
        "questions": len(task.samples),
        "on_disk_when_killed": len(before),
        "asked_again": len(set(before) & set(again)),
        "asked_after": len(again),
        "recorded_twice": len(records) - len(set(records)),
        "byte_equal": killed.read_bytes() == whole.read_bytes(),
    }


def _start(task: Task, path: Path) -> int:
    """A process that evaluates."""
    child = os.fork()
    if child:
        return child
    try:
        examine(task, path, 1)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _asked_again(task: Task, path: Path) -> list[str]:
    """Ids of the questions that the run that goes on puts to the model."""
    asked: list[str] = []
    batches = Examination.batches

    def watched(self: Examination) -> Any:
        found = batches(self)
        asked.extend(sample.id for batch in found for group in batch for sample in group)
        return found

    Examination.batches = watched  # type: ignore[method-assign]
    try:
        examine(task, path, 1)
    finally:
        Examination.batches = batches  # type: ignore[method-assign]
    return asked
