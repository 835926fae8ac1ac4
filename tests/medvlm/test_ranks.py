"""What two processes tell each other, against what one would compute of both."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist

from medvlm import ranks
from medvlm.generation.draws import RankDraws

Work = Callable[[int], Any]


def process(work: Work, rank: int, store: Path, results: Any) -> None:
    dist.init_process_group(
        "gloo", init_method=f"file://{store}", rank=rank, world_size=2, timeout=timedelta(seconds=60)
    )
    torch.set_num_threads(1)
    try:
        results.put((rank, work(rank)))
    except (ranks.RankError, KeyError) as error:
        results.put((rank, repr(error)))


@pytest.fixture
def both(tmp_path: Path) -> Callable[[Work], list[Any]]:
    """Run a function in two processes and return what each found; they meet by a file, so no port can be taken."""

    def run(work: Work) -> list[Any]:
        fork = multiprocessing.get_context("fork")
        results = fork.Queue()
        children = [fork.Process(target=process, args=(work, rank, tmp_path / "store", results)) for rank in (0, 1)]
        for child in children:
            child.start()
        found = dict(results.get(timeout=60) for _ in children)
        for child in children:
            child.join()
        return [found[0], found[1]]

    return run


def test_rows_of_unequal_number_are_gathered_in_order(both: Callable[[Work], list[Any]]) -> None:
    def work(rank: int) -> Any:
        own = [torch.zeros(0, 2), torch.arange(6.0).reshape(3, 2)][rank]
        rows, mine = ranks.gather_rows(own)
        return rows.tolist(), torch.equal(rows[mine], own), ranks.gather_objects("ab"[: rank + 1])

    assert both(work) == [(torch.arange(6.0).reshape(3, 2).tolist(), True, list("aab"))] * 2


def test_one_process_gathers_what_it_has() -> None:
    rows, own = ranks.gather_rows(torch.ones(3))
    assert (rows.tolist(), own, ranks.gather_counts(4), ranks.is_first()) == ([1] * 3, slice(0, 3), [4], True)
    with ranks.in_turn():
        ranks.wait()


def test_gradients_are_means_and_none_stays_none(both: Callable[[Work], list[Any]], monkeypatch: Any) -> None:
    monkeypatch.setattr(ranks, "BUCKET", 3)

    def work(rank: int) -> Any:
        weights = [torch.nn.Parameter(torch.zeros(2)) for _ in range(3)] + [torch.nn.Parameter(torch.zeros(2).half())]
        weights[0].grad = torch.tensor([2.0, 4.0]) * (rank + 1)
        if rank:
            weights[1].grad = torch.tensor([8.0, float("nan")])
            weights[3].grad = torch.tensor([6.0, 2.0]).half()
        ranks.average_gradients(weights)
        return [None if weight.grad is None else str(weight.grad.tolist()) for weight in weights]

    assert both(work) == [["[3.0, 6.0]", "[4.0, nan]", None, "[3.0, 1.0]"]] * 2


def test_what_fails_in_the_first_process_fails_in_all(both: Callable[[Work], list[Any]]) -> None:
    def work(rank: int) -> None:
        with ranks.in_turn():
            if rank == 0:
                raise KeyError("no such set")

    first, second = both(work)
    assert first == "KeyError('no such set')"
    assert "first process of the run failed: KeyError: 'no such set'" in second


def test_the_first_process_goes_first(both: Callable[[Work], list[Any]], tmp_path: Path) -> None:
    def work(rank: int) -> bool:
        with ranks.in_turn():
            seen = (tmp_path / "made").exists()
            if rank == 0:
                (tmp_path / "made").touch()
        return seen

    assert both(work) == [False, True]


def test_random_numbers_are_dealt_as_one_process_draws_them(both: Callable[[Work], list[Any]]) -> None:
    running = [[2, 1, 0, 0], [3, 3, 1, 0]]  # branches that run, at each step of each process

    def work(rank: int) -> list[list[float]]:
        draws = RankDraws(torch.Generator().manual_seed(5))
        counts = running[rank][: 2 if rank == 0 else 3]  # the first has ended, and draws along
        found = [draws.uniform(count, torch.float64)[:, 0].tolist() for count in counts]
        draws.finish(torch.float64)
        return found

    one = torch.Generator().manual_seed(5)
    whole = [
        torch.rand((a + b, 1), dtype=torch.float64, generator=one)[:, 0].tolist() for a, b in zip(*running, strict=True)
    ][:3]
    first, second = both(work)
    assert first == [numbers[:count] for numbers, count in zip(whole, running[0][:2], strict=False)]
    assert second == [numbers[count:] for numbers, count in zip(whole, running[0], strict=False)]
