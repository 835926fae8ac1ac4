"""Members of shards as paths: ``shard-00003.tar/000012.0.png`` is found by the shard's index, without a scan.

A shard is a plain tar file, readable by any tar program and by WebDataset; beside it ``shard-00003.index.json`` says
where each member starts, how long it is and its SHA-256. Only what a member's hash confirms is ever read.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from medvlm.study import ImageError

SUFFIX, INDEX = ".tar", ".index.json"


@dataclass(frozen=True, slots=True)
class Part:
    """One file in a shard.

    Attributes:
        name: Its path in the tar file.
        start: First byte of its content in the tar file.
        size: Bytes.
        sha256: Hash of its content.
    """

    name: str
    start: int
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Member:
    """An image in a shard: one file, or a folder of slices.

    Attributes:
        shard: The tar file.
        name: Its path there.
        parts: Its files; the only one is called ``name`` unless it is a folder.
        sha256: Hash by which the cache knows it; that of the file itself wherever it lies outside of a shard.
    """

    shard: Path
    name: str
    parts: tuple[Part, ...]
    sha256: str


def find_member(path: Path) -> Member | None:
    """Find the image that a path through a shard means.

    Returns:
        None if no part of the path is a shard.

    Raises:
        ImageError: If the shard has no index, was cut off, or has no such member.
    """
    shard = next((above for above in path.parents if above.suffix == SUFFIX), None)
    if shard is None or shard.is_dir():
        return None
    name = path.relative_to(shard).as_posix()
    parts = read_index(shard)
    if name in parts:
        return Member(shard, name, (parts[name],), parts[name].sha256)
    inside = tuple(part for other, part in parts.items() if other.startswith(f"{name}/"))
    if not inside:
        raise ImageError(f"{shard}: its index has no member {name!r}; were the shards written anew?")
    lines = sorted(f"{part.name.removeprefix(f'{name}/')}\0{part.sha256}" for part in inside)
    return Member(shard, name, inside, hashlib.sha256("\n".join(lines).encode()).hexdigest())


def read_index(shard: Path) -> dict[str, Part]:
    """Return the files of a shard by name.

    Raises:
        ImageError: If the shard or its index is absent or damaged, or the shard has another size than the index says.
    """
    try:
        size = shard.stat().st_size
    except FileNotFoundError:
        raise ImageError(f"{shard}: the shard does not exist") from None
    return _read_index(shard, size)


@lru_cache(maxsize=256)
def _read_index(shard: Path, size: int) -> dict[str, Part]:
    """Read and check an index; ``size`` is that of the shard, so that a changed one is looked at again."""
    index = shard.with_name(shard.name.removesuffix(SUFFIX) + INDEX)
    try:
        found: dict[str, Any] = json.loads(index.read_text(encoding="utf-8"))
        expected = int(found["bytes"])
        parts = {name: Part(name, *place) for name, place in found["members"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ImageError(
            f"{index}: no index of {shard.name} ({type(error).__name__}); write the shards again"
        ) from None
    if size != expected:
        raise ImageError(f"{shard}: {size} bytes, its index says {expected}; the shard is cut off or was replaced")
    return parts


def read_part(shard: Path, part: Part) -> bytes:
    """Read one file of a shard.

    Raises:
        ImageError: If its bytes are not those that were written.
    """
    with shard.open("rb") as file:
        file.seek(part.start)
        data = file.read(part.size)
    if hashlib.sha256(data).hexdigest() != part.sha256:
        raise ImageError(f"{shard}: member {part.name!r} is damaged (its SHA-256 is not that of the index)")
    return data


@contextmanager
def local_file(path: Path) -> Iterator[Path]:
    """Give a path that readers can open: the path itself, or a temporary copy of what it means in a shard.

    Args:
        path: Of an image.

    Raises:
        ImageError: If it is the member of a shard that is absent or damaged.
    """
    member = find_member(path)
    if member is None:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="medvlm-") as folder:
        for part in member.parts:
            target = Path(folder) / _inside(part.name, member)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(read_part(member.shard, part))
        yield Path(folder) / PurePosixPath(member.name)


def _inside(name: str, member: Member) -> PurePosixPath:
    """Refuse a name that leads out of the folder."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise ImageError(
            f"{member.shard}: member {name!r} leads out of its folder; the shard was not written by medvlm"
        )
    return path
