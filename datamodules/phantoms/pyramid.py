"""A pyramid of tiled pictures as one TIFF 6.0 file (Adobe 1992; deflate by its Technical Note of 2002).

OpenSlide, tifffile and libtiff read it: RGB, 8 bits, tiles with horizontal differences, each level half the one before.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

TILE = 256
"""Pixels along each side of a tile; a multiple of 16, as TIFF asks."""

Picture = NDArray[np.uint8]
_SHORT, _LONG, _RATIONAL, _ASCII, _BYTES = 3, 4, 5, 2, 7
_FORMAT = {_SHORT: "H", _LONG: "L", _RATIONAL: "L"}


def half(picture: Picture) -> Picture:
    """Halve a picture: the mean of 2 x 2 pixels, an odd last row or column is repeated."""
    height, width = picture.shape[:2]
    even = np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge").astype(np.uint16)
    mean = (even[0::2, 0::2] + even[1::2, 0::2] + even[0::2, 1::2] + even[1::2, 1::2] + 2) // 4
    return mean.astype(np.uint8)


def write_pyramid(
    path: Path, picture: Picture, mpp: float | None, *, levels: int = 8, comment: str = "", icc: bytes = b""
) -> None:
    """Write a picture and its halves, down to one tile.

    Args:
        path: File to write.
        picture: Colours of level 0, ``yxc``.
        mpp: Microns per pixel of level 0; None leaves the resolution unsaid.
        levels: Most levels.
        comment: ImageDescription (tag 270).
        icc: ICC profile (tag 34675); empty for none.

    Raises:
        ValueError: If the picture is not RGB of 8 bits, or too large for a TIFF of 4 GiB.
    """
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
        raise ValueError(f"A pyramid is of yxc RGB of 8 bits, got {picture.shape} {picture.dtype}.")
    if picture.nbytes > 2**31:
        raise ValueError(f"A TIFF pyramid of {picture.nbytes:,} bytes may not fit into 4 GiB; write a smaller slide.")
    with path.open("wb") as file:
        file.write(b"II*\0" + bytes(4))
        pointer = 4  # where the offset of the next directory belongs
        for level in range(levels):
            offsets, sizes = [], []
            for data in _tiles(picture):
                offsets.append(file.tell())
                sizes.append(len(data))
                file.write(data)
            start = file.tell() + file.tell() % 2
            directory, end = _directory(start, _entries(picture, offsets, sizes, level, mpp, comment, icc))
            file.seek(start)
            file.write(directory)
            file.seek(pointer)
            file.write(struct.pack("<L", start))
            pointer = end
            file.seek(0, 2)
            if max(picture.shape[:2]) <= TILE:
                break
            picture = half(picture)


def _tiles(picture: Picture) -> Iterator[bytes]:
    """Tiles in rows, each as deflated differences (tag 317, predictor 2)."""
    rows, columns = (-(-side // TILE) * TILE for side in picture.shape[:2])
    full = np.pad(picture, ((0, rows - picture.shape[0]), (0, columns - picture.shape[1]), (0, 0)), mode="edge")
    for y in range(0, rows, TILE):
        for x in range(0, columns, TILE):
            tile = full[y : y + TILE, x : x + TILE]
            yield zlib.compress(np.diff(tile, axis=1, prepend=np.zeros((TILE, 1, 3), np.uint8)).tobytes(), 4)


def _entries(
    picture: Picture, offsets: list[int], sizes: list[int], level: int, mpp: float | None, comment: str, icc: bytes
) -> dict[int, tuple[int, list[int] | bytes]]:
    """Tags of one level: number -> type and values."""
    entries: dict[int, tuple[int, list[int] | bytes]] = {
        254: (_LONG, [int(level > 0)]),  # a reduced version of another picture
        256: (_LONG, [picture.shape[1]]),
        257: (_LONG, [picture.shape[0]]),
        258: (_SHORT, [8, 8, 8]),
        259: (_SHORT, [8]),  # deflate
        262: (_SHORT, [2]),  # RGB
        277: (_SHORT, [3]),
        284: (_SHORT, [1]),  # colours of a pixel together
        317: (_SHORT, [2]),
        322: (_LONG, [TILE]),
        323: (_LONG, [TILE]),
        324: (_LONG, offsets),
        325: (_LONG, sizes),
    }
    if comment and not level:
        entries[270] = (_ASCII, comment.encode("ascii") + b"\0")
    if mpp is not None:
        per_cm = [round(1e4 / (mpp * 2**level) * 1000), 1000]
        entries |= {282: (_RATIONAL, per_cm), 283: (_RATIONAL, per_cm), 296: (_SHORT, [3])}
    return entries | ({34675: (_BYTES, icc)} if icc else {})


def _directory(start: int, entries: dict[int, tuple[int, list[int] | bytes]]) -> tuple[bytes, int]:
    """An image file directory that begins at ``start``, and where its pointer to the next one lies."""
    end = start + 2 + 12 * len(entries)
    table, rest = struct.pack("<H", len(entries)), b""
    for tag, (kind, values) in sorted(entries.items()):
        count = len(values) // 2 if kind == _RATIONAL else len(values)
        data = values if isinstance(values, bytes) else struct.pack(f"<{len(values)}{_FORMAT[kind]}", *values)
        if len(data) > 4:
            place = end + 4 + len(rest)
            rest += data + bytes(len(data) % 2)
            data = struct.pack("<L", place)
        table += struct.pack("<HHL", tag, kind, count) + data.ljust(4, b"\0")
    return table + bytes(4) + rest, end
