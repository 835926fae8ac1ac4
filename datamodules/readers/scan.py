"""What the headers of the DICOM files in a folder say, without their pixels and without anything of the patient."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom.uid import UID

from medvlm.study import ImageError

from .choose import Described
from .dicom import DICOM_ERRORS, HEADER
from .geometry import Slice
from .headers import read_header
from .phases import MARKS
from .sniff import HEAD, kind_of
from .values import directions_of_group, numbers, spacing_of_group

THREADS = 4

_TAGS = (*HEADER, *MARKS, "MediaStorageSOPClassUID", "StudyInstanceUID", "SeriesNumber", "ViewPosition")


@dataclass(frozen=True, slots=True, kw_only=True)
class Header(Described):
    """One file, as its header says.

    Attributes:
        study: StudyInstanceUID (0020,000D); empty if it says none.
        instance: SOPInstanceUID (0008,0018).
        slice: Where it lies.
        marks: Those of :data:`~medvlm.datamodules.readers.phases.MARKS` that it has.
    """

    study: str
    instance: str
    slice: Slice
    marks: Mapping[str, str]


def scan(folder: Path) -> tuple[list[Header], int]:
    """Read the headers of all DICOM files in a folder and its sub-folders.

    Args:
        folder: Where to look; names that start with a dot are left alone.

    Returns:
        The headers in the order of their paths, and the number of files that are no DICOM.

    Raises:
        ImageError: If a header is broken or a folder cannot be read: a slice that is missed would be a gap.
    """
    files = sorted(_files(folder))
    with ThreadPoolExecutor(THREADS) as pool:
        found = list(pool.map(_header, files))
    headers = [header for header in found if header is not None]
    return headers, len(found) - len(headers)


def _files(folder: Path) -> Iterator[Path]:
    """All files below a folder; links to folders are not followed, so none is met twice or for ever."""

    def refuse(error: OSError) -> None:
        raise ImageError(f"{error.filename} cannot be read: {error.strerror}; its slices would be missed.") from error

    for place, below, names in os.walk(folder, onerror=refuse):
        below[:] = [name for name in below if not name.startswith(".")]
        paths = (Path(place, name) for name in names if not name.startswith("."))
        yield from (path for path in paths if path.is_file())


def _header(path: Path) -> Header | None:
    with path.open("rb") as file:
        if kind_of(file.read(HEAD)) != "dicom":
            return None
    try:
        return _parse(path, read_header(path, _TAGS))
    except ImageError:
        raise
    except DICOM_ERRORS as error:
        raise ImageError(f"{path}: a broken DICOM header ({error}).") from error


def _parse(path: Path, data: dict[str, Any]) -> Header:
    kind = UID(data.get("SOPClassUID") or data.get("MediaStorageSOPClassUID") or "")
    rows, columns = int(data.get("Rows") or 0), int(data.get("Columns") or 0)
    position = numbers(data, "ImagePositionPatient")
    return Header(
        path=path,
        study=_text(data, "StudyInstanceUID"),
        series=_text(data, "SeriesInstanceUID"),
        instance=_text(data, "SOPInstanceUID"),
        content=str(kind.name or "DICOM object of no known class"),
        modality=_text(data, "Modality") or "OT",
        view=_text(data, "ViewPosition"),
        image_type=tuple(part.upper() for part in _texts(data.get("ImageType"))),
        frames=_number(data, "NumberOfFrames", 1) if rows > 0 and columns > 0 else 0,
        order=(_number(data, "SeriesNumber", 0), _number(data, "InstanceNumber", 0)),
        slice=Slice(
            (rows, columns),
            spacing_of_group(data)[0],
            position if len(position) == 3 else None,
            directions_of_group(data),
        ),
        marks={name: "\\".join(_texts(data[name])) for name in MARKS if name in data},
    )


def _text(data: dict[str, Any], keyword: str) -> str:
    return "\\".join(_texts(data.get(keyword)))


def _number(data: dict[str, Any], keyword: str, absent: int) -> int:
    value = data.get(keyword)
    return int(value) if isinstance(value, (int, float)) and value else absent


def _texts(value: Any) -> list[str]:
    many = isinstance(value, Sequence) and not isinstance(value, str)
    return [str(part) for part in (value if many else [value]) if part is not None]
