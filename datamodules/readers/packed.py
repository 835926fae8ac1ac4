"""Compressed pixels: refused where they cannot hold what they claim, decoded by pydicom's plugins where need be."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from pydicom import Dataset
from pydicom.encaps import parse_fragments
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.utils import pixel_array
from pydicom.uid import RLELossless

from medvlm.study import ImageError

from .common import READ_ERRORS, Array

_GAIN = {RLELossless: 64, "1.2.840.10008.1.2.8.1": 1032}
"""Most bytes that a byte becomes: two of RLE are up to 128 (PS3.5 G.3), and DEFLATE's match of 258 takes two bits.

The other forms say their size in a header of their own, which the decoders compare.
"""

_UNSAFE = "gdcm"
"""It ends the process on some broken JPEGs (3.2.6: a precision of 60 bits)."""


def refuse_packed(dataset: Dataset, name: str, frames: int, needed: int) -> None:
    """Refuse compressed pixels with fewer pieces than frames, or too few bytes for so many pixels.

    Args:
        dataset: The parsed file.
        name: What to call it in errors.
        frames: Frames that it claims.
        needed: Bytes that they decode to.

    Raises:
        ImageError: If that cannot be.
    """
    data = bytes(dataset.PixelData)
    pieces = max(parse_fragments(BytesIO(data))[0] - 1, 0)  # the first one is the table of offsets
    if pieces < frames:
        raise ImageError(f"{name}: truncated, {pieces:,} of {frames:,} compressed frames are there.")
    gain = _GAIN.get(dataset.file_meta.TransferSyntaxUID)
    if gain is not None and needed > gain * len(data):
        raise ImageError(f"{name}: {len(data):,} compressed bytes cannot hold the {needed:,} that its header claims.")


def decode_by_plugin(dataset: Dataset) -> Array:
    """Decode pixels by pydicom: compressed ones by the first of its plugins that can, GDCM never.

    Args:
        dataset: The parsed file.

    Raises:
        NotImplementedError: If pydicom knows no such transfer syntax.
        ValueError: If no plugin can; the message has every reason.
    """
    syntax = dataset.file_meta.TransferSyntaxUID
    if not syntax.is_encapsulated:
        return np.asarray(pixel_array(dataset))
    reasons = []
    for plugin in get_decoder(syntax).available_plugins:
        if plugin == _UNSAFE:
            continue
        try:
            return np.asarray(pixel_array(dataset, decoding_plugin=plugin))
        except READ_ERRORS as error:
            reasons.append(f"{plugin}: {error}")
    raise ValueError("; ".join(reasons) or "no decoder for it is installed")
