"""A few attributes of many DICOM files, fast: what choosing and ordering the slices of a series takes.

Little endian files with a preamble, that is nearly all, are walked here: each element is a tag, a length and a jump
(PS3.5 chapter 7), and nothing is made of those that were not asked for. All others go to pydicom, and so does whatever
looks odd on the way; the values are the same either way.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydicom import Dataset
from pydicom.datadict import dictionary_VR, tag_for_keyword

from .dicom import open_dicom

_CHUNK = 1 << 13
_MAGIC = slice(128, 132)
_IMPLICIT = "1.2.840.10008.1.2"
_ODD = ("1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99", "1.2.840.113619.5.2")  # big endian, deflated, GE's own
_LONG = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"))
_SHORT = frozenset(
    (b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL", b"SS",
     b"ST", b"TM", b"UI", b"UL", b"US")
)  # fmt: skip
_UNDEFINED, _ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFFFFFF, 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_META_SYNTAX, _DEEPEST = 0x00020010, 16
_explicit = struct.Struct("<HH2sH").unpack_from
_implicit = struct.Struct("<HHI").unpack_from
_long = struct.Struct("<I").unpack_from


class _OddError(Exception):
    """A file that is left to pydicom."""


class _ShortError(Exception):
    """More of the file has to be read."""


def _texts(value: bytes) -> Any:
    try:
        text = value.decode("ascii").rstrip(" \0")
    except UnicodeDecodeError as error:
        raise _OddError from error  # its character set is stated elsewhere
    return text.split("\\") if "\\" in text else text


def _written(kind: Callable[[str], Any]) -> Callable[[bytes], Any]:
    def read(value: bytes) -> Any:
        try:
            parts = [kind(part) if part.strip(" \0") else None for part in value.decode("ascii").split("\\")]
        except ValueError as error:
            raise _OddError from error
        return parts[0] if len(parts) == 1 else parts

    return read


def _binary(form: str) -> Callable[[bytes], Any]:
    size = struct.calcsize(form)

    def read(value: bytes) -> Any:
        if len(value) % size:
            raise _OddError
        parts = struct.unpack(f"<{len(value) // size}{form}", value)
        return (parts[0] if len(parts) == 1 else list(parts)) if parts else None

    return read


def _stripped(part: str) -> str:
    return part.strip(" \0")


_READ: dict[str, Callable[[bytes], Any]] = {
    **dict.fromkeys(("AE", "CS", "DA", "DT", "LO", "SH", "TM", "UI"), _texts),
    "DS": _written(lambda part: float(_stripped(part))),
    "IS": _written(lambda part: int(_stripped(part))),
    "US": _binary("H"), "SS": _binary("h"), "UL": _binary("I"), "SL": _binary("i"), "FD": _binary("d"),
    "FL": _binary("f"),
}  # fmt: skip


@lru_cache
def _wanted(keywords: tuple[str, ...]) -> dict[int, tuple[str, bytes, Callable[[bytes], Any]]]:
    """Tag -> keyword, value representation and reader.

    Raises:
        ValueError: If a keyword is unknown or of a kind that cannot be read here (a sequence, pixels).
    """
    found = {}
    for keyword in keywords:
        tag = tag_for_keyword(keyword)
        kind = "" if tag is None else dictionary_VR(tag)
        if tag is None or kind not in _READ:
            raise ValueError(f"{keyword!r}: expected the keyword of a plain attribute, of one of {', '.join(_READ)}.")
        found[tag] = (keyword, kind.encode(), _READ[kind])
    return found


def read_header(path: Path, keywords: tuple[str, ...]) -> dict[str, Any]:
    """Read some attributes of a DICOM file; those of the file's meta group (0002,xxxx) too.

    Args:
        path: The file.
        keywords: What to read: plain attributes of the top level. The same tuple again is looked up only once.

    Returns:
        Keyword -> text, number, or a list of them; absent attributes are left out, empty ones are None or ``""``.

    Raises:
        ImageError: If it is no DICOM file, or a broken one.
        ValueError: If a keyword is unknown or a sequence.
    """
    wanted = _wanted(keywords)
    try:
        with path.open("rb", buffering=0) as file:
            data, size = file.read(_CHUNK), _CHUNK
            while True:
                try:
                    return _scan(data, wanted)
                except _ShortError:
                    if len(data) < size:
                        raise _OddError from None  # the file ends here
                    data, size = data + file.read(7 * size), 8 * size
    except (_OddError, struct.error):
        return _by_pydicom(path, keywords)


def _scan(data: bytes, wanted: Mapping[int, tuple[str, bytes, Callable[[bytes], Any]]]) -> dict[str, Any]:
    """Walk a file's first bytes.

    Raises:
        _ShortError: If they do not reach beyond the last tag that is wanted.
        _OddError: If pydicom should look at it.
    """
    if data[_MAGIC] != b"DICM":
        raise _OddError
    raw: dict[int, tuple[bytes, bytes]] = {}
    place = _walk(data, 132, {_META_SYNTAX, *wanted}, 0x0002FFFF, True, raw)
    syntax = raw.get(_META_SYNTAX, (b"", b""))[1].rstrip(b" \0").decode("ascii", "replace")
    if not syntax or syntax in _ODD:
        raise _OddError
    _walk(data, place, wanted.keys(), max(wanted), syntax != _IMPLICIT, raw)
    found = {}
    for tag, (keyword, kind, read) in wanted.items():
        if tag in raw:
            own, value = raw[tag]
            if own not in (kind, b""):
                raise _OddError
            found[keyword] = read(value)
    if not found:
        raise _OddError
    return found


def _walk(
    data: bytes, place: int, wanted: Iterable[int], last: int, explicit: bool, raw: dict[int, tuple[bytes, bytes]]
) -> int:
    """Note the bytes of the wanted elements up to a tag; returns where the first one beyond it begins."""
    size, before = len(data), 0
    while place + 12 <= size:
        if explicit:
            group, element, kind, length = _explicit(data, place)
        else:
            group, element, length = _implicit(data, place)
            kind = b""
        tag = group << 16 | element
        if tag > last:
            return place
        if tag <= before:
            raise _OddError  # out of order: what is wanted may come later
        before = tag
        if explicit and kind in _LONG:
            length = _long(data, place + 8)[0]
            place += 12
        elif not explicit or kind in _SHORT:
            place += 8
        else:
            raise _OddError
        if length == _UNDEFINED:
            if tag in wanted or kind not in (b"SQ", b""):
                raise _OddError
            place = _skip_items(data, place, explicit, 0)
            continue
        end = place + length
        if tag in wanted:
            raw[tag] = (kind, data[place:end])
        place = end
    raise _ShortError


def _skip_items(data: bytes, place: int, explicit: bool, depth: int) -> int:
    """Where a sequence of undefined length ends (PS3.5 7.5)."""
    if depth > _DEEPEST:
        raise _OddError
    while place + 8 <= len(data):
        group, element, length = _implicit(data, place)
        tag = group << 16 | element
        place += 8
        if tag == _SEQUENCE_END:
            return place
        if tag != _ITEM:
            raise _OddError
        place = _skip_item(data, place, explicit, depth) if length == _UNDEFINED else place + length
    raise _ShortError


def _skip_item(data: bytes, place: int, explicit: bool, depth: int) -> int:
    """Where an item of undefined length ends."""
    while place + 8 <= len(data):
        group, element, length = _implicit(data, place)
        if group << 16 | element == _ITEM_END:
            return place + 8
        if place + 12 > len(data):
            break
        kind = data[place + 4 : place + 6] if explicit else b""
        place += 8
        if kind in _LONG:
            length = _long(data, place)[0]
            place += 4
        elif explicit and kind in _SHORT:
            length >>= 16
        elif explicit:
            raise _OddError
        place = _skip_items(data, place, explicit, depth + 1) if length == _UNDEFINED else place + length
    raise _ShortError


def _by_pydicom(path: Path, keywords: tuple[str, ...]) -> dict[str, Any]:
    dataset = open_dicom(path, str(path), keywords, header=True)
    found = {}
    for keyword in keywords:
        for source in (dataset.file_meta, dataset):
            if keyword in source:
                found[keyword] = _plain(source, keyword)
    return found


def _plain(dataset: Dataset, keyword: str) -> Any:
    """A value without pydicom's types: lists, floats for DS, text for UIDs."""
    value, kind = dataset.get(keyword), dictionary_VR(tag_for_keyword(keyword) or 0)
    convert: Callable[[Any], Any] = {"DS": float, "IS": int}.get(kind, lambda one: one)
    if isinstance(value, (str, bytes, int, float)) or value is None:
        return str(value) if isinstance(value, str) else None if value is None else convert(value)
    return [str(one) if isinstance(one, str) else None if one is None else convert(one) for one in value]
