"""PNG and JPEG files and PIL images: 1, 3 or 4 channels, 8 or 16 bits, palettes, CMYK, EXIF rotation."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medvlm.study import Image, ImageError

from .common import READ_ERRORS, Array, fingerprint, narrow, refuse_size

if TYPE_CHECKING:
    from PIL import Image as Pil


def read_picture(path: Path, *, modality: str | None = None) -> Image:
    """Read a PNG or JPEG file.

    Args:
        path: The file.
        modality: What it shows.

    Raises:
        ImageError: If it is broken or too large.
    """
    from PIL import Image as Pil

    refuse_size(str(path), path.stat().st_size, what="content")
    data = path.read_bytes()
    source = fingerprint("file", data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Pil.DecompressionBombWarning)  # refuse_size is the limit
            opened = Pil.open(io.BytesIO(data), formats=("PNG", "JPEG"))
        _check_size(opened, str(path))
        if data.startswith(b"\x89PNG") and data[24] == 16 and data[25] != 0:
            return _image(_deep_color(data), modality, source, ())
        return _convert(opened, modality, source)
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
        return _convert(picture, modality, source)
    except ImageError:
        raise
    except READ_ERRORS as error:
        raise ImageError(f"A broken picture ({' '.join(str(error).split())[:200]}).") from error


def _convert(picture: Pil.Image, modality: str | None, source: str | None) -> Image:
    from PIL import ImageOps

    _check_size(picture, "picture")
    turned = ImageOps.exif_transpose(picture)
    notes: tuple[str, ...] = () if turned.size == picture.size else ("turned as its EXIF orientation says",)
    if getattr(picture, "n_frames", 1) > 1:
        notes += (f"the first of {getattr(picture, 'n_frames', 1)} frames",)
    if turned.mode in ("I", "F") or turned.mode.startswith("I;16"):
        array = narrow(np.asarray(turned))
        if turned.mode == "I" and array.dtype == np.float32:  # PIL's 32-bit holder of 16-bit values
            array = np.asarray(turned).astype(np.uint16)
    elif turned.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in turned.info:
        array, more = _opaque(turned)
        notes += more
    else:
        array = np.asarray(turned if turned.mode in ("L", "RGB") else turned.convert(_plain(turned)))
    return _image(array, modality, source or fingerprint("array", array.tobytes()), notes)


def _plain(picture: Pil.Image) -> str:
    return "L" if picture.mode == "1" else "RGB"


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


def _deep_color(data: bytes) -> Array:
    """Decode a PNG with 16 bits a colour, which PIL would cut to 8."""
    import cv2

    found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if found is None:
        raise ImageError("the picture's pixels cannot be decoded")
    array: Array = found
    if array.ndim == 3 and array.shape[2] == 4:
        share = array[..., 3:].astype(np.float32) / np.iinfo(array.dtype).max
        array = np.rint(array[..., :3] * share + np.iinfo(array.dtype).max * (1 - share)).astype(array.dtype)
    array = array[..., ::-1] if array.ndim == 3 else array
    gray = data[25] == 4  # gray with alpha, which OpenCV spreads over three channels
    return np.ascontiguousarray(array[..., 0] if gray and array.ndim == 3 else array)


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
