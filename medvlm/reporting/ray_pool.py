"""The same chunks by Ray's actors, on one machine or many; results lie where the worker processes write them.

The folder of the reports must be one that all machines see. Ray keeps nothing of the results: what counts is on the
disk, so that a killed driver redoes what is missing there and nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from medvlm.predictor import load
from medvlm.reporting.chunks import Chunk, Queue
from medvlm.reporting.pool import Lost
from medvlm.reporting.worker import Job, Outcome, Worker
from medvlm.study import WeightsError, need

_RESTARTS = 16


class _Actor:
    """A worker that Ray places."""

    def __init__(self, model: str, device: str, job: Job) -> None:
        self.worker = Worker(load(model, device=device), job)

    def key(self) -> str:
        """Of the run."""
        return self.worker.key

    def report(self, chunk: Chunk) -> Outcome:
        """Report one chunk."""
        (outcome,) = self.worker.outcomes([chunk])
        return outcome


@dataclass(slots=True)
class _Member:
    """An actor as its driver sees it: the chunk in its hand by its reference."""

    actor: Any
    hand: dict[Any, Chunk] = field(default_factory=dict)


class RayPool:
    """Ray's actors that report chunks; use it as a context manager.

    It joins the cluster that ``RAY_ADDRESS`` names, or starts one on this machine.

    Args:
        model: Folder or Hub name of the model, to be found on every machine.
        devices: One actor each; ``cuda`` asks Ray for a GPU.
        job: The run.

    Raises:
        ImportError: If Ray is not installed.
        WeightsError: If an actor cannot load the model.
    """

    def __init__(self, model: str, devices: Sequence[str], job: Job) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
        self._ray = need("ray", "ray")
        self._started = not self._ray.is_initialized()
        if self._started:
            self._ray.init(include_dashboard=False, log_to_driver=False, configure_logging=False)
        remote = self._ray.remote(max_restarts=_RESTARTS)(_Actor)
        self._members = [
            _Member(remote.options(num_gpus=float(device.startswith("cuda"))).remote(model, _local(device), job))
            for device in devices
        ]
        self.key = ""

    def __enter__(self) -> Self:
        try:
            (self.key,) = set(self._ray.get([member.actor.key.remote() for member in self._members]))
        except self._ray.exceptions.RayError as error:
            self.__exit__(type(error), error, None)
            raise WeightsError(f"an actor of Ray could not load the model ({type(error).__name__})") from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for member in self._members:
            self._ray.kill(member.actor)
        if self._started:
            self._ray.shutdown()

    def events(self, queue: Queue) -> Iterator[Outcome | Lost]:
        """What comes of the chunks of a queue, as it comes; more may be put into it between two events.

        Args:
            queue: Chunks to be done.
        """
        while True:
            for member in self._members:
                if not member.hand and (chunk := queue.take()) is not None:
                    member.hand[member.actor.report.remote(chunk)] = chunk
            waiting = [reference for member in self._members for reference in member.hand]
            if not waiting:
                return
            (first, *_), _ = self._ray.wait(waiting, num_returns=1)
            yield self._event(first)

    def _event(self, reference: Any) -> Outcome | Lost:
        member = next(one for one in self._members if reference in one.hand)
        chunk = member.hand.pop(reference)
        try:
            outcome: Outcome = self._ray.get(reference)
        except (self._ray.exceptions.RayActorError, self._ray.exceptions.RayTaskError) as error:
            return Lost((chunk,), type(error).__name__)
        return outcome


def _local(device: str) -> str:
    """The device as an actor sees it: Ray shows it the GPU that is its own, and no other."""
    return "cuda" if device.startswith("cuda") else device
