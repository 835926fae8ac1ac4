"""What a file is, by its first bytes and never by its suffix."""

from __future__ import annotations

import re
import zlib
from pathlib import Path
from typing import IO, Literal

from medvlm.study import ImageError

from .common import describe

Kind = Literal["dicom", "nifti", "itk", "picture", "slide"]
FileKind = Literal["dicom", "nifti", "itk", "picture", "slide", "archive"]

HEAD = 1024
"""Bytes that are enough to tell."""

_SLIDES = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+", b"ZISRAWFILE")
"""TIFF and BigTIFF in both byte orders (SVS, NDPI, SCN, BIF and generic pyramids), and CZI."""
_TILE_WIDTH, _NDPI = 322, 65420
_ITK = re.compile(rb"NRRD000[1-9]\r?\n|(ObjectType\s*=\s*Image|NDims\s*=\s*[0-9])")
"""NRRD, and the first line of a MetaImage header."""
_WHOLE_SLIDE = re.compile(rb"1\.2\.840\.10008\.5\.1\.4\.1\.1\.77\.1\.6(?![.0-9])")
"""VL Whole Slide Microscopy Image Storage (PS3.4 B.5), as (0002,0002) and (0008,0016) hold it."""


def kind_of(head: bytes) -> Kind | None:
    """Tell a file by its first :data:`HEAD` bytes; None where it is no image that medvlm reads.

    Args:
        head: The first bytes.

    Examples:
        >>> kind_of(bytes(128) + b"DICM")
        'dicom'
    """
    if head[128:132] == b"DICM":
        return "dicom"
    if head.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a")) or _is_rare_picture(head):
        return "picture"
    if head.startswith(_SLIDES):
        return "slide"
    if _is_nifti(head) or (head.startswith(b"\x1f\x8b") and _is_nifti(_gunzip(head))):
        return "nifti"
    if _ITK.match(head):
        return "itk"
    return "dicom" if _is_bare_dicom(head) else None


def kind_of_file(path: Path) -> FileKind:
    """Tell a file by its content; a DICOM whole slide is a ``slide``, a TIFF in one piece a ``picture``.

    Args:
        path: An existing file.

    Raises:
        ImageError: If it is no image that medvlm reads; the message says what it looks like.
    """
    with path.open("rb") as file:
        head = file.read(HEAD)
        kind = kind_of(head)  # DICOM goes first: its preamble may make it a TIFF as well (PS3.10 7.1)
        if kind == "slide" and head.startswith((b"II*\x00", b"MM\x00*")) and not _is_tiled(file):
            return "picture"
    if kind is None and (head.startswith(b"PK\x03\x04") or _is_packed(head)):
        return "archive"
    if kind is None:
        raise ImageError(
            f"{path} is no image: it looks like {describe(head)}; expected DICOM, NIfTI, NRRD, MetaImage, a slide, "
            "PNG, JPEG, TIFF, BMP, GIF or WebP, or a ZIP archive of a study."
        )
    return "slide" if kind == "dicom" and _WHOLE_SLIDE.search(head) else kind


def _is_packed(head: bytes) -> bool:
    return head.startswith(b"\x1f\x8b") and kind_of(_gunzip(head)) in ("dicom", "picture")


def _is_rare_picture(head: bytes) -> bool:
    """WebP, or a BMP: its magic is short, so the size of its second header must be one that exists."""
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return True
    return head.startswith(b"BM") and int.from_bytes(head[14:18], "little") in (12, 40, 52, 56, 64, 108, 124)


def _is_tiled(file: IO[bytes]) -> bool:
    """Whether a TIFF is cut into tiles, or is Hamamatsu's: a slide, not a picture (TIFF 6.0, sections 2 and 15)."""
    file.seek(0)
    order: Literal["little", "big"] = "little" if file.read(2) == b"II" else "big"
    file.seek(4)
    file.seek(int.from_bytes(file.read(4), order))
    count = int.from_bytes(file.read(2), order)
    entries = file.read(12 * count)
    tags = {int.from_bytes(entries[place : place + 2], order) for place in range(0, len(entries), 12)}
    return bool(tags & {_TILE_WIDTH, _NDPI})


def is_dicom(path: Path) -> bool:
    """Tell whether a file is DICOM, a slide or not.

    Args:
        path: An existing file or folder.
    """
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return kind_of(file.read(HEAD)) == "dicom"


def holds_slide(folder: Path) -> bool:
    """Tell whether a folder is a DICOM whole slide, by the first of its files that is DICOM.

    Args:
        folder: An existing folder.
    """
    for path in sorted(folder.iterdir()):
        if path.is_file():
            with path.open("rb") as file:
                head = file.read(HEAD)
            if kind_of(head) == "dicom":
                return _WHOLE_SLIDE.search(head) is not None
    return False


def _gunzip(head: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=31).decompress(head, HEAD)
    except zlib.error:
        return b""


def _is_nifti(head: bytes) -> bool:
    return head[344:348] in (b"n+1\x00", b"ni1\x00") or head[4:8] in (b"n+2\x00", b"ni2\x00")


def _is_bare_dicom(head: bytes) -> bool:
    """Whether a data set starts at byte 0, without preamble: group 2 or 8, and a length that is possible."""
    if len(head) < 16 or head[:2] not in (b"\x02\x00", b"\x08\x00", b"\x00\x02", b"\x00\x08"):
        return False
    explicit = head[4:6].isalpha() and head[4:6].isupper()
    order: Literal["little", "big"] = "little" if head[0] else "big"
    return explicit or int.from_bytes(head[4:8], order) < 2**16
