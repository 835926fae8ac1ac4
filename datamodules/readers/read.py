"""One function that reads any image: told by its content, never by its name."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from medvlm.study import GeometryError, Image, ImageError, Region, Repair

from .sniff import holds_slide, kind_of_file
from .stacks import is_numpy, is_stack, read_numpy, read_stack

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image as Pil


def read_image(
    source: Path | str | NDArray[Any] | Pil.Image | Image,
    *,
    modality: str | None = None,
    repair: Repair = False,
    region: Region | None = None,
    size: tuple[int, int] | None = None,
    part: int | None = None,
) -> Image:
    """Read an image or a volume from anything that holds one.

    Args:
        source: A DICOM, NIfTI, NRRD or MetaImage file, a picture (PNG, JPEG, TIFF, BMP, GIF, WebP), a whole slide
            (shown as a thumbnail), a folder with the DICOM files of one study (its series is chosen by stated rules,
            see :mod:`medvlm.datamodules.readers.choose`) or with numbered pictures, a ZIP archive of one, a NumPy
            file, an array, a PIL picture, or an Image (returned as it is).
        modality: DICOM modality, for sources that do not say (``CT`` makes a NIfTI's numbers HU).
        repair: Whether slices with gaps, uneven spacing, duplicates or gantry tilt are resampled to a regular
            volume instead of being refused; each repair is noted on the image. ``dcm2niix`` leaves it to that program.
        region: The part of a whole slide that is wanted, and at what size.
        size: Height and width that the caller needs of a plane at least. A JPEG, JPEG 2000 or HTJ2K (a DICOM frame or
            a picture) may then be decoded smaller, never below it; spacing and a note say so. None reads the whole.
        part: Which volume, from 0, of a series or NIfTI file with several (time points, echoes, b-values, phases).

    Raises:
        ImageError: If it cannot be read as an image; the message names what was found.
        GeometryError: If the slices of a folder make no regular volume; the message names every reason.

    Examples:
        >>> read_image(np.zeros((4, 6), np.uint8)).axes
        'yx'
    """
    if region is not None and not isinstance(source, (str, os.PathLike)):
        raise ImageError(f"Got region={region} of a {type(source).__name__}; only a slide's file has regions.")
    if isinstance(source, Image):
        return source
    if isinstance(source, np.ndarray):
        from .arrays import from_array

        return from_array(source, modality=modality)
    if isinstance(source, (str, os.PathLike)):
        return _read_path(Path(source), modality, repair, region, size, part)
    from PIL import Image as Pil

    if isinstance(source, Pil.Image):
        from .picture import from_pil

        return from_pil(source, modality=modality)
    raise ImageError(f"Got a {type(source).__name__}; expected a path, a NumPy array, a PIL image or an Image.")


def _read_path(
    path: Path,
    modality: str | None,
    repair: Repair,
    region: Region | None,
    size: tuple[int, int] | None,
    part: int | None,
) -> Image:
    try:
        _check_place(path)
        return _dispatch(path, modality, repair, region, size, part)
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror or error}.") from error


def _check_place(path: Path) -> None:
    """Refuse what would block or never end: a pipe, a device, a link to nowhere."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        where = f" (it is a link to {path.readlink()})" if path.is_symlink() else ""
        raise ImageError(f"{path} does not exist{where}.") from None
    except ValueError as error:  # a null byte
        raise ImageError(f"{str(path)!r} is no path: {error}.") from error
    if not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
        raise ImageError(f"{path} is neither a file nor a folder, but a pipe, a socket or a device.")


def _dispatch(
    path: Path,
    modality: str | None,
    repair: Repair,
    region: Region | None = None,
    size: tuple[int, int] | None = None,
    part: int | None = None,
) -> Image:
    if path.is_dir() and (region is not None or holds_slide(path)):
        from .slide import read_whole

        return read_whole(path, modality=modality, region=region)
    if path.is_dir() and is_stack(path):
        return read_stack(path, modality=modality)
    if path.is_dir():
        from .series import read_series

        return read_series(path, modality=modality, repair=repair, part=part)
    if region is None and is_numpy(path):
        return read_numpy(path, modality=modality)
    kind = kind_of_file(path)
    if kind == "slide":
        from .slide import read_whole

        return read_whole(path, modality=modality, region=region)
    if region is not None:
        raise ImageError(f"{path}: got {region}, but it is a {kind} file; only whole slides have regions.")
    if kind == "dicom":
        from .dicom import read_dicom

        return read_dicom(path, modality=modality, size=size)
    if kind == "nifti":
        from .nifti import read_nifti

        return read_nifti(path, modality=modality, part=part)
    if kind == "itk":
        from .itk import read_itk

        return read_itk(path, modality=modality)
    if kind == "archive":
        return _read_archive(path, modality, repair, part)
    from .picture import read_picture

    return read_picture(path, modality=modality, size=size)


def _read_archive(path: Path, modality: str | None, repair: Repair, part: int | None) -> Image:
    """Read what an archive holds; errors name the archive, for the folder is gone when they are read."""
    from .archive import unpacked

    with unpacked(path) as place:
        try:
            if place.is_file() and kind_of_file(place) == "archive":
                raise ImageError(f"{place} is an archive in an archive; unpack it and give the folder.")
            image = _dispatch(place, modality, repair, part=part)
        except ImageError as error:
            family = GeometryError if isinstance(error, GeometryError) else ImageError
            folder = place.parent if place.is_file() else place
            raise family(str(error).replace(str(folder), str(path))) from None
    return replace(image, notes=(*image.notes, "unpacked from an archive"))
