"""One function that reads any image: told by its content, never by its name."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from medvlm.study import Image, ImageError, Region

from .sniff import kind_of_file

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image as Pil


def read_image(
    source: Path | str | NDArray[Any] | Pil.Image | Image,
    *,
    modality: str | None = None,
    repair: bool = False,
    region: Region | None = None,
) -> Image:
    """Read an image or a volume from anything that holds one.

    Args:
        source: A DICOM, NIfTI, PNG or JPEG file, a whole slide (shown as a thumbnail), a folder with the slices of one
            DICOM series, an array, a PIL picture, or an Image (returned as it is).
        modality: DICOM modality, for sources that do not say (``CT`` makes a NIfTI's numbers HU).
        repair: Whether slices with gaps, uneven spacing, duplicates or gantry tilt are resampled to a regular
            volume instead of being refused; each repair is noted on the image.
        region: The part of a whole slide that is wanted, and at what size.

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
        return _read_path(Path(source), modality, repair, region)
    from PIL import Image as Pil

    if isinstance(source, Pil.Image):
        from .picture import from_pil

        return from_pil(source, modality=modality)
    raise ImageError(f"Got a {type(source).__name__}; expected a path, a NumPy array, a PIL image or an Image.")


def _read_path(path: Path, modality: str | None, repair: bool, region: Region | None) -> Image:
    if path.is_dir() and region is not None:
        from .slide import read_whole

        return read_whole(path, modality=modality, region=region)
    if path.is_dir():
        from .series import read_series

        return read_series(path, modality=modality, repair=repair)
    if not path.exists():
        raise ImageError(f"{path} does not exist.")
    if not path.is_file():
        raise ImageError(f"{path} is neither a file nor a folder.")
    try:
        kind = kind_of_file(path)
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror}.") from error
    if kind == "slide":
        from .slide import read_whole

        return read_whole(path, modality=modality, region=region)
    if region is not None:
        raise ImageError(f"{path}: got {region}, but it is a {kind} file; only whole slides have regions.")
    if kind == "dicom":
        from .dicom import read_dicom

        return read_dicom(path, modality=modality)
    if kind == "nifti":
        from .nifti import read_nifti

        return read_nifti(path, modality=modality)
    from .picture import read_picture

    return read_picture(path, modality=modality)
