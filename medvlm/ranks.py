"""The processes of a run among each other: who is first, who waits, what all of them have. One alone needs none of it.

Everything here works with no process group too (a run in one process), so that no caller asks how many there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from medvlm.study import MedvlmError

T = TypeVar("T")
BUCKET = 1 << 24
"""Numbers of gradients that are averaged together: one message each."""


class RankError(MedvlmError):
    """Another process of the run failed; the reason is the one that it gave."""


def rank() -> int:
    """This process, from 0."""
    return dist.get_rank() if _grouped() else 0


def world_size() -> int:
    """Number of processes."""
    return dist.get_world_size() if _grouped() else 1


def _grouped() -> bool:
    return dist.is_available() and dist.is_initialized()


def is_first() -> bool:
    """Whether this is the process that writes and prints."""
    return rank() == 0


def wait() -> None:
    """Go on once all processes are here."""
    if world_size() > 1:
        gather_objects([None])  # a barrier that needs no device


@contextmanager
def in_turn() -> Iterator[None]:
    """The first process runs the block, then all others: they find the files that it made.

    Raises:
        RankError: In the others, if the first one failed; they do not wait for what will never come.
    """
    if world_size() == 1:
        yield
        return
    if not is_first():
        _raise_first(None)
        yield
        return
    try:
        yield
    except BaseException as error:
        _raise_first(f"{type(error).__name__}: {error}")
        raise
    _raise_first(None)


def _raise_first(reason: str | None) -> None:
    """Tell (from the first process) or hear (in the others) whether it went well."""
    told = [reason]
    dist.broadcast_object_list(told, src=0, device=_device())
    if told[0] is not None and not is_first():
        raise RankError(f"The first process of the run failed: {told[0]}")


def gather_objects(values: Sequence[T]) -> list[T]:
    """What all processes have, one after another in the order of ranks.

    Args:
        values: What this one has, any number; it is pickled on the way.
    """
    if world_size() == 1:
        return list(values)
    found: list[Any] = [None] * world_size()
    dist.all_gather_object(found, list(values))
    return [value for values in found for value in values]


def gather_rows(values: Tensor) -> tuple[Tensor, slice]:
    """Rows of all processes in the order of ranks, and which of them are this one's.

    Args:
        values: ``(N, ...)``; N may differ, and be 0. Gradients do not flow through.
    """
    if world_size() == 1:
        return values, slice(0, len(values))
    counts = gather_counts(len(values))
    own = values.detach().to(_device())
    padded = own.new_zeros((max(counts), *own.shape[1:]))
    padded[: len(own)] = own
    found = [torch.empty_like(padded) for _ in counts]
    dist.all_gather(found, padded)
    first = sum(counts[: rank()])
    rows = torch.cat([part[:count] for part, count in zip(found, counts, strict=True)]).to(values.device)
    return rows, slice(first, first + len(values))


def gather_counts(count: int) -> list[int]:
    """A number of each process."""
    if world_size() == 1:
        return [count]
    own = torch.tensor([count], device=_device())
    found = [torch.empty_like(own) for _ in range(world_size())]
    dist.all_gather(found, own)
    return [int(value) for value in found]


def average_gradients(parameters: Sequence[torch.nn.Parameter]) -> None:
    """Mean of the gradients over all processes, in place; a parameter without one counts as zero.

    One message for many small tensors, once a step: how many backward passes each process made does not matter, and one
    whose share of the batch is empty, or shows no image, does not hold up the others. What has a gradient in no process
    has none after it either, so that an optimiser leaves it as it would in one process.

    Args:
        parameters: The same in every process.
    """
    if world_size() == 1:
        return
    found = torch.tensor([parameter.grad is not None for parameter in parameters], device=_device()).int()
    dist.all_reduce(found)
    for bucket in _buckets([parameter for parameter, ranks in zip(parameters, found.tolist(), strict=True) if ranks]):
        for parameter in bucket:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        grads = [parameter.grad for parameter in bucket if parameter.grad is not None]
        flat = torch.cat([grad.reshape(-1) for grad in grads])
        dist.all_reduce(flat)
        flat /= world_size()
        for grad, mean in zip(grads, torch.split(flat, [grad.numel() for grad in grads]), strict=True):
            grad.copy_(mean.view_as(grad))


def _buckets(parameters: Sequence[torch.nn.Parameter]) -> Iterator[list[torch.nn.Parameter]]:
    """Parameters of one type together, up to a size."""
    for dtype in sorted({parameter.dtype for parameter in parameters}, key=str):
        bucket: list[torch.nn.Parameter] = []
        size = 0
        for parameter in (one for one in parameters if one.dtype == dtype):
            bucket.append(parameter)
            size += parameter.numel()
            if size >= BUCKET:
                yield bucket
                bucket, size = [], 0
        if bucket:
            yield bucket


def _device() -> torch.device:
    """Where messages are passed: NCCL knows no CPU."""
    return torch.device("cuda", torch.cuda.current_device()) if dist.get_backend() == "nccl" else torch.device("cpu")
