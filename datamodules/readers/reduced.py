"""Frames decoded at a half, a quarter or an eighth of their size, where the codestream holds smaller images."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from .codestreams import Codestream
from .common import Array

if TYPE_CHECKING:
    from pydicom import Dataset


def fitting(height: int, width: int, size: tuple[int, int]) -> int:
    """How many times a size may be halved, rounding up, and still not be smaller than another.

    Args:
        height: Rows.
        width: Columns.
        size: Rows and columns that are needed.

    Examples:
        >>> fitting(2500, 2048, (448, 448))
        2
    """
    halvings = 0
    while min(height, width) > 1 and -(-height >> (halvings + 1)) >= size[0] and -(-width >> (halvings + 1)) >= size[1]:
        halvings += 1
    return halvings


def reduction(dataset: Dataset, size: tuple[int, int] | None) -> int:
    """How many times the size of an image may be halved for a caller who needs less of it.

    Only what lies on a scale is made smaller, and only single planes: the geometry of frames stays that of the file.

    Args:
        dataset: The image.
        size: Height and width that are needed at least; None for all.
    """
    photometric = str(dataset.get("PhotometricInterpretation") or "")
    if size is None or not photometric.startswith(("MONOCHROME", "RGB", "YBR")) or dataset.get("Modality") == "SEG":
        return 0
    if dataset.get("BitsAllocated") not in (8, 16) or int(dataset.get("NumberOfFrames") or 1) > 1:
        return 0
    return fitting(int(dataset.get("Rows") or 1), int(dataset.get("Columns") or 1), size)


def halve(array: Array, times: int) -> Array:
    """Make an image smaller by means of 2 x 2 pixels, repeatedly.

    Args:
        array: (H, W) or (H, W, 3), of 8 or 16 bits.
        times: How many times.

    Returns:
        Means, rounded, sides rounded up.
    """
    import cv2

    if not times:
        return array
    small = array
    for _ in range(times):
        height, width = small.shape[:2]
        if height % 2 or width % 2:
            small = np.asarray(cv2.copyMakeBorder(small, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE))
        half = (small.shape[1] // 2, small.shape[0] // 2)
        small = np.asarray(cv2.resize(small, half, interpolation=cv2.INTER_AREA))
    return centered(small, (array.shape[0], array.shape[1]), times, wavelet=False)


def levels_of(stream: Codestream) -> int:
    """How many times the size of a frame can be halved while decoding, with the decoders that are here.

    Args:
        stream: Its header.
    """
    plain = stream.precision <= 8 and not stream.signed
    return stream.levels if stream.components == 1 or plain else 0


def shrink_jpeg(data: bytes, stream: Codestream, reduce: int) -> Array:
    """Decode an 8-bit JPEG by scaled DCT: each block of 8 becomes 4, 2 or 1 pixels, the means of what they cover.

    Args:
        data: A baseline or extended JPEG.
        stream: Its header.
        reduce: 1, 2 or 3.

    Returns:
        Samples as they are stored, (H, W) or (H, W, 3), sides rounded up.
    """
    from PIL import Image as Pil

    picture = Pil.open(io.BytesIO(data), formats=("JPEG",))
    # the space that the samples are in, so that PIL changes none: as libjpeg guesses it
    is_rgb = stream.ids in (b"RGB", b"rgb") or picture.info.get("adobe_transform") == 0
    space = "L" if stream.components == 1 else "RGB" if is_rgb and not stream.is_jfif else "YCbCr"
    picture.draft(space, (max(1, stream.width >> reduce), max(1, stream.height >> reduce)))
    return np.asarray(picture)


def shrink_jpeg2000(data: bytes, stream: Codestream, reduce: int, high_throughput: bool, stored: int) -> Array:
    """Decode a JPEG 2000 without its finest wavelet levels.

    Args:
        data: The codestream.
        stream: Its header.
        reduce: Levels to leave out, at most :func:`levels_of`.
        high_throughput: Whether it is an HTJ2K.
        stored: Bits that are used, (0028,0101); encoders often write 16 for fewer.

    Returns:
        Samples as they are stored, (H, W) or (H, W, 3), sides rounded up; :func:`centered` puts them in place.
    """
    found = _by_openjph(data, stream, reduce, stored) if high_throughput else None
    return _by_openjpeg(data, stream, reduce) if found is None else found


def _by_openjph(data: bytes, stream: Codestream, reduce: int, stored: int) -> Array | None:
    """OpenJPH wraps what the low-pass filter carries beyond the range; None where that cannot be told from values.

    With two bits to spare, samples lie in the first quarter of an unsigned range, what was below 0 in the last one, and
    none between.
    """
    import imagecodecs

    if stream.components > 1 or min(stored, stream.precision) > (14 if stream.precision > 8 else 6):
        return None
    values = np.asarray(imagecodecs.htj2k_decode(data, skipres=reduce))
    signed: Array = values.view(f"i{values.dtype.itemsize}")
    quarter = 1 << (8 * values.dtype.itemsize - 2)
    if signed.min() < -quarter or signed.max() >= quarter:
        return None
    return signed if stream.signed else np.maximum(signed, 0).view(values.dtype)


def _by_openjpeg(data: bytes, stream: Codestream, reduce: int) -> Array:
    """By PIL, which makes samples unsigned and spreads them over 8 or 16 bits; both is undone."""
    from PIL import Image as Pil

    picture = Pil.open(io.BytesIO(data), formats=("JPEG2000",))
    whole = tuple(-(-side >> reduce) << reduce for side in (stream.width, stream.height))
    vars(picture).update(_reduce=reduce, _size=whole)  # PIL rounds to nearest, the codestream rounds up
    spread = np.asarray(picture)
    spare = 8 * spread.dtype.itemsize - stream.precision
    values: Array = spread >> spare if spare else spread
    if not stream.signed:
        return values
    return (values.astype(np.int32) - (1 << (stream.precision - 1))).astype(f"i{spread.dtype.itemsize}")


def centered(array: Array, whole: tuple[int, int], reduce: int, *, wavelet: bool) -> Array:
    """Move reduced samples to where those of a resized image lie, (i + 0.5) * H / h - 0.5 in pixels of the whole.

    A low-pass sample of a wavelet stands on the first of the pixels that it was made of, not amid them; and where the
    size is no multiple of the reduction, the last samples reach beyond the image. Left alone, either would move edges
    by up to half a reduced pixel.

    Args:
        array: Reduced samples, (H, W) or (H, W, 3).
        whole: Height and width of the whole.
        reduce: The reduction made.
        wavelet: Whether a wavelet made them, not a DCT.
    """
    import cv2

    height, width = array.shape[:2]
    places = []
    for side, own in ((whole[1], width), (whole[0], height)):
        step = side / own  # pixels of the whole from sample to sample
        first = (step / 2 - 0.5) / 2**reduce if wavelet else step / 2 / 2**reduce - 0.5
        places.append((step / 2**reduce, first))
    (by_x, from_x), (by_y, from_y) = places
    if (by_x, from_x, by_y, from_y) == (1, 0, 1, 0):
        return array
    matrix = np.array([[by_x, 0, from_x], [0, by_y, from_y]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(array, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE))
