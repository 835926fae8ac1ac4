"""Tensors on disk: bounded, whole after a kill, shared by processes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from medvlm.datamodules.store import MAP_BYTES, TensorStore

KEYS = [f"{n:032x}"[::-1] for n in range(64)]


def value(key: str) -> torch.Tensor:
    return torch.full((64, 64), float(KEYS.index(key)))


def write_without_end(folder: Path, limit: int) -> None:
    store = TensorStore(folder, limit)
    while True:
        for key in KEYS:
            store.put(key, value(key))


def write_all(folder: Path, limit: int) -> None:
    store = TensorStore(folder, limit)
    for key in KEYS:
        store.put(key, value(key))


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("??/*"))


def test_after_a_kill_every_entry_is_whole_and_writing_goes_on(tmp_path: Path) -> None:
    for delay in (0.01, 0.03, 0.05):
        child = multiprocessing.get_context("fork").Process(target=write_without_end, args=(tmp_path, 1 << 30))
        child.start()
        while not any(tmp_path.glob("??/*.npy")):
            time.sleep(0.001)
        time.sleep(delay)
        os.kill(child.pid or 0, signal.SIGKILL)
        child.join()
        store, found = TensorStore(tmp_path, 1 << 30), 0
        for path in tmp_path.glob("??/*.npy"):
            assert np.array_equal(np.load(path), value(path.stem).numpy())
            found += store.get(path.stem) is not None
        assert found
    write_all(tmp_path, 1 << 30)
    for key in KEYS:
        again = store.get(key)
        assert again is not None
        assert torch.equal(again, value(key))


def test_two_processes_stay_within_the_limit_and_lose_nothing_they_should_have(tmp_path: Path) -> None:
    limit = 16 * 64 * 64 * 4
    fork = multiprocessing.get_context("fork")
    children = [fork.Process(target=write_all, args=(tmp_path, limit)) for _ in range(2)]
    for child in children:
        child.start()
    most = 0
    while any(child.is_alive() for child in children):
        once, again = _sizes(tmp_path), _sizes(tmp_path)
        if once == again:  # else some were counted that were never there together
            most = max(most, sum(once.values()))
    assert all(child.exitcode == 0 for child in children)
    assert 0 < most <= limit
    store = TensorStore(tmp_path, limit)
    left = [key for key in KEYS if (found := store.get(key)) is not None and torch.equal(found, value(key))]
    assert len(left) >= 8


def _sizes(folder: Path) -> dict[Path, int]:
    return {path: _size(path) for path in folder.glob("??/*")}


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def test_the_entry_used_longest_ago_goes_first(tmp_path: Path) -> None:
    store = TensorStore(tmp_path, 8 * 64 * 64 * 4)
    for age, key in enumerate(KEYS[:5]):
        store.put(key, value(key))
        (path,) = tmp_path.glob(f"??/{key}.npy")
        os.utime(path, (1000 + age, 1000 + age))
    assert store.get(KEYS[0]) is not None  # the oldest is used now
    store.sweep(room=3 * 64 * 64 * 4 + 5000)
    left = {path.stem for path in tmp_path.glob("??/*")}
    assert left == {KEYS[0], KEYS[3], KEYS[4]}


def test_what_a_killed_process_left_is_removed_once_it_is_old(tmp_path: Path) -> None:
    for name, age in (("old", 7200), ("new", 10)):
        part = tmp_path / "aa" / f"{name}.npy.1.part"
        part.parent.mkdir(exist_ok=True)
        part.write_bytes(b"x")
        os.utime(part, (time.time() - age,) * 2)
    TensorStore(tmp_path, 1 << 20).put(KEYS[0], value(KEYS[0]))
    assert [path.name for path in tmp_path.glob("aa/*")] == ["new.npy.1.part"]


def test_a_large_entry_is_mapped_equal_and_private(tmp_path: Path) -> None:
    store, volume = TensorStore(tmp_path, 1 << 30), torch.randn(2, 1, 1024, MAP_BYTES // 4096)
    shown = volume.expand(2, 3, 1024, -1)
    store.put(KEYS[1], shown)
    open_files = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").is_dir() else 0
    found = store.get(KEYS[1])
    assert found is not None
    assert torch.equal(found, shown)
    assert not open_files or len(os.listdir("/proc/self/fd")) == open_files
    found[:, 0] = 0
    again = store.get(KEYS[1])
    assert again is not None
    assert torch.equal(again, shown)


def test_an_entry_too_large_is_not_kept_and_an_unsafe_one_not_read(tmp_path: Path) -> None:
    store = TensorStore(tmp_path, 1000)
    store.put(KEYS[0], torch.zeros(126))
    assert store.get(KEYS[0]) is None
    store.put(KEYS[1], torch.zeros(2))
    (path,) = tmp_path.glob("??/*.npy")
    np.save(path, np.array([{}], dtype=object), allow_pickle=True)
    assert store.get(KEYS[1]) is None


def test_a_limit_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="limit_bytes=0"):
        TensorStore(tmp_path, 0)
