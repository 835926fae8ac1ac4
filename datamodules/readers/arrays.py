"""NumPy arrays as images: what the axes and numbers mean is taken from shape, type and modality, or asked for."""

from __future__ import annotations

import numpy as np

from medvlm.study import Image, ImageError

from .common import Array, fill_nan, fingerprint, narrow, refuse_size


def from_array(array: Array, *, modality: str | None = None) -> Image:
    """Make an image of an array.

    Two axes are a gray plane; a last axis of 3 or 4 is colour; three other axes are slices, rows and columns.
    8 bits (and floats within 0..1) are display values, other numbers are HU for CT and arbitrary units else.

    Args:
        array: The pixels.
        modality: What they show.

    Raises:
        ImageError: If shape or type leaves the meaning open.
    """
    refuse_size("array", array.nbytes)
    if array.size == 0:
        raise ImageError(f"An array of shape {array.shape} holds no pixels.")
    axes = _axes(array)
    if "c" in axes and array.dtype.kind in "iu" and array.dtype.newbyteorder("=") not in (np.uint8, np.uint16):
        raise ImageError(
            f"Colours as {array.dtype}: what is white is open; expected uint8 (0 to 255), uint16 or floats in 0..1."
        )
    values, notes = fill_nan(narrow(array))
    if axes == "yxc" and values.shape[2] == 4:
        values, notes = values[..., :3], (*notes, "the alpha channel is left out")
    if array.dtype.kind == "b":
        values = values * np.uint8(255)
    display = values.dtype == np.uint8 or "c" in axes
    if values.dtype == np.float32 and values.min() >= 0 and values.max() <= 1:
        display = modality != "CT"
    if "c" in axes and values.dtype == np.float32 and not (values.min() >= 0 and values.max() <= 1):
        raise ImageError("Colours as floats must lie within 0..1.")
    return Image(
        array=values,
        axes=axes,
        modality=modality or "OT",
        unit="display" if display else "HU" if modality == "CT" else "stored",
        source=fingerprint("array", np.ascontiguousarray(values).tobytes()),
        notes=notes,
    )


def _axes(array: Array) -> str:
    if array.ndim == 2:
        return "yx"
    if array.ndim == 3 and array.shape[-1] in (3, 4):
        return "yxc"
    if array.ndim == 3 and array.dtype == np.uint8 and array.shape[0] in (3, 4):
        raise ImageError(f"Shape {array.shape}: channels come last, expected {(*array.shape[1:], array.shape[0])}.")
    if array.ndim == 3:
        return "zyx"
    raise ImageError(f"Shape {array.shape}: expected (H, W), (H, W, 3) or (slices, H, W); make an Image for others.")
