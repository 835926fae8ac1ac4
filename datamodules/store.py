"""Tensors in a folder, by key: bounded, shared by any number of processes, whole after a kill.

An entry is written under another name and renamed, so that no reader sees half of it, and there is no lock that a
killed process could leave behind: two that write one key write the same bytes, two that sweep remove the same files.
Nothing is flushed to the disk; an entry that a power cut leaves short is seen by its size and made again.

Measured on prepared 448 px radiographs: three equal channels kept as one plane of ``.npy`` are 0.80 MB (2.41 MB as they
are, 1.63 MB by bitshuffle + zstd, 1.77 MB by bitshuffle + lz4) and read in 0.12 ms (0.78 ms, 1.9 ms, 1.3 ms); resized
pixels have far more distinct values than 8 or 16 bits hold, so 32-bit floats stay. From ``MAP_BYTES`` on an entry is
memory-mapped (a 25 MB volume: 1.8 ms against 3.9 ms); below that, mapping costs more than reading.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import numpy as np
import torch
from numpy.lib import format as npy

from medvlm.files import atomic_file

if TYPE_CHECKING:
    from torch import Tensor

MAP_BYTES = 4 << 20
HEADER_BYTES = 128
USED_EVERY_S = 60.0
ABANDONED_S = 3600.0
KEEP = 7 / 8
BETWEEN = 1 / 64


class TensorStore:
    """Keeps tensors by key in a folder; what was used longest ago goes first.

    A sweep leaves at most 7/8 of the limit, and each process sweeps after it has written 1/64 of it, or before an entry
    that is larger than that: eight processes that write entries of up to 1/64 at once stay within the limit. A mapped
    entry that is swept stays readable to its holders, except on a network file system where another machine swept it:
    give such a folder room for all.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        """Take a folder that exists or not.

        Args:
            folder: Where the entries are, in sub-folders by the first two letters of their keys.
            limit_bytes: Most bytes of all entries together; an entry of more than half of it is not kept.

        Raises:
            ValueError: If the limit is not positive.
        """
        if limit_bytes < 1:
            raise ValueError(f"limit_bytes={limit_bytes}: expected 1 or more; leave the folder out to keep nothing")
        self.folder, self.limit_bytes = folder, limit_bytes
        self._written: int | None = None

    def get(self, key: str) -> Tensor | None:
        """Return an entry, or None if it is not there or not whole.

        The tensor may be memory-mapped (privately: writing into it does not reach the file).
        """
        for repeats in (3, 1):
            path = self._path(key, repeats)
            try:
                with path.open("rb") as file:
                    tensor = _read(file, path)
            except (FileNotFoundError, ValueError, EOFError):
                continue
            return tensor if repeats == 1 else tensor.expand(*tensor.shape[:-3], repeats, *tensor.shape[-2:])
        return None

    def put(self, key: str, tensor: Tensor) -> None:
        """Keep a tensor.

        Args:
            key: Hexadecimal digits.
            tensor: Of a type that NumPy knows; one plane expanded to three channels is written once.

        Raises:
            OSError: If the folder cannot be written or the disk is full.
        """
        repeats = 3 if tensor.ndim >= 3 and tensor.shape[-3] == 3 and tensor.stride(-3) == 0 else 1
        array = (tensor[..., :1, :, :] if repeats == 3 else tensor).contiguous().numpy()
        if array.nbytes > self.limit_bytes // 2:
            return
        self._make_room(array.nbytes + HEADER_BYTES)
        path = self._path(key, repeats)
        with atomic_file(path, sync=False) as file:
            np.save(file, array, allow_pickle=False)

    def sweep(self, room: int = 0) -> None:
        """Remove what was used longest ago until 7/8 of the limit are left, and what killed processes left behind.

        Args:
            room: Bytes to leave free beside that.
        """
        entries = []
        for path in self.folder.glob("??/*"):
            with suppress(FileNotFoundError):
                status = path.stat()
                old_part = path.suffix == ".part" and time.time() - status.st_mtime > ABANDONED_S
                entries.append((0.0 if old_part else status.st_mtime, status.st_size, path))
        total, keep = sum(size for _, size, _ in entries), self.limit_bytes * KEEP - room
        for used, size, path in sorted(entries):
            if total <= keep and used > 0:
                break
            path.unlink(missing_ok=True)
            total -= size

    def _make_room(self, size: int) -> None:
        """Sweep before the first entry of this process, and whenever it has written its share since."""
        if self._written is None or self._written + size > self.limit_bytes * BETWEEN:
            self.sweep(size)
            self._written = 0
        self._written += size

    def _path(self, key: str, repeats: int) -> Path:
        return self.folder / key[:2] / (f"{key}.x{repeats}.npy" if repeats > 1 else f"{key}.npy")


def _read(file: BinaryIO, path: Path) -> Tensor:
    """Read or map an opened entry and note that it was used.

    Raises:
        ValueError: If it is not whole.
    """
    if npy.read_magic(file) != (1, 0):
        raise ValueError(f"{path}: expected version 1.0 of the npy format")
    shape, fortran, dtype = npy.read_array_header_1_0(file)
    count, start, status = int(np.prod(shape)), file.tell(), os.fstat(file.fileno())
    if fortran or dtype.hasobject or status.st_size != start + count * dtype.itemsize:
        raise ValueError(f"{path}: expected {count} values of {dtype} after byte {start}, found {status.st_size} bytes")
    if time.time() - status.st_mtime > USED_EVERY_S:
        with suppress(FileNotFoundError, PermissionError):  # swept meanwhile, or written by another user
            os.utime(path)
    if status.st_size >= MAP_BYTES and start % dtype.itemsize == 0:
        mapped = _map(path, status.st_size)
        if mapped is not None:
            empty = torch.from_numpy(np.empty(0, dtype))
            return empty.set_(mapped, start // dtype.itemsize, shape, torch.empty(shape, device="meta").stride())
    return torch.from_numpy(np.fromfile(file, dtype, count).reshape(shape))


def _map(path: Path, size: int) -> torch.UntypedStorage | None:
    """Map a file without holding it open (a thousand volumes would use up the open files of a process).

    Returns:
        None if the file has gone since it was opened.
    """
    try:
        return cast("torch.UntypedStorage", torch.UntypedStorage.from_file(str(path), False, size))
    except RuntimeError:
        if path.exists():
            raise
        return None
