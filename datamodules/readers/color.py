"""Colours of DICOM files as RGB: palettes, and colours of fewer or more bits than their type has."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from pydicom import Dataset
from pydicom.pixels.processing import apply_color_lut

from medvlm.study import Image

from .common import Array, narrow


def as_color(image: Image, dataset: Dataset) -> Image:
    """Make decoded colours, or indices of a palette, an RGB image of 8 or 16 bits.

    Args:
        image: Stored values, axes ``yxc`` or ``tyxc`` without their ``c``.
        dataset: The image that they come from.
    """
    array: Array = image.array
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        array = _look_up(array, dataset)
    else:
        array = _stretch(array, int(dataset.get("BitsStored") or dataset.BitsAllocated))
    if array.dtype.itemsize > 2:  # 32 bits a colour: no screen shows more than 16
        array = (array >> 16).astype(np.uint16)
    return replace(image, array=narrow(array), axes=image.axes + "c", unit="display")


def _look_up(array: Array, dataset: Dataset) -> Array:
    """Colours of a palette; pydicom leaves the byte order of its tables to us (of segmented ones it does not)."""
    if not dataset.original_encoding[1]:
        for color in ("Red", "Green", "Blue"):
            if table := dataset.get(f"{color}PaletteColorLookupTableData"):
                swapped = np.frombuffer(table, ">u2").astype("<u2").tobytes()
                setattr(dataset, f"{color}PaletteColorLookupTableData", swapped)
    return _stretch(apply_color_lut(array, dataset), int(dataset.RedPaletteColorLookupTableDescriptor[2]))


def _stretch(array: Array, bits: int) -> Array:
    """Make the largest value of ``bits`` the largest of the type, as display values are."""
    top = int(np.iinfo(array.dtype).max)
    if top == 2**bits - 1 or array.max() > 2**bits - 1:
        return array
    stretched: Array = array.astype(np.float32) * np.float32(top / (2**bits - 1))
    return np.rint(stretched).astype(array.dtype)
