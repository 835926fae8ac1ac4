"""Rectangles of a whole slide by OpenSlide: from the level of its pyramid that fits, on white, as sRGB.

A slide is never read whole: a picture that would need more than :data:`MAX_PIXELS` of a level is refused. Photographs
of the label and the overview may show a patient's name; they are never read.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from medvlm.study import Image, ImageError, Region, need

from .common import READ_ERRORS, Array, fingerprint

if TYPE_CHECKING:
    from openslide import OpenSlide

MAX_PIXELS = 2**26
"""Most pixels of a level that make one picture (256 MiB as RGBA); a thumbnail of a well-made pyramid needs 16 M."""


class NoSlideError(ImageError):
    """A file that OpenSlide does not take for a slide."""


def read_region(path: Path | str, region: Region, *, slide_mpp: float | None = None) -> Image:
    """Read one rectangle of a slide at a stated size; what lies beside the slide is white.

    Args:
        path: The slide.
        region: Box in pixels of level 0, and (height, width) of the picture.
        slide_mpp: Microns per pixel of level 0, for a slide that does not say; only the spacing depends on it.

    Raises:
        ImageError: If the box is empty, more pixels are asked for than it has, or the slide is broken.
    """
    slide = open_slide(path)
    x0, y0, x1, y1 = region.box
    height, width = region.size
    if x1 <= x0 or y1 <= y0 or height < 1 or width < 1:
        raise ImageError(f"{path}: region {region.box} as {height} x {width} pixels; expected x0 < x1 and y0 < y1.")
    array, notes = _read(slide, path, region)
    known = _said(slide) or ((slide_mpp, slide_mpp) if slide_mpp else None)
    spacing = known and ((y1 - y0) / height * known[1] / 1000, (x1 - x0) / width * known[0] / 1000)
    name = slide.properties.get("openslide.quickhash-1")
    source = f"slide:{name[:16]}" if name else fingerprint("slide", array.tobytes())
    return Image(array, "yxc", "SM", "display", spacing, source=source, notes=notes)


def _read(slide: OpenSlide, path: Path | str, region: Region) -> tuple[Array, tuple[str, ...]]:
    """Colours of a region from the coarsest level that has enough of them, on white, as sRGB."""
    from openslide import OpenSlideError
    from PIL import Image as Pil

    x0, y0, x1, y1 = region.box
    height, width = region.size
    factor = min((x1 - x0) / width, (y1 - y0) / height)
    if factor < 0.9:
        raise ImageError(f"{path}: a box of {x1 - x0} x {y1 - y0} pixels holds no picture of {width} x {height}.")
    level = slide.get_best_level_for_downsample(max(factor, 1) * 1.01)  # pyramids round their sizes
    shrink = slide.level_downsamples[level]
    size = max(1, round((x1 - x0) / shrink)), max(1, round((y1 - y0) / shrink))
    if size[0] * size[1] > MAX_PIXELS:
        raise ImageError(
            f"{path}: its level {level} of {size[0]:,} x {size[1]:,} pixels is the coarsest that would do, the limit "
            f"is {MAX_PIXELS:,}; write it with more levels (vips tiffsave --pyramid), or ask for a smaller region."
        )
    try:
        layers = slide.read_region((x0, y0), level, size)
        page = Pil.new("RGB", size, (255, 255, 255))
        page.paste(layers, mask=layers.getchannel("A"))
        small = page.resize((width, height), Pil.Resampling.BICUBIC) if size != (width, height) else page
        return _srgb(slide, small)
    except (OpenSlideError, *READ_ERRORS) as error:
        _handle.cache_clear()  # a handle that failed once answers nothing more
        raise ImageError(f"{path}: OpenSlide cannot read it at {region.box} ({_short(error)}).") from error


def _srgb(slide: OpenSlide, picture: Any) -> tuple[Array, tuple[str, ...]]:
    """Colours by the slide's ICC profile as sRGB (IEC 61966-2-1)."""
    from PIL import ImageCms

    profile = slide.color_profile
    if profile is None:
        return np.asarray(picture), ("the slide has no ICC profile: its colours are taken as sRGB",)
    try:
        intent = ImageCms.Intent(ImageCms.getDefaultIntent(profile))
        turned = ImageCms.profileToProfile(picture, profile, ImageCms.createProfile("sRGB"), intent)
    except ImageCms.PyCMSError as error:
        return np.asarray(picture), (f"its ICC profile cannot be used ({_short(error)}): colours are taken as sRGB",)
    return np.asarray(turned), ("colours are sRGB by the slide's ICC profile",)


def _said(slide: OpenSlide) -> tuple[float, float] | None:
    """Microns per pixel along x and y, as the slide says them."""
    texts = (slide.properties.get("openslide.mpp-x"), slide.properties.get("openslide.mpp-y"))
    try:
        across, down = (float(text) for text in texts if text is not None)
    except ValueError:  # one of them is absent, or no number
        return None
    return (across, down) if 0 < across < 1000 and 0 < down < 1000 else None


def microns_of(slide: OpenSlide, path: Path | str, given: float | None = None) -> tuple[float, float]:
    """Microns per pixel of level 0 along x and y.

    Args:
        slide: The open slide.
        path: Its file, for the message.
        given: What the caller says; used where the slide says nothing.

    Raises:
        ImageError: If nobody says it, or ``given`` is no resolution.
    """
    said = _said(slide)
    if said is None and given is None:
        raise ImageError(
            f"{path}: the slide does not say its microns per pixel (openslide.mpp-x, openslide.mpp-y), and they are "
            "not guessed; give slide_mpp=0.25 (a 40x scan, as a rule) or 0.5 (20x) to read_slide, as its scanner says."
        )
    if given is not None and not 0 < given < 1000:
        raise ImageError(f"{path}: slide_mpp={given}: expected microns per pixel, such as 0.25.")
    return said or (float(given or 0), float(given or 0))


def open_slide(path: Path | str) -> OpenSlide:
    """Give the open slide of this process: a handle that was opened before a fork is never used after it.

    Args:
        path: A file, or the folder of a DICOM slide.

    Raises:
        NoSlideError: If OpenSlide does not take the file.
        ImageError: If it does not exist, or no file of the folder is a slide.
        ImportError: If OpenSlide is not installed.
    """
    place = Path(path)
    if not place.exists():
        raise ImageError(f"{path} does not exist.")
    for file in _one_series(place) if place.is_dir() else [place]:
        status = file.stat()
        slide = _handle(str(file), status.st_mtime_ns, status.st_size, os.getpid())
        if isinstance(slide, str) and place.is_file():
            raise NoSlideError(f"{path}: OpenSlide cannot open it as a whole slide ({slide}); save a picture as PNG.")
        if not isinstance(slide, str):
            return slide
    raise ImageError(f"{path}: no file in it is a whole slide.")


def _one_series(folder: Path) -> list[Path]:
    """The files of the DICOM slide in a folder; OpenSlide opens all levels with any one of them."""
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError

    from .sniff import kind_of_file

    series: dict[str, list[Path]] = {}
    for file in sorted(found for found in folder.iterdir() if found.is_file()):
        try:
            if kind_of_file(file) == "slide":
                header = dcmread(file, stop_before_pixels=True, specific_tags=["SeriesInstanceUID"])
                series.setdefault(str(header.get("SeriesInstanceUID")), []).append(file)
        except (ImageError, InvalidDicomError):  # a note beside the slide, or a slide that is no DICOM file
            continue
    if len(series) > 1:
        raise ImageError(f"{folder}: holds {len(series)} slides (0020,000E); give a file of one of them.")
    return [file for files in series.values() for file in files]


@lru_cache(maxsize=8)
def _handle(path: str, changed: int, size: int, process: int) -> OpenSlide | str:
    """Open a slide, or say why it cannot be opened."""
    openslide = need("openslide", "wsi")
    try:
        slide: OpenSlide = openslide.OpenSlide(path)
    except openslide.OpenSlideUnsupportedFormatError:
        return "it is none of its formats"
    except openslide.OpenSlideError as error:
        return _short(error).replace(path, "the file")
    return slide


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
