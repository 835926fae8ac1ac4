"""Pixels as a PNG in a data URI, for pages that need no other file and for requests."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture


def png(pixels: NDArray[Any]) -> str:
    """Pixels as a data URI.

    Args:
        pixels: ``(H, W)``, ``(3, H, W)`` or ``(H, W, 3)``, floats in 0..1 or bytes.

    Raises:
        ValueError: If they have another form.
    """
    array = np.asarray(pixels)
    if array.ndim == 3 and array.shape[0] == 3 and array.shape[2] != 3:
        array = np.moveaxis(array, 0, -1)
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] != 3) or not array.size:
        raise ValueError(f"an image to be shown has shape {array.shape}; expected (H, W), (3, H, W) or (H, W, 3)")
    if array.dtype != np.uint8:
        array = (np.clip(np.nan_to_num(array.astype(np.float64)), 0, 1) * 255).round().astype(np.uint8)
    return data_uri(Picture.fromarray(array))


def data_uri(picture: Picture.Image) -> str:
    """A picture as a data URI, a palette kept.

    Args:
        picture: Gray, of a palette or in colours.
    """
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
