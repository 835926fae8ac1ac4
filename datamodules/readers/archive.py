"""A study in a ZIP archive, or one file in gzip: unpacked into a private folder that is deleted after reading.

Nothing leaves that folder: members with absolute names, ``..``, links and devices are refused, and so is an archive
that unpacks to more than the limit, whatever its directory claims.
"""

from __future__ import annotations

import gzip
import stat
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from medvlm.study import ImageError

from .common import READ_ERRORS, refuse_size

MAX_MEMBERS = 20_000
"""Most files that an archive may hold."""

_BLOCK = 2**20
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # LZMA allocates what its header asks for
_KINDS = (0, stat.S_IFREG, stat.S_IFDIR)


_OTHERS = {
    "[Content_Types].xml": "an Office document",
    "mimetype": "an OpenDocument or EPUB file",
    "META-INF/MANIFEST.MF": "a Java archive",
    "data.pkl": "a PyTorch checkpoint",
}
"""Files that are ZIP archives and hold no study, by a member that gives them away."""


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """Unpack an archive for as long as it is read.

    Args:
        path: A ZIP archive, or a gzip of one file.

    Yields:
        The file, where there is only one, else the folder.

    Raises:
        ImageError: If a member would leave the folder, is no file, is encrypted or broken, or if it is all too much.

    Examples:
        >>> with unpacked(Path("study.zip")) as place:  # doctest: +SKIP
        ...     image = read_image(place)
    """
    with tempfile.TemporaryDirectory(prefix="medvlm-") as name:
        folder = Path(name)
        try:
            files = _unzip(path, folder) if _is_zip(path) else _gunzip(path, folder)
        except ImageError:
            raise
        except (*READ_ERRORS, zipfile.BadZipFile) as error:
            raise ImageError(
                f"{path}: the archive cannot be unpacked ({' '.join(str(error).split())[:200]})."
            ) from error
        if not files:
            raise ImageError(f"{path}: an archive without files; expected those of a study.")
        yield files[0] if len(files) == 1 else folder


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"PK"


def _gunzip(path: Path, folder: Path) -> list[Path]:
    place = folder / (path.name.removesuffix(".gz") or "file")
    with gzip.open(path) as packed:
        _copy(packed, place, 0, path)
    return [place]


def _unzip(path: Path, folder: Path) -> list[Path]:
    with zipfile.ZipFile(path) as archive:
        members = [member for member in archive.infolist() if not member.is_dir() and not _is_hidden(member.filename)]
        for member in archive.infolist():
            _check(path, member)
            name = member.filename if member.filename in _OTHERS else PurePosixPath(member.filename).name
            if kind := _OTHERS.get(name):
                raise ImageError(f"{path} is no image: it looks like {kind}; expected the files of a study.")
        if len(members) > MAX_MEMBERS:
            raise ImageError(f"{path}: an archive of {len(members):,} files, the limit is {MAX_MEMBERS:,}.")
        refuse_size(str(path), sum(member.file_size for member in members), what="unpacked members")
        total, files = 0, []
        for member in members:
            place = folder.joinpath(*PurePosixPath(member.filename).parts)
            place.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(member) as packed:
                total = _copy(packed, place, total, path)
            files.append(place)
    return files


def _is_hidden(name: str) -> bool:
    """What a Mac adds to archives, and other files that begin with a dot."""
    return any((part.startswith(".") and part != "..") or part == "__MACOSX" for part in PurePosixPath(name).parts)


def _check(path: Path, member: zipfile.ZipInfo) -> None:
    """Refuse a member that would be written elsewhere (CWE-22), or that is no plain file."""
    name = member.filename
    posix, windows = PurePosixPath(name), PureWindowsPath(name)
    if posix.is_absolute() or windows.drive or windows.root or ".." in windows.parts or "\\" in name:
        raise ImageError(f"{path}: its member {name!r} would be written outside of the folder; the archive is refused.")
    if stat.S_IFMT(member.external_attr >> 16) not in _KINDS:
        raise ImageError(f"{path}: its member {name!r} is a link or a device; the archive is refused.")
    if member.flag_bits & 1:
        raise ImageError(f"{path}: its member {name!r} is encrypted; unpack it with its password and give the folder.")
    if member.compress_type not in _METHODS:
        raise ImageError(
            f"{path}: {name!r} is packed by method {member.compress_type}; expected deflate (8) or none (0)."
        )


def _copy(packed: IO[bytes] | gzip.GzipFile, place: Path, total: int, path: Path) -> int:
    """Write a member in blocks, counting what really comes out."""
    with place.open("xb") as file:
        while block := packed.read(_BLOCK):
            total += len(block)
            refuse_size(str(path), total, what="unpacked members")
            file.write(block)
    return total
