"""Pictures (PNG, JPEG, TIFF, BMP, GIF, WebP) and PIL images: gray or colour, 8 or 16 bits, palettes, CMYK, EXIF.

What the format hides is said in the notes: a turned or mirrored picture, further pages, transparent parts, inks.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medvlm.study import Image, ImageError

from .common import READ_ERRORS, Array, fingerprint, narrow, refuse_size
from .reduced import centered, fitting

if TYPE_CHECKING:
    from PIL import Image as Pil

FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP")
"""PIL's names of what is read; PIL's other formats are old, or run programs."""

_ORIENTATION, _BITS, _PHOTOMETRIC = 274, 258, 262
_TURNS = {
    2: (0, True), 3: (2, False), 4: (2, True), 5: (3, True), 6: (3, False), 7: (1, True), 8: (1, False),
}  # fmt: skip
"""EXIF orientation -> quarter turns to the left, then whether left and right are swapped."""


def read_picture(path: Path, *, modality: str | None = None, size: tuple[int, int] | None = None) -> Image:
    """Read a picture file.

    Args:
        path: The file.
        modality: What it shows.
        size: Height and width that the caller needs at least; a JPEG is then decoded at a half, a quarter or an eighth
            where that is no smaller, which a note says. None decodes the whole.

    Raises:
        ImageError: If it is broken or too large.
    """
    from PIL import Image as Pil

    refuse_size(str(path), path.stat().st_size, what="content")
    data = path.read_bytes()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Pil.DecompressionBombWarning)  # refuse_size is the limit
            warnings.filterwarnings("ignore", category=UserWarning, module="PIL")  # odd metadata; pixels are checked
            picture = _open(data, str(path))
            _check_size(picture, str(path))
            return _convert(picture, modality, fingerprint("file", data), data, size)
    except ImageError:
        raise
    except (*READ_ERRORS, Pil.DecompressionBombError) as error:
        raise ImageError(f"{path}: a broken or oversized picture ({' '.join(str(error).split())[:200]}).") from error


def from_pil(picture: Pil.Image, *, modality: str | None = None, source: str | None = None) -> Image:
    """Make an image of a PIL picture.

    Args:
        picture: Any mode.
        modality: What it shows.
        source: What it came from; a hash of its pixels where it is not given.

    Raises:
        ImageError: If its pixels cannot be decoded.
    """
    try:
        _check_size(picture, "picture")
        return _convert(picture, modality, source, b"")
    except ImageError:
        raise
    except READ_ERRORS as error:
        raise ImageError(f"A broken picture ({' '.join(str(error).split())[:200]}).") from error


def _open(data: bytes, name: str) -> Pil.Image:
    """Read the header; a TIFF has kinds that PIL does not read."""
    from PIL import (
        GifImagePlugin,  # noqa: F401  a format is known once its plugin is imported
        TiffImagePlugin,  # noqa: F401
        UnidentifiedImageError,
        WebPImagePlugin,  # noqa: F401
    )
    from PIL import Image as Pil

    Pil.preinit()
    try:
        return Pil.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        if data[:4] in (b"II*\x00", b"MM\x00*"):
            raise ImageError(
                f"{name}: a TIFF of a kind that is not read (its compression or sample format); save it as PNG."
            ) from error
        raise


def _convert(
    picture: Pil.Image, modality: str | None, source: str | None, data: bytes, size: tuple[int, int] | None = None
) -> Image:
    pages = int(getattr(picture, "n_frames", 1))
    notes: tuple[str, ...] = (f"the first of {pages} frames or pages",) if pages > 1 else ()
    width, height = picture.size
    reduce = _draft(picture, size) if size else 0
    if data.startswith(b"\x89PNG") and data[24] == 16 and data[25] != 0:
        array, more = _deep_color(data)
    else:
        array, more = _pixels(picture)
    if reduce:
        own = " x ".join(map(str, array.shape[:2]))
        notes += (f"read at {own}, 1/{2**reduce} of {height} x {width}",)
        array = centered(array, (height, width), reduce, wavelet=False)
    array, turned = _turn(array, picture)
    return _image(array, modality, source or fingerprint("array", array.tobytes()), notes + more + turned)


def _draft(picture: Pil.Image, size: tuple[int, int]) -> int:
    """Have a JPEG decoded by a scaled DCT; how many times its size is halved."""
    if picture.format != "JPEG":
        return 0
    width, height = picture.size
    quarters, _ = _TURNS.get(picture.getexif().get(_ORIENTATION, 1), (0, False))
    reduce = min(3, fitting(height, width, size[::-1] if quarters % 2 else size))
    if reduce:
        picture.draft(None, (width >> reduce, height >> reduce))
    return reduce


def _pixels(picture: Pil.Image) -> tuple[Array, tuple[str, ...]]:
    """Gray or RGB values, and what was lost on the way."""
    if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
        return _deep_gray(picture), ()
    if picture.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in picture.info:
        return _opaque(picture)
    if picture.mode == "CMYK":
        return np.asarray(picture.convert("RGB")), ("inks (CMYK) shown without a colour profile",)
    if picture.mode in ("L", "RGB"):
        deep = max(getattr(picture, "tag_v2", {}).get(_BITS, (8,))) > 8
        return np.asarray(picture), ("colours of more than 8 bits, read as 8",) if deep else ()
    return np.asarray(picture.convert("L" if picture.mode == "1" else "RGB")), ()


def _deep_gray(picture: Pil.Image) -> Array:
    """Gray of 16 or 32 bits; PIL keeps some 16-bit values in 32, and leaves TIFFs whose 0 is white as they are."""
    values: Array = np.asarray(picture)
    array = narrow(values)
    if picture.mode == "I" and array.dtype == np.float32 and values.min() >= 0 and values.max() < 2**16:
        array = values.astype(np.uint16)
    tags = getattr(picture, "tag_v2", {})
    if tags.get(_PHOTOMETRIC) == 0 and array.dtype == np.uint16:
        array = np.uint16(2**16 - 1) - array
    return array


def _opaque(picture: Pil.Image) -> tuple[Array, tuple[str, ...]]:
    """Drop an alpha channel; what it hides is shown on white, as on a page."""
    layers = np.asarray(picture.convert("RGBA"))
    color, alpha = layers[..., :3], layers[..., 3:]
    gray = picture.mode in ("LA", "La", "L", "1")
    notes: tuple[str, ...] = ()
    if alpha.min() < 255:
        share = alpha.astype(np.float32) / 255
        color = np.rint(color * share + 255 * (1 - share)).astype(np.uint8)
        notes = ("transparent parts are shown on white",)
    return (color[..., 0] if gray else color), notes


def _deep_color(data: bytes) -> tuple[Array, tuple[str, ...]]:
    """Decode a PNG with 16 bits a colour, which PIL would cut to 8."""
    import cv2

    _check_chunks(data)
    found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if found is None:
        raise ValueError("its pixels cannot be decoded")
    array: Array = found
    notes: tuple[str, ...] = ()
    if array.ndim == 3 and array.shape[2] == 4:
        top = np.iinfo(array.dtype).max
        if array[..., 3].min() < top:
            notes = ("transparent parts are shown on white",)
        share = array[..., 3:].astype(np.float32) / top
        array = np.rint(array[..., :3] * share + top * (1 - share)).astype(array.dtype)
    array = array[..., ::-1] if array.ndim == 3 else array
    gray = data[25] == 4  # gray with alpha, which OpenCV spreads over three channels
    return np.ascontiguousarray(array[..., 0] if gray and array.ndim == 3 else array), notes


def _check_chunks(data: bytes) -> None:
    """Refuse a PNG with a chunk that goes beyond its end: libpng makes room for what the chunk claims."""
    place = 8
    while place + 12 <= len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        if place + 12 + length > len(data):
            break
        if data[place + 4 : place + 8] == b"IEND":
            return
        place += 12 + length
    raise ValueError("it is cut off, or a chunk of it is")


def _turn(array: Array, picture: Pil.Image) -> tuple[Array, tuple[str, ...]]:
    """Follow the EXIF orientation (CIPA DC-008, tag 274): a mirrored picture shows the wrong side else."""
    quarters, mirrored = _TURNS.get(picture.getexif().get(_ORIENTATION, 1), (0, False))
    if not quarters and not mirrored:
        return array, ()
    turned = np.rot90(array, quarters)
    turned = turned[:, ::-1] if mirrored else turned
    return np.ascontiguousarray(turned), ("turned or mirrored as its EXIF orientation says",)


def _image(array: Array, modality: str | None, source: str, notes: tuple[str, ...]) -> Image:
    gray = array.ndim == 2
    deep = gray and array.dtype != np.uint8
    if deep:
        notes += ("gray of more than 8 bits: how much of the range is used is unknown",)
    return Image(array, "yx" if gray else "yxc", modality or "OT", "stored" if deep else "display", source=source,
                 notes=notes)  # fmt: skip


def _check_size(picture: Pil.Image, name: str) -> None:
    width, height = picture.size
    if width < 1 or height < 1:
        raise ImageError(f"{name}: a picture of {width} x {height} pixels.")
    refuse_size(name, width * height * 4)
