"""Find the studies in a folder tree: headers only, by content, grouped by StudyInstanceUID."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from medvlm.datamodules.readers.choose import Described
from medvlm.study import ImageError

if TYPE_CHECKING:
    from pydicom import Dataset

_THREADS = 4
_TAGS = (
    "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID", "Modality", "ImageType", "ViewPosition",
    "Rows", "Columns", "NumberOfFrames", "SeriesNumber", "InstanceNumber",
)  # fmt: skip
_UID = re.compile(r"[0-9][0-9.]{0,63}")
_CODE = re.compile(r"[A-Z0-9_ ]{1,16}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry(Described):
    """One file, as its header says; it holds nothing of the patient.

    Attributes:
        stamp: Changes when the file does.
        study: StudyInstanceUID; empty if it says none.
        instance: SOPInstanceUID.
        sop_class: SOPClassUID.
    """

    stamp: str
    study: str = ""
    instance: str = ""
    sop_class: str = ""


@dataclass(frozen=True, slots=True)
class Study:
    """What is reported as one.

    Attributes:
        id: 16 hex digits: hash of the study's UID, or of the place of a file that has none.
        kind: ``dicom``, ``nifti`` (or another file with a volume) or ``picture``.
        uid: StudyInstanceUID; empty if there is none.
        stamp: Changes when files are added or changed.
        entries: Its files.
    """

    id: str
    kind: Literal["dicom", "nifti", "picture"]
    uid: str
    stamp: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Stray:
    """A file that belongs to no study, and why."""

    id: str
    path: Path
    status: Literal["skipped", "failed"]
    reason: str


def find_studies(roots: Sequence[Path], *, leave_out: Path | None = None) -> tuple[list[Study], list[Stray]]:
    """All studies in folders and files, in a stable order, and the files that are none.

    A DICOM study is all files of one StudyInstanceUID, wherever they lie; a NIfTI file or picture is one by itself.

    Args:
        roots: Folders and files.
        leave_out: A folder that is not searched: that of the reports.

    Raises:
        FileNotFoundError: If there is nothing at one of them.
    """
    base = common_folder(roots)
    unread: list[OSError] = []
    files = dict.fromkeys(path for root in roots for path in _files(root, leave_out, unread.append))
    with ThreadPoolExecutor(_THREADS) as pool:
        looked = list(pool.map(lambda path: _look(path, base), files))
    groups: dict[str, list[tuple[str, Entry]]] = {}
    strays = [_unread_folder(error, base) for error in unread]
    strays += [found for found in looked if isinstance(found, Stray)]
    for found in looked:
        if not isinstance(found, Stray):
            kind, entry = found
            groups.setdefault(study_id(entry.study or place_of(entry.path, base)), []).append((kind, entry))
    return [_study(name, members) for name, members in sorted(groups.items())], strays


def common_folder(roots: Sequence[Path]) -> Path:
    """The folder below which all of them lie; a single folder itself.

    Args:
        roots: Folders and files.

    Raises:
        FileNotFoundError: If there is nothing at one of them, or none is given.
    """
    for root in roots:
        if not root.exists():
            raise FileNotFoundError(f"There is nothing at {root}; give the folder that holds the studies.")
    if not roots:
        raise FileNotFoundError("No studies are given; give the folder that holds them.")
    return Path(os.path.commonpath([(root if root.is_dir() else root.parent).resolve() for root in roots]))


def study_id(text: str) -> str:
    """The name of a study's report: a hash, for a path may hold a patient's name.

    Args:
        text: StudyInstanceUID, or the place of the file below the searched folder.

    Examples:
        >>> study_id("1.2.840.1")
        'f9a13599155b7052'
    """
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:16]


def _unread_folder(error: OSError, base: Path) -> Stray:
    """A folder that is there and cannot be listed: what it holds was not looked at, and must not vanish unsaid."""
    path = Path(error.filename)
    return Stray(study_id(place_of(path, base)), path, "failed", f"a folder that cannot be read: {error.strerror}")


def _files(root: Path, leave_out: Path | None, unread: Callable[[OSError], None]) -> Iterator[Path]:
    if root.is_file():
        yield root
        return
    spared = None if leave_out is None else leave_out.resolve()
    for folder, below, names in os.walk(root, onerror=unread):
        below[:] = sorted(name for name in below if not name.startswith(".") and Path(folder, name).resolve() != spared)
        yield from (Path(folder, name) for name in sorted(names) if not name.startswith("."))


def place_of(path: Path, base: Path) -> str:
    """Where a file lies below a folder.

    Args:
        path: The file.
        base: Of ``common_folder``.
    """
    return Path(path.parent.resolve(), path.name).relative_to(base).as_posix()


def _look(path: Path, base: Path) -> Stray | tuple[Literal["dicom", "nifti", "picture"], Entry]:
    """What a file is, from its first bytes, or its header."""
    from medvlm.datamodules.readers.common import READ_ERRORS, describe
    from medvlm.datamodules.readers.sniff import HEAD, kind_of

    name = study_id(place_of(path, base))
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
        kind = kind_of(head)
        if kind is None:
            return Stray(name, path, "skipped", f"no image: it looks like {describe(head)}")
        if kind == "dicom":
            return kind, _header(path)
        alone = Entry(path=path, stamp=_stamp(path))
        return "nifti" if kind in ("nifti", "itk") else "picture", alone  # a slide is its thumbnail
    except ImageError as error:
        return Stray(name, path, "failed", str(error))
    except OSError as error:
        return Stray(name, path, "failed", f"cannot be read: {error.strerror}")
    except READ_ERRORS as error:  # its message may quote the header
        return Stray(name, path, "failed", f"a broken DICOM header ({type(error).__name__})")


def _stamp(path: Path) -> str:
    status = path.stat()
    return f"{status.st_size}:{status.st_mtime_ns}"


def _header(path: Path) -> Entry:
    from medvlm.datamodules.readers.dicom import open_dicom

    data = open_dicom(path, "FILE", _TAGS, header=True)
    content = data.get("SOPClassUID") or data.file_meta.get("MediaStorageSOPClassUID")
    has_pixels = _number(data, "Rows") > 0 and _number(data, "Columns") > 0
    return Entry(
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
        frames=max(1, _number(data, "NumberOfFrames")) if has_pixels else 0,
        order=(_number(data, "SeriesNumber"), _number(data, "InstanceNumber")),
    )


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


def _study(name: str, members: Sequence[tuple[str, Entry]]) -> Study:
    entries = sorted((entry for _, entry in members), key=lambda entry: (entry.series, entry.order, str(entry.path)))
    kinds = {kind for kind, _ in members}
    kind: Literal["dicom", "nifti", "picture"] = (
        "dicom" if "dicom" in kinds else "nifti" if "nifti" in kinds else "picture"
    )
    stamps = "\n".join(sorted(entry.stamp for entry in entries))
    return Study(name, kind, entries[0].study, hashlib.sha256(stamps.encode()).hexdigest()[:16], tuple(entries))
