"""Worker processes on one machine, one a device: each loads the model once; one that dies is replaced, its chunks said.

A worker gets two chunks at a time, so that it reads the second while it answers the first. It ends when the process
that started it does, however that ended.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any, Self

from medvlm.discreet import Discreet, be_discreet
from medvlm.predictor import load
from medvlm.reporting.chunks import Chunk, Queue
from medvlm.reporting.worker import Job, Outcome, Worker
from medvlm.study import WeightsError

_HANDED = 2
_STARTS = 3  # workers that may die one after another while they load the model


@dataclass(frozen=True, slots=True)
class Lost:
    """Chunks that were in the hands of a worker when it died."""

    chunks: tuple[Chunk, ...]
    why: str


@dataclass(slots=True)
class _Member:
    """A worker as its driver sees it."""

    device: str
    process: BaseProcess
    pipe: Connection
    hand: list[Chunk] = field(default_factory=list)


class Pool:
    """Workers that report chunks; use it as a context manager.

    Args:
        model: Folder or Hub name of the model.
        devices: One worker each; a device may be named several times.
        job: The run.

    Raises:
        WeightsError: If a worker ends before it has loaded the model.
    """

    def __init__(self, model: str, devices: Sequence[str], job: Job) -> None:
        self.model, self.job = model, job
        self._context = multiprocessing.get_context("spawn")
        self._members = [self._start(device) for device in devices]
        self.key = ""

    def __enter__(self) -> Self:
        self._members = [self._greeted(member) for member in self._members]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for member in self._members:
            member.pipe.close()
            if error is not None:
                member.process.terminate()
            member.process.join()

    @property
    def processes(self) -> tuple[int | None, ...]:
        """Ids of the workers."""
        return tuple(member.process.pid for member in self._members)

    def events(self, queue: Queue) -> Iterator[Outcome | Lost]:
        """What comes of the chunks of a queue, as it comes; more may be put into it between two events.

        Args:
            queue: Chunks to be done.
        """
        while True:
            for member in self._members:
                self._hand_out(member, queue)
            busy = [member for member in self._members if member.hand]
            if not busy:
                return
            for member in self._heard(busy):
                yield self._event(member)

    def _heard(self, busy: Sequence[_Member]) -> list[_Member]:
        """The workers from which something came: an answer, or their end."""
        ends = [end for member in busy for end in (member.pipe, member.process.sentinel)]
        there = wait(ends)
        return [one for one in busy if one.pipe in there or one.process.sentinel in there]

    def _event(self, member: _Member) -> Outcome | Lost:
        try:
            outcome: Outcome = member.pipe.recv()
        except (EOFError, OSError):
            return self._replace(member)
        member.hand.pop(0)
        return outcome

    def _hand_out(self, member: _Member, queue: Queue) -> None:
        while len(member.hand) < _HANDED and (chunk := queue.take()) is not None:
            member.hand.append(chunk)
            try:
                member.pipe.send(chunk)
            except (BrokenPipeError, OSError):
                return  # it has died: `_event` says so

    def _start(self, device: str) -> _Member:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_run, args=(theirs, self.model, device, self.job), daemon=True)
        process.start()
        theirs.close()
        return _Member(device, process, ours)

    def _greeted(self, member: _Member) -> _Member:
        """A worker that has loaded the model: this one, or one in its place if it was killed meanwhile.

        Raises:
            WeightsError: If the model cannot be loaded, or one worker after another is killed over it.
        """
        for _ in range(_STARTS):
            try:
                said: Any = member.pipe.recv()
            except EOFError:
                member.process.join()
                member = self._start(member.device)
                continue
            if isinstance(said, BaseException):
                raise said
            self.key = said
            return member
        raise WeightsError(f"{_STARTS} workers on {member.device} ended while they loaded the model; is there memory?")

    def _replace(self, member: _Member) -> Lost:
        """Start another worker in the place of one that died."""
        member.process.join()
        lost = Lost(tuple(member.hand), f"exit status {member.process.exitcode}")
        member.pipe.close()
        self._members[self._members.index(member)] = self._greeted(self._start(member.device))
        return lost


def _run(pipe: Connection, model: str, device: str, job: Job) -> None:
    """The life of a worker: load, say so, then chunk after chunk until the pipe is closed."""
    with Discreet():
        _serve(pipe, model, device, job)


def _serve(pipe: Connection, model: str, device: str, job: Job) -> None:
    be_discreet()
    threading.Thread(target=_follow_parent, daemon=True).start()
    try:
        worker = Worker(load(model, device=device), job)
    except (WeightsError, OSError, ImportError, ValueError) as error:
        pipe.send(error if isinstance(error, WeightsError) else WeightsError(f"{model}: {error}"))
        return
    pipe.send(worker.key)
    try:
        for outcome in worker.outcomes(_received(pipe)):
            pipe.send(outcome)
    except (EOFError, BrokenPipeError):
        return


def _received(pipe: Connection) -> Iterator[Chunk | None]:
    """Chunks as they come; None before one that has to be waited for."""
    while True:
        if not pipe.poll():
            yield None
        yield pipe.recv()


def _follow_parent() -> None:
    """End with the driver, also when it was killed: nobody would take what this process still finds."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
