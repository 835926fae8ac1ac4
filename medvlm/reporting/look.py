"""What a file is, from its first bytes or its header, and whose it is: as a hash that lives as long as the search."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from medvlm.reporting.studies import Entry, Kind, Stray, study_id
from medvlm.study import ImageError

if TYPE_CHECKING:
    from pydicom import Dataset

DIRECTORY = "1.2.840.10008.1.3.10"
"""Media Storage Directory (PS3.4 B.5): the DICOMDIR of a disc."""

_TAGS = (
    "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID", "Modality", "ImageType", "ViewPosition",
    "Rows", "Columns", "NumberOfFrames", "SeriesNumber", "InstanceNumber", "BodyPartExamined", "StudyDate",
    "PatientID", "IssuerOfPatientID", "PatientBirthDate",
)  # fmt: skip
_PATIENT = ("PatientID", "IssuerOfPatientID", "PatientBirthDate")
_UID = re.compile(r"[0-9][0-9.]{0,63}")
_CODE = re.compile(r"[A-Z0-9_ ]{1,16}")


@dataclass(frozen=True, slots=True)
class Looked:
    """What a header says.

    Attributes:
        kind: Of the file.
        entry: All of it that is kept.
        patient: Keyed hash of PatientID (0010,0020), its issuer and the date of birth; empty without a PatientID. The
            key is drawn for each search and forgotten after it.
        day: StudyDate (0008,0020); None where there is none. It goes no further than the search.
    """

    kind: Kind
    entry: Entry
    patient: bytes = b""
    day: date | None = None


def look(path: Path, place: str, key: bytes) -> Stray | Looked:
    """Look at a file.

    Args:
        path: The file.
        place: Where it lies below the searched folder.
        key: Of the search, for the hash of the patient.
    """
    from medvlm.datamodules.readers.common import READ_ERRORS, describe
    from medvlm.datamodules.readers.sniff import HEAD, kind_of

    name = study_id(place)
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
        kind = kind_of(head)
        if kind is None:
            return Stray(name, path, "skipped", f"no image: it looks like {describe(head)}")
        if kind == "dicom":
            return _header(path, name, key)
        alone = Entry(path=path, stamp=_stamp(path))
        return Looked("nifti" if kind in ("nifti", "itk") else "picture", alone)  # a slide is its thumbnail
    except ImageError as error:
        return Stray(name, path, "failed", str(error))
    except OSError as error:
        return Stray(name, path, "failed", f"cannot be read: {error.strerror}")
    except READ_ERRORS as error:  # its message may quote the header
        return Stray(name, path, "failed", f"a broken DICOM header ({type(error).__name__})")


def _stamp(path: Path) -> str:
    status = path.stat()
    return f"{status.st_size}:{status.st_mtime_ns}"


def _header(path: Path, name: str, key: bytes) -> Stray | Looked:
    from medvlm.datamodules.readers.dicom import open_dicom

    data = open_dicom(path, "FILE", _TAGS, header=True)
    content = data.get("SOPClassUID") or data.file_meta.get("MediaStorageSOPClassUID")
    if content == DIRECTORY:
        return Stray(name, path, "skipped", "a DICOMDIR, the index of a disc: its files are found by themselves")
    rows, columns = _number(data, "Rows"), _number(data, "Columns")
    entry = Entry(
        path=path,
        stamp=_uid(data, "SOPInstanceUID") or _stamp(path),
        study=_uid(data, "StudyInstanceUID"),
        series=_uid(data, "SeriesInstanceUID"),
        instance=_uid(data, "SOPInstanceUID"),
        sop_class=str(content) if _UID.fullmatch(str(content or "")) else "",
        content=str(getattr(content, "name", "") or "DICOM object of no known class"),
        modality=_code(data, "Modality") or "OT",
        view=_code(data, "ViewPosition"),
        image_type=_codes(data, "ImageType"),
        frames=max(1, _number(data, "NumberOfFrames")) if rows > 0 and columns > 0 else 0,
        order=(_number(data, "SeriesNumber"), _number(data, "InstanceNumber")),
        body_part=_code(data, "BodyPartExamined"),
        size=(rows, columns),
    )
    return Looked("dicom", entry, _patient(data, key), _day(data))


def _patient(data: Dataset, key: bytes) -> bytes:
    """Numbers repeat between hospitals: issuer and date of birth must be the same too, or be missing in both."""
    if not _text(data, "PatientID"):
        return b""
    text = "\0".join(_text(data, keyword) for keyword in _PATIENT)
    return hmac.digest(key, text.encode(errors="surrogateescape"), hashlib.sha256)


def _day(data: Dataset) -> date | None:
    try:
        return datetime.strptime(_text(data, "StudyDate"), "%Y%m%d").date()
    except ValueError:  # none, or no date: it is compared with nothing
        return None


def _text(data: Dataset, keyword: str) -> str:
    return str(data.get(keyword) or "").strip()


def _uid(data: Dataset, keyword: str) -> str:
    """A UID as it is; what is none could hold anything, and is told apart by its hash."""
    text = _text(data, keyword)
    return text if not text or _UID.fullmatch(text) else f"invalid-{study_id(text)}"


def _code(data: Dataset, keyword: str) -> str:
    text = _text(data, keyword)
    return text if _CODE.fullmatch(text) else ""


def _codes(data: Dataset, keyword: str) -> tuple[str, ...]:
    value = data.get(keyword) or ()
    parts = (value,) if isinstance(value, str) else tuple(str(part) for part in value)
    return tuple(part.strip().upper() for part in parts if _CODE.fullmatch(part.strip().upper()))


def _number(data: Dataset, keyword: str) -> int:
    text = _text(data, keyword)
    return int(text) if text.isdecimal() else 0
