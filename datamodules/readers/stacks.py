"""Volumes as research sets store them: a NumPy file, or a folder of numbered pictures, one a slice.

Neither says spacing, orientation or modality; a note says that they are unknown. Pickled objects are never loaded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from medvlm.study import GeometryError, Image, ImageError

from .arrays import from_array
from .common import fingerprint, refuse_size
from .picture import read_picture

MAGIC = b"\x93NUMPY"
SUFFIXES = (".png", ".jpeg", ".jpg")
UNKNOWN = "spacing and orientation are not known: the {} says neither"


def is_stack(folder: Path) -> bool:
    """Say whether a folder holds pictures named by numbers, two or more, and nothing else.

    Args:
        folder: An existing folder; hidden files in it do not count.
    """
    files = [path for path in folder.iterdir() if not path.name.startswith(".")]
    return len(files) > 1 and all(path.suffix.lower() in SUFFIXES and path.stem.isdecimal() for path in files)


def read_stack(folder: Path, *, modality: str | None = None) -> Image:
    """Read a folder of numbered pictures as a volume, in the order of their numbers (9 before 10).

    Args:
        folder: A folder for which ``is_stack`` holds.
        modality: What it shows.

    Returns:
        A volume ``zyx`` of 8 or 16 bits.

    Raises:
        ImageError: If a picture is broken or in colour, or two differ in size.
        GeometryError: If numbers are missing, or one occurs twice.
    """
    files = sorted(
        (path for path in folder.iterdir() if not path.name.startswith(".")), key=lambda path: int(path.stem)
    )
    _check_numbers(folder, [int(path.stem) for path in files])
    first = _plane(files[0])
    refuse_size(str(folder), first.nbytes * len(files))
    volume = np.empty((len(files), *first.shape), first.dtype)
    digest = hashlib.sha256()
    for number, path in enumerate(files):
        plane = first if number == 0 else _plane(path)
        if plane.shape != first.shape or plane.dtype != first.dtype:
            raise ImageError(f"{folder}: {path.name} is {plane.shape} {plane.dtype}, {files[0].name} {first.shape}.")
        volume[number] = plane
        digest.update(plane.tobytes())
    return Image(
        array=volume,
        axes="zyx",
        modality=modality or "OT",
        unit="display",
        source=f"stack:{digest.hexdigest()[:16]}",
        notes=(UNKNOWN.format("folder"),),
    )


def _check_numbers(folder: Path, numbers: Sequence[int]) -> None:
    """Refuse slices that are missing or there twice."""
    whole = range(numbers[0], numbers[-1] + 1)
    missing = sorted(set(whole) - set(numbers))
    if missing:
        raise GeometryError(f"{folder}: slices {', '.join(map(str, missing[:5]))} are missing ({len(missing)} in all).")
    if len(set(numbers)) < len(numbers):
        twice = next(number for number in numbers if numbers.count(number) > 1)
        raise GeometryError(f"{folder}: two pictures have the number {twice}.")


def _plane(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    """Read one slice as a gray plane."""
    array = read_picture(path).array
    if array.ndim == 3:
        if not (array == array[..., :1]).all():
            raise ImageError(f"{path} is in colour; a slice of a volume is gray.")
        array = array[..., 0]
    return array


def is_numpy(path: Path) -> bool:
    """Say whether a file is a NumPy array, by its first bytes."""
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def read_numpy(path: Path, *, modality: str | None = None) -> Image:
    """Read a NumPy file: a plane, a volume, or a volume behind an axis of one channel (``(1, z, y, x)``).

    Args:
        path: A ``.npy`` file.
        modality: What it shows.

    Raises:
        ImageError: If it is broken, too large, holds objects, or is of a shape that is no image.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise ImageError(f"{path}: no NumPy file of numbers ({' '.join(str(error).split())[:200]}).") from None
    if array.dtype.kind not in "buif":
        raise ImageError(f"{path}: holds {array.dtype}, expected numbers.")
    refuse_size(str(path), array.nbytes)
    if array.ndim == 4 and array.shape[0] == 1:
        array = array[0]
    values = np.array(array)
    image = from_array(values, modality=modality)
    return replace(image, source=fingerprint("numpy", values.tobytes()), notes=(*image.notes, UNKNOWN.format("file")))
