"""What all readers share: limits, hashes, narrow number types, and names for files that are no image."""

from __future__ import annotations

import hashlib
import struct
import zlib
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from medvlm.study import ImageError

Array: TypeAlias = NDArray[Any]

MAX_BYTES = 2**31
"""Most bytes that one image may decode to (2 GiB: a CT of 4,000 slices); more is refused before it is decoded."""

READ_ERRORS = (
    ArithmeticError, AttributeError, EOFError, LookupError, MemoryError, NotImplementedError, OSError, RuntimeError,
    StopIteration, SyntaxError, TypeError, ValueError, struct.error, zlib.error,
)  # fmt: skip
"""What decoders raise on broken bytes; readers turn them into an ImageError that names the file."""

_MAGIC = (
    (b"%PDF", "a PDF"),
    (b"PK\x03\x04", "a ZIP archive (or an Office document, or a torch checkpoint)"),
    (b"\x1f\x8b", "a gzip file that holds no NIfTI and no DICOM (of a tar archive, give the unpacked folder)"),
    (b"BZh", "a bzip2 archive; give the unpacked folder"),
    (b"\xfd7zXZ", "an xz archive; give the unpacked folder"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive; give the unpacked folder"),
    (b"Rar!", "a RAR archive; give the unpacked folder"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive; give the unpacked folder"),
    (b"\x93NUMPY", "a NumPy array file; load it and give the array"),
    (b"\x80\x04\x95", "a Python pickle"),
    (b"\x89HDF", "an HDF5 file"),
    (b"version https://git-lfs", "a Git LFS pointer: the file itself was never fetched (git lfs pull)"),
)


def describe(head: bytes) -> str:
    """Say what a file that is no supported image looks like.

    Args:
        head: Its first bytes.

    Examples:
        >>> describe(b"Dear colleague,")
        'plain text (UTF-8)'
    """
    if not head:
        return "an empty file"
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    if head[257:262] == b"ustar":
        return "a tar archive; give the unpacked folder"
    if head[4:8] == b"ftyp":
        return "a HEIC or AVIF picture, or a film (save it as PNG)"
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:15].lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "a web page: probably a failed download"
    if start.startswith((b"<?xml", b"<svg")):
        return "an XML file"
    if not any(head):
        return "nothing but zeros: probably a failed copy"
    try:
        text = head[:-4].decode() if len(head) > 4 else head.decode()  # the cut may split a character
    except UnicodeDecodeError:
        return f"unknown binary data (it starts with {head[:8].hex(' ')})"
    return "plain text (UTF-8)" if all(c.isprintable() or c.isspace() for c in text) else "unknown binary data"


def refuse_size(name: str, count: int, *, what: str = "pixels") -> None:
    """Refuse an image that would decode to more than :data:`MAX_BYTES`.

    Args:
        name: File.
        count: Bytes that it would take.
        what: What takes them.

    Raises:
        ImageError: If it is too much.
    """
    if count > MAX_BYTES:
        raise ImageError(f"{name}: its {what} would take {count:,} bytes, the limit is {MAX_BYTES:,}.")


def fingerprint(kind: str, data: bytes | memoryview) -> str:
    """Name a source by what it holds, never by its path.

    Args:
        kind: ``dicom``, ``file`` or ``array``.
        data: What identifies it.

    Examples:
        >>> fingerprint("file", b"")
        'file:e3b0c44298fc1c14'
    """
    return f"{kind}:{hashlib.sha256(data).hexdigest()[:16]}"


def narrow(array: Array) -> Array:
    """Return numbers as uint8, uint16, int16 or float32, whichever holds them; never 64 bits.

    Args:
        array: Integers or floats of any width and byte order.

    Raises:
        ImageError: If the numbers are neither.
    """
    if array.dtype.kind == "b":
        return array.astype(np.uint8)
    if array.dtype.kind not in "iuf":
        raise ImageError(f"Pixels of type {array.dtype} are no gray or colour values; expected integers or floats.")
    if array.dtype.newbyteorder("=") in (np.uint8, np.uint16, np.int16, np.float32):
        return array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.dtype.kind in "iu" and array.size and array.min() >= -(2**15) and array.max() < 2**15:
        return array.astype(np.int16)
    return array.astype(np.float32)


def rescale(array: Array, slope: float, intercept: float) -> Array:
    """Return ``array * slope + intercept`` as int16 where that is exact, else float32.

    Args:
        array: Stored values.
        slope: (0028,1053), or NIfTI's scl_slope.
        intercept: (0028,1052), or NIfTI's scl_inter.
    """
    if (slope, intercept) == (1, 0):
        return narrow(array)
    whole = array.dtype.kind in "iu" and slope == 1 and float(intercept).is_integer() and abs(intercept) < 2**15
    if whole and array.size:
        low, high = int(array.min()) + int(intercept), int(array.max()) + int(intercept)
        if low >= -(2**15) and high < 2**15:
            return (array.astype(np.int32) + np.int32(intercept)).astype(np.int16)
    return array.astype(np.float32) * np.float32(slope) + np.float32(intercept)


def fill_nan(array: Array) -> tuple[Array, tuple[str, ...]]:
    """Replace what is not finite by the lowest finite value, and say so.

    Args:
        array: Any pixels.

    Raises:
        ImageError: If nothing in it is finite.
    """
    if array.dtype.kind != "f":
        return array, ()
    finite = np.isfinite(array)
    if finite.all():
        return array, ()
    if not finite.any():
        raise ImageError("The image holds no finite value.")
    missing = array.size - int(finite.sum())
    return np.where(finite, array, array[finite].min()), (f"{missing} pixels were NaN or infinite: set to the lowest",)
