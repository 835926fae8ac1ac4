"""The images that an audit compares, each read once: its size, hash and looks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from medvlm.study import ImageError, ImageRef

from .audit_report import Audit
from .content import image_files, sha256_file
from .looks import Bits, look_of
from .shard_files import find_member, local_file

T = TypeVar("T")
Watch = Callable[[Iterable[T], int, str], Iterable[T]]


def name_of(ref: ImageRef) -> str:
    """Name an image by where it really lies."""
    return str(ref.path.resolve())


def is_there(path: Path) -> bool:
    """Whether an image can be read: a file, a folder or the member of a shard."""
    return path.exists() or find_member(path) is not None


class ImageFiles:
    """Reads each image once, for its size, hash and looks."""

    def __init__(self, watch: Watch[Any], workers: int, result: Audit) -> None:
        self.watch, self.workers, self.result = watch, workers, result
        self.looks: dict[str, Bits] = {}
        self._hashes: dict[str, tuple[str, ...]] = {}

    def look(self, refs: Sequence[ImageRef]) -> None:
        """Take the looks of images, each once."""
        unique = list({name_of(ref): ref for ref in refs}.items())
        with ThreadPoolExecutor(self.workers) as pool:
            found = pool.map(_look, (ref for _, ref in unique))
            for (name, ref), look in zip(unique, self.watch(found, len(unique), "reading images"), strict=True):
                if isinstance(look, str):
                    self.result.unread[str(ref.path)] = look
                elif look is None:
                    self.result.flat.append(str(ref.path))
                else:
                    self.looks[name] = look

    def size(self, ref: ImageRef) -> int:
        """Return the bytes of an image."""
        member = find_member(ref.path)
        if member is not None:
            return sum(part.size for part in member.parts)
        return sum(file.stat().st_size for file in image_files(ref.path))

    def hashes(self, ref: ImageRef) -> tuple[str, ...]:
        """Return the hashes of the files of an image, sorted: names do not count."""
        name = name_of(ref)
        if name not in self._hashes:
            member = find_member(ref.path)
            if member is not None:
                found = [part.sha256 for part in member.parts]
            else:
                found = [sha256_file(file) for file in image_files(ref.path)]
            self._hashes[name] = tuple(sorted(found))
        return self._hashes[name]


def _look(ref: ImageRef) -> Bits | str | None:
    """Return the looks of an image, None if it has none, or why it cannot be read."""
    from .readers import read_image

    try:
        with local_file(ref.path) as path:
            return look_of(read_image(path))
    except (ImageError, OSError) as error:
        return " ".join(str(error).split())
