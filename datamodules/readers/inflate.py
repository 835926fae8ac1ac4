"""Deflated DICOM files (PS3.5 A.5): refused where they unpack to more than the limit, for pydicom has none."""

from __future__ import annotations

import zlib
from pathlib import Path

from .common import refuse_size

_UID = b"1.2.840.10008.1.2.1.99"
_META = 4096
"""Bytes within which the file's own header names the transfer syntax."""
_GROUP_LENGTH = b"DICM\x02\x00\x00\x00UL\x04\x00"
_STEP = 2**22


def refuse_inflated(data: bytes | Path, name: str) -> None:
    """Refuse a deflated file that unpacks to too much; other files pass at no cost.

    Args:
        data: Its bytes, or its path.
        name: What to call it in errors.

    Raises:
        ImageError: If it is a bomb.
        zlib.error: If it is broken.
    """
    if isinstance(data, Path):
        with data.open("rb") as file:
            if _UID not in file.read(_META):
                return
        data = data.read_bytes()
    if _UID not in data[:_META] or data[128:140] != _GROUP_LENGTH:
        return
    unpack, total = zlib.decompressobj(-zlib.MAX_WBITS), 0
    rest = data[144 + int.from_bytes(data[140:144], "little") :]
    while rest and not unpack.eof:
        total += len(unpack.decompress(rest, _STEP))
        refuse_size(name, total, what="unpacked content")
        rest = unpack.unconsumed_tail
