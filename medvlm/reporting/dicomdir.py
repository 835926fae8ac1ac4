"""The files that a DICOMDIR lists (PS3.10 8, PS3.3 F.3), and those that are not there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from medvlm.reporting.look import DIRECTORY
from medvlm.reporting.studies import Stray, study_id
from medvlm.study import ImageError

_TAGS = ("SOPClassUID", "DirectoryRecordSequence")


def is_dicomdir(path: Path) -> bool:
    """Whether a file is an index of a disc, by its meta header (0002,0002) and not by its name.

    Args:
        path: An existing file.
    """
    from pydicom.errors import InvalidDicomError
    from pydicom.filereader import read_file_meta_info

    try:
        with path.open("rb") as file:
            if file.read(132)[128:] != b"DICM":
                return False
        return bool(read_file_meta_info(path).get("MediaStorageSOPClassUID") == DIRECTORY)
    except (InvalidDicomError, EOFError, ValueError, KeyError, NotImplementedError):
        return False  # whatever it is, it is looked at as a file and refused there with a reason


def files_of(path: Path, place: str) -> Iterator[Path | Stray]:
    """The files that an index lists, in its order; a stray for each that is not there or lies outside its folder.

    Reasons number the records and do not name the files: a file ID (0004,1500) often holds the patient's number.

    Args:
        path: The DICOMDIR.
        place: Where it lies below the searched folder.
    """
    from medvlm.datamodules.readers.common import READ_ERRORS
    from medvlm.datamodules.readers.dicom import open_dicom

    try:
        records = open_dicom(path, "DICOMDIR", _TAGS, header=True).get("DirectoryRecordSequence") or ()
        ids = [(number, _parts(record.get("ReferencedFileID"))) for number, record in enumerate(records, start=1)]
    except ImageError as error:
        yield Stray(study_id(place), path, "failed", str(error))
        return
    except READ_ERRORS as error:
        yield Stray(study_id(place), path, "failed", f"a broken DICOMDIR ({type(error).__name__})")
        return
    if not any(parts for _, parts in ids):
        yield Stray(study_id(place), path, "skipped", "a DICOMDIR that lists no file; give the folder instead")
    folder = path.parent.resolve()
    for number, parts in ids:
        if parts:
            yield _file(folder, parts) or Stray(study_id(f"{place}:{number}"), path, "failed", _missing(number))


def _parts(value: object) -> tuple[str, ...]:
    """Components of a file ID; a single one is no list in pydicom."""
    if not value:
        return ()
    return (value,) if isinstance(value, str) else tuple(str(part) for part in value)  # type: ignore[attr-defined]


def _file(folder: Path, parts: tuple[str, ...]) -> Path | None:
    """The file of these components; systems that copy discs write names small, or leave them as they are."""
    if any(part in ("", ".", "..") or "/" in part or "\0" in part for part in parts):
        return None
    for names in (parts, tuple(part.lower() for part in parts)):
        found = folder.joinpath(*names).resolve()
        if found.is_file() and found.is_relative_to(folder):
            return found
    return None


def _missing(number: int) -> str:
    return f"record {number} of the DICOMDIR: its file is not there, or lies outside the folder of the DICOMDIR"
