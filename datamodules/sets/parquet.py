"""Parquet releases: the rows without their images, and the images as files beside the set, written once.

Hugging Face releases keep the bytes of an image in a cell, but a sample names a file. So the first reading of a parquet
file writes each image below ``<root>/.medvlm/images`` (see ``images``) and an index of the names beside them; later
readings touch the texts only.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from medvlm.files import write_whole
from medvlm.study import SampleError, need

from .images import image_folder, read_index, stamp_of, unwritable, write_image
from .records import find_file
from .table import check_columns

BATCH = 64


def find_shards(root: Path | str, split: str, what: str) -> list[Path]:
    """Return the parquet files of a split in their order: ``data/<split>-00000-of-00004.parquet`` and so on.

    The hub's own conversion (``default/<split>/0000.parquet``) is taken too.

    Raises:
        FileNotFoundError: If the folder is absent, or holds no such file.
    """
    root = Path(root)
    for pattern in (f"data/{split}-*-of-*.parquet", f"{split}-*-of-*.parquet", f"default/{split}/[0-9]*.parquet"):
        found = sorted(root.glob(pattern))
        if found:
            return found
    return [
        find_file(root, [f"data/{split}-00000-of-00001.parquet", f"data/{split}.parquet", f"{split}.parquet"], what)
    ]


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


def image_names(path: Path, column: str, root: Path) -> list[list[str]]:
    """Return the names of each row's images, writing the images that are not yet there.

    Args:
        path: A parquet file.
        column: The column of images.
        root: Folder of the set.

    Raises:
        SampleError: If the images cannot be written.
    """
    folder, stamp = image_folder(root), stamp_of(path, column)
    index = folder / f"{path.parent.name}.{path.stem}.json"
    known = read_index(index, stamp)
    if known is not None:
        return list(known)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        names = [_write(folder, row[column]) for row in _batches(path, _open(path), [column])]
        write_whole(index, json.dumps({**stamp, "names": names}), sync=False)
    except OSError as error:
        raise unwritable(path, folder, error) from None
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
    images = (image.get("bytes") if isinstance(image, dict) else image for image in _list(cell))
    return [write_image(folder, data) for data in images if isinstance(data, bytes) and data]


def _list(cell: Any) -> list[Any]:
    """Return a cell of one image as a list of one."""
    return cell if isinstance(cell, list) else [cell]
