"""What a file holds, as a short name: hashed once, and again only if the file may have changed.

A hash is remembered by the file's path, size, inode and times of change, in memory and (if asked for) in a journal that
many processes append to. The time of the last change of the inode (ctime) is among them, for it cannot be set back: a
file of the same size with its old modification time restored is hashed again. A file younger than ``SETTLED_S`` is
hashed each time, for a second change could fall into the same tick of its file system's clock.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
import zlib
from pathlib import Path

from medvlm.files import write_whole
from medvlm.study import ImageError

from .shard_files import find_member

SETTLED_S = 2.0
JOURNAL_BYTES = 64 << 20
PAIRS = frozenset({".hdr", ".img"})  # NIfTI and Analyze: header and voxels in two files of one stem
HEADERS = frozenset({".mhd", ".mha", ".nhdr", ".nrrd"})  # their voxels may be in a file that they name
HEADER_BYTES = 1 << 16
NAMED = re.compile(rb"^(?:data ?file\s*:=?|elementdatafile\s*=)\s*(.+?)\s*$", re.IGNORECASE | re.MULTILINE)


def sha256_file(path: Path) -> str:
    """Hash the bytes of one file.

    Returns:
        64 hexadecimal digits.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def image_files(path: Path) -> list[Path]:
    """Return the files of an image: one, one and the file that holds its voxels, or all in a folder of slices.

    Raises:
        ImageError: If nothing is there.
    """
    if path.is_dir():
        return sorted(found for found in path.rglob("*") if found.is_file())
    if not path.is_file():
        raise ImageError(f"{path}: expected an image file or a folder of slices, found nothing there")
    suffix = path.suffix.lower()
    if suffix in PAIRS:
        beside = {path.with_suffix(other) for name in PAIRS for other in (name, name.upper())}
        return sorted(found for found in beside if found.is_file())
    return [path, *_named(path)] if suffix in HEADERS else [path]


def _named(path: Path) -> list[Path]:
    """Return the file of voxels that a header names, if it is there."""
    with path.open("rb") as file:
        names = NAMED.findall(file.read(HEADER_BYTES).partition(b"\n\n")[0])
    beside = [path.parent / os.fsdecode(name) for name in names[:1] if name.upper() != b"LOCAL"]
    return [found for found in beside if found.is_file()]


class Digests:
    """Names images by their content: the same bytes anywhere have the same name."""

    def __init__(self, journal: Path | None = None, *, stamps: bool = False) -> None:
        """Start with what the journal holds, once that is needed.

        Args:
            journal: A text file to which hashes are appended, one fixed-length line each. A line that is damaged or cut
                off is passed over: it only costs a hash.
            stamps: Name a settled file by its path, size and times instead: enough within one run, and nothing is read.
        """
        self.journal, self.stamps = journal, stamps
        self._known: dict[str, str] | None = None

    def __call__(self, path: Path) -> str:
        """Return 64 hexadecimal digits that name the content of an image.

        Args:
            path: A file, a folder of slices (whose names count too) or a member of a shard.

        Raises:
            ImageError: If nothing is there.
        """
        member = find_member(path)
        if member is not None:
            return member.sha256
        files = image_files(path)
        if files == [path]:
            return self._file(path)
        parent = path if path.is_dir() else path.parent
        parts = [f"{os.path.relpath(file, parent)}\0{self._file(file)}" for file in files]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def _file(self, path: Path) -> str:
        """Return the hash of a file, from memory if it has not changed."""
        if self._known is None:
            self._known = self._load()
        stamp, changed = _stamp(path)
        if stamp in self._known:
            return self._known[stamp]
        settled = time.time() - changed > SETTLED_S
        if self.stamps and settled:
            return stamp
        digest = sha256_file(path)
        if settled and _stamp(path)[0] == stamp:
            self._known[stamp] = digest
            self._append(stamp, digest)
        return digest

    def _append(self, stamp: str, digest: str) -> None:
        """Add one line in one write, which a killed process does wholly or not at all."""
        if self.journal is None:
            return
        self.journal.parent.mkdir(parents=True, exist_ok=True)
        text = f"{stamp} {digest}"
        with self.journal.open("ab", buffering=0) as file:
            file.write(f"{text} {zlib.crc32(text.encode()):08x}\n".encode())

    def _load(self) -> dict[str, str]:
        """Read the journal; of one that has grown too long, the newer half is kept."""
        if self.journal is None or not self.journal.is_file():
            return {}
        lines = self.journal.read_bytes().split(b"\n")
        if self.journal.stat().st_size > JOURNAL_BYTES:
            lines = lines[len(lines) // 2 :]
            write_whole(self.journal, b"\n".join(lines), sync=False)
        return dict(pair for line in lines if (pair := _pair(line)) is not None)


def _pair(line: bytes) -> tuple[str, str] | None:
    """Read one line of a journal, or None if it is not whole."""
    text, _, check = line.rpartition(b" ")
    if len(text) != 32 + 1 + 64 or f"{zlib.crc32(text):08x}".encode() != check:
        return None
    stamp, _, digest = text.decode("ascii").partition(" ")
    return stamp, digest


def _stamp(path: Path) -> tuple[str, float]:
    """Describe a file so that a change of it shows, and say when it last changed (seconds since 1970)."""
    status = path.stat()
    parts = (os.path.abspath(path), status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
    name = hashlib.sha256("|".join(map(str, parts)).encode(errors="surrogateescape")).hexdigest()[:32]
    return name, max(status.st_mtime, status.st_ctime)
