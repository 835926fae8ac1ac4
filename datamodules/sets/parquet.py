"""Parquet releases: the rows without their images, and the images as files beside the set, written once.

Hugging Face releases keep the bytes of an image in a cell, but a sample names a file. So the first reading of a parquet
file writes each image, as it is and undecoded, to ``<root>/.medvlm/images/<hash of its bytes>.<jpg|png|...>``, and an
index of the names beside them; later readings touch the texts only. Equal images become one file, so an image has one
name in every split. Files appear whole or not at all, and several processes may write at a time.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from medvlm.study import SampleError, need

from .records import find_file
from .table import check_columns

BATCH = 64
FOLDER = Path(".medvlm") / "images"
SUFFIXES = {b"\xff\xd8\xff": "jpg", b"\x89PNG": "png", b"II*\0": "tif", b"MM\0*": "tif", b"BM": "bmp", b"RIFF": "webp"}


def find_shards(root: Path | str, split: str, what: str) -> list[Path]:
    """Return the parquet files of a split in their order: ``data/<split>-00000-of-00004.parquet`` and so on.

    Raises:
        FileNotFoundError: If the folder is absent, or holds no such file.
    """
    root = Path(root)
    found = sorted(path for folder in ("data", ".") for path in (root / folder).glob(f"{split}-*-of-*.parquet"))
    return found or [find_file(root, [f"data/{split}.parquet", f"{split}.parquet"], what)]


def read_parquet(path: Path, columns: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Give the rows of a parquet file, without the bytes of images; little of the file is in memory at a time.

    Args:
        path: The file.
        columns: Columns that must be there.

    Raises:
        ImportError: If pyarrow is absent; the message says how to install it.
        SampleError: If the file is no parquet, or lacks a column.
    """
    file = _open(path)
    names = file.schema_arrow.names
    check_columns(path, names, columns)
    yield from _batches(path, file, [name for name in names if name not in _images(file)])


def read_with_images(path: Path, column: str, columns: Iterable[str], root: Path) -> Iterator[dict[str, Any]]:
    """Give the rows of a parquet file whose image column holds the names of files below ``image_folder(root)``.

    Args:
        path: The file.
        column: The column of images: bytes, a structure with ``bytes``, or a list of them. In the rows it is a list.
        columns: Columns that must be there besides.
        root: Folder of the set.

    Raises:
        SampleError: If the file is no parquet, lacks a column, or images cannot be written below the root.
    """
    check_columns(path, _open(path).schema_arrow.names, [column, *columns])
    for row, names in zip(read_parquet(path, columns), image_names(path, column, root), strict=True):
        yield {**row, column: names}


def has_images(path: Path, column: str) -> bool:
    """Say whether a parquet file has a column of that name which holds bytes."""
    return column in _images(_open(path))


def image_folder(root: Path | str) -> Path:
    """Return where the images of a parquet release are written."""
    return Path(root) / FOLDER


def image_names(path: Path, column: str, root: Path) -> list[list[str]]:
    """Return the names of each row's images, writing the images that are not yet there.

    Args:
        path: A parquet file.
        column: The column of images.
        root: Folder of the set.

    Raises:
        SampleError: If the images cannot be written.
    """
    folder = image_folder(root)
    stamp = {"size": path.stat().st_size, "changed": path.stat().st_mtime_ns, "column": column}
    index = folder / f"{path.stem}.json"
    if index.is_file():
        known = json.loads(index.read_text(encoding="utf-8"))
        if {key: known.get(key) for key in stamp} == stamp:
            return list(known["names"])
    try:
        folder.mkdir(parents=True, exist_ok=True)
        names = [_write(folder, row[column]) for row in _batches(path, _open(path), [column])]
        _replace(index, json.dumps({**stamp, "names": names}).encode())
    except OSError as error:
        raise SampleError(
            f"{path}: its images cannot be written to {folder}: {error}; unpack the set where it can be "
            "written to, at least once"
        ) from None
    return names


def _open(path: Path) -> Any:
    """Open a parquet file."""
    arrow, parquet = need("pyarrow", "parquet"), need("pyarrow.parquet", "parquet")
    try:
        return parquet.ParquetFile(path)
    except (arrow.ArrowInvalid, OSError) as error:
        raise SampleError(f"{path}: expected a parquet file: {error}") from None


def _batches(path: Path, file: Any, columns: list[str]) -> Iterator[dict[str, Any]]:
    """Give the rows of some columns, a few at a time."""
    arrow = need("pyarrow", "parquet")
    try:
        for batch in file.iter_batches(batch_size=BATCH, columns=columns):
            yield from batch.to_pylist()
    except (arrow.ArrowInvalid, OSError) as error:
        raise SampleError(f"{path}: the file is cut off or damaged: {error}") from None


def _images(file: Any) -> set[str]:
    """Return the columns that hold bytes, plain or in a structure."""
    kinds = {field.name: str(field.type) for field in file.schema_arrow}
    return {name for name, kind in kinds.items() if "binary" in kind}


def _write(folder: Path, cell: Any) -> list[str]:
    """Write the images of a cell, where they are not there, and return their names."""
    names = []
    for image in cell if isinstance(cell, list) else [cell]:
        data = image.get("bytes") if isinstance(image, dict) else image
        if isinstance(data, bytes) and data:
            suffix = next((suffix for start, suffix in SUFFIXES.items() if data.startswith(start)), "bin")
            names.append(f"{hashlib.sha256(data).hexdigest()[:24]}.{suffix}")
            if not (folder / names[-1]).exists():
                _replace(folder / names[-1], data)
    return names


def _replace(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_bytes(data)
    part.replace(path)
