"""What bytes hold besides pixels: comments of compressed frames, padding behind them, overlays in spare bits, profiles.

Text is overwritten where it stands, so that no length and no offset changes; decoders skip what is overwritten.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

import numpy as np
from pydicom import DataElement, Dataset
from pydicom.pixels.utils import get_expected_length

from medvlm.datamodules.readers.common import READ_ERRORS
from medvlm.study import ImageError

_NEXT_MARKER = re.compile(rb"\xff[\x80-\xcf\xd8-\xfe]")
"""End of entropy-coded data in JPEG (after FF comes 00 or a restart) and JPEG-LS (after FF comes a 0 bit)."""
_EMPTY_MARKERS = (0x01, *range(0xD0, 0xD9))
_J2K_START, _J2K_COMMENT, _J2K_TILE, _J2K_DATA, _J2K_END = 0xFF4F, 0xFF64, 0xFF90, 0xFF93, 0xFFD9
_PROFILE_NUMBERS = frozenset((
    b"XYZ ", b"curv", b"para", b"mft1", b"mft2", b"mAB ", b"mBA ", b"sf32", b"view", b"meas", b"sig ", b"chrm", b"dtim",
))  # fmt: skip


def clean_pixels(new: Dataset, old: Dataset) -> None:
    """Overwrite what is no pixel in the pixel data of a cleaned object.

    Args:
        new: With the pixel data element of ``old``; the element is replaced where it changes.
        old: As it was read.

    Raises:
        ImageError: If compressed frames cannot be gone through, or overlays lie in the spare bits of compressed ones.
    """
    if "PixelData" not in new:
        return
    element = new["PixelData"]
    embedded = _has_embedded_overlay(old)
    try:
        if new.file_meta.TransferSyntaxUID.is_encapsulated:
            if embedded:
                raise ImageError("an overlay lies in the spare bits of compressed pixels")
            value = clean_frames(element.value)
        else:
            value = element.value[: _even(get_expected_length(old, unit="bytes"))]
            if embedded:
                value = _without_spare_bits(value, old, little=new.file_meta.TransferSyntaxUID.is_little_endian)
    except ImageError:
        raise
    except READ_ERRORS as error:
        raise ImageError(f"its pixel data cannot be gone through ({type(error).__name__})") from error
    fresh = DataElement(element.tag, element.VR, value)
    fresh.is_undefined_length = element.is_undefined_length
    new[element.tag] = fresh


def clean_frames(data: bytes) -> bytes:
    """Overwrite comments and application segments of encapsulated frames, and what stands behind their ends.

    Args:
        data: Value of an encapsulated (7FE0,0010): items as in PS3.5 A.4.

    Raises:
        ImageError: If a frame ends where none may.
    """
    buffer = bytearray(data)
    pieces = list(_fragments(data))[1:]  # the first item is the offset table
    start = 0
    while start < len(pieces):
        end = start + 1
        while end < len(pieces) and not _starts_frame(data, pieces[end][0]):
            end += 1
        frame = b"".join(data[a:b] for a, b in pieces[start:end])
        clean = clean_frame(frame)
        for a, b in pieces[start:end]:
            buffer[a:b], clean = clean[: b - a], clean[b - a :]
        start = end
    return bytes(buffer)


def clean_frame(frame: bytes) -> bytes:
    """The same compressed frame, as long as before, with nothing but what a decoder needs.

    Args:
        frame: A JPEG, JPEG-LS or JPEG 2000 (HTJ2K) codestream; RLE and others come back as they are.

    Raises:
        ImageError: If the codestream breaks off.
    """
    try:
        if frame.startswith(b"\xff\xd8"):
            return _clean_jpeg(frame)
        if frame.startswith(b"\xff\x4f\xff\x51"):
            return _clean_j2k(frame)
    except (struct.error, IndexError):
        raise ImageError("a compressed frame breaks off, so its comments cannot be found") from None
    if frame.startswith(b"\x00\x00\x00\x0cjP  "):
        raise ImageError("JPEG 2000 frames lie in a JP2 file, which may hold text")
    return frame


def _clean_jpeg(frame: bytes) -> bytes:
    out = bytearray(frame)
    at = 2
    while True:
        found = _NEXT_MARKER.search(frame, at)
        if found is None:
            raise ImageError("a compressed frame breaks off, so its comments cannot be found")
        at, marker = found.start(), frame[found.start() + 1]
        if marker == 0xD9:
            out[at + 2 :] = bytes(len(frame) - at - 2)
            return bytes(out)
        at += 2
        if marker in _EMPTY_MARKERS:
            continue
        length = struct.unpack_from(">H", frame, at)[0]
        if marker == 0xFE or (0xE0 <= marker <= 0xEF and not _is_known_segment(marker, frame[at + 2 : at + length])):
            out[at + 2 : at + length] = bytes(length - 2)
        at += length


def _is_known_segment(marker: int, body: bytes) -> bool:
    """Whether an application segment is one that decoders need, and holds no more than that."""
    kind = {0xE0: (b"JFIF\0", 14), 0xEE: (b"Adobe", 12), 0xE8: (b"mrfx", 5)}.get(marker)
    return kind is not None and body.startswith(kind[0]) and len(body) == kind[1]


def _clean_j2k(frame: bytes) -> bytes:
    out = bytearray(frame)
    at, tile_end = 2, 0
    while True:
        marker = struct.unpack_from(">H", frame, at)[0]
        if marker == _J2K_END:
            out[at + 2 :] = bytes(len(frame) - at - 2)
            return bytes(out)
        if marker == _J2K_DATA:
            at = tile_end
            continue
        if marker >> 8 != 0xFF:
            raise ImageError("a compressed frame is no JPEG 2000 codestream, so its comments cannot be found")
        length = struct.unpack_from(">H", frame, at + 2)[0]
        if marker == _J2K_TILE:
            size = struct.unpack_from(">I", frame, at + 6)[0]
            tile_end = at + size if size else frame.rindex(b"\xff\xd9")
        elif marker == _J2K_COMMENT:
            out[at + 6 : at + 2 + length] = bytes(length - 4)
        at += 2 + length


def _fragments(data: bytes) -> Iterator[tuple[int, int]]:
    """Where the items of encapsulated pixel data begin and end."""
    at = 0
    while at + 8 <= len(data):
        group, element, length = struct.unpack_from("<HHI", data, at)
        if (group, element) != (0xFFFE, 0xE000):
            return
        yield at + 8, at + 8 + length
        at += 8 + length


def _starts_frame(data: bytes, at: int) -> bool:
    head = data[at : at + 4]
    return head[:3] == b"\xff\xd8\xff" or head == b"\xff\x4f\xff\x51" or head[1:] == b"\x00\x00\x00"  # RLE header


def _has_embedded_overlay(dataset: Dataset) -> bool:
    """Whether an overlay (60xx) without data of its own says that it lies in the pixels' spare bits."""
    groups = [tag.group for tag in dataset.keys() if tag.group & 0xFF01 == 0x6000]  # noqa: SIM118
    return any((group, 0x3000) not in dataset for group in groups)


def _without_spare_bits(value: bytes, dataset: Dataset, *, little: bool) -> bytes:
    """Native pixels whose bits above Bits Stored are cleared, or repeat the sign."""
    allocated, stored = int(dataset.BitsAllocated), int(dataset.BitsStored)
    if allocated not in (8, 16, 32):
        raise ImageError("an overlay lies in the spare bits of pixels of an unusual width")
    order = "<" if little else ">"
    sign = "i" if dataset.get("PixelRepresentation") else "u"
    words = np.frombuffer(value, f"{order}{sign}{allocated // 8}")
    spare, low = allocated - stored, int(dataset.get("HighBit", stored - 1)) + 1 - stored
    if low:
        raise ImageError("an overlay lies in bits below the pixels")
    return bytes(((words << spare) >> spare).astype(words.dtype).tobytes())


def clean_profile(data: bytes) -> bytes | None:
    """An ICC profile (0028,2000) whose texts are overwritten; None for one that holds what is unknown.

    Args:
        data: The profile (ICC.1), as long as its header says or padded.
    """
    out = bytearray(data)
    try:
        count = struct.unpack_from(">I", data, 128)[0]
        for index in range(min(count, 200)):
            _, at, size = struct.unpack_from(">III", data, 132 + 12 * index)
            kind = data[at : at + 4]
            if kind in (b"desc", b"text", b"mluc"):
                out[at : at + size] = _blank_text(kind, size)
            elif kind not in _PROFILE_NUMBERS:
                return None
    except struct.error:
        return None
    out[84:100] = bytes(16)  # its own hash
    end = struct.unpack_from(">I", data)[0]
    out[end:] = bytes(len(out[end:]))
    return bytes(out) if len(out) == len(data) else None


def _blank_text(kind: bytes, size: int) -> bytes:
    """A text of one space, in the form of its type (ICC.1 10: text, multiLocalizedUnicode; ICC.1:2001 6.5.17: desc)."""
    if kind == b"text":
        head = b"text\0\0\0\0 \0"
    elif kind == b"desc":
        head = b"desc\0\0\0\0" + struct.pack(">I", 2) + b" \0"
    else:
        head = b"mluc\0\0\0\0" + struct.pack(">II2s2sII", 1, 12, b"en", b"US", 2, 28) + b"\0 "
    return head.ljust(size, b"\0")


def _even(count: int) -> int:
    return count + count % 2
