"""Files that are never seen by half: written beside their name, flushed to the disk, then renamed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def atomic_file(path: Path, *, sync: bool = True) -> Iterator[BinaryIO]:
    """A file to write that takes the name ``path`` if the block ends well, and vanishes if it does not.

    Args:
        path: Its name; missing folders above it are made.
        sync: Whether it is on the disk before it takes its name; not needed for what is simply made again.

    Raises:
        OSError: If the disk is full; an earlier file of that name is untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            yield file
            if sync:
                file.flush()
                os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)  # there is one only if the block failed


def write_whole(path: Path, data: str | bytes, *, sync: bool = True) -> None:
    """Write a file in one go.

    Args:
        path: Its name.
        data: What it holds; text is written as UTF-8.
        sync: See `atomic_file`.

    Raises:
        OSError: If the disk is full; an earlier file of that name is untouched.
    """
    with atomic_file(path, sync=sync) as file:
        file.write(data.encode() if isinstance(data, str) else data)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """A temporary folder that takes the name ``path`` if the block ends well, and vanishes if it does not.

    What a killed process left half written is removed first: one process at a time writes a path.

    Args:
        path: Its name; a folder that has it is replaced once the new one is complete.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    for stale in path.parent.glob(f".{path.name}.[0-9]*"):
        shutil.rmtree(stale, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        for file in temporary.rglob("*"):
            _flush(file)
        _replace(path, temporary)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)  # there is one only if the block failed


def _replace(path: Path, new: Path) -> None:
    """Give a folder the name of another, which goes once the new one stands."""
    old = path.with_name(f".{path.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if path.exists():
        path.rename(old)
    new.rename(path)
    shutil.rmtree(old, ignore_errors=True)


def _flush(file: Path) -> None:
    if file.is_file():
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
