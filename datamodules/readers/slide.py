"""Whole slides by OpenSlide (SVS, NDPI, DICOM WSI, tiled TIFF, ...): a thumbnail and the tiles that show its tissue.

A slide that does not say its microns per pixel is refused unless the caller says them; nothing is guessed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from medvlm.study import Image, ImageError, ImageRef, Region

from .common import Array
from .slide_file import NoSlideError, microns_of, open_slide, read_region
from .sniff import is_dicom
from .tissue import farthest_points, grid_of, shares, tissue_mask

if TYPE_CHECKING:
    from openslide import OpenSlide

THUMBNAIL = 1024
"""Pixels along the longer side of a thumbnail."""

Box = tuple[int, int, int, int]


class _Wanted(NamedTuple):
    """Which tiles a caller asks for; see :func:`read_slide`."""

    tiles: int
    mpp: float
    size: int
    seed: int
    min_tissue: float


@dataclass(frozen=True, slots=True)
class Tile:
    """A square of a slide.

    Attributes:
        image: Its pixels, ``yxc`` sRGB, with spacing in millimetres.
        box: ``(x0, y0, x1, y1)`` in pixels of level 0; a slide smaller than a tile is padded with white.
        tissue: Share of it that is tissue, 0 to 1.
    """

    image: Image
    box: Box
    tissue: float


@dataclass(frozen=True, slots=True)
class Slide:
    """What a model is shown of a slide.

    Attributes:
        thumbnail: The whole slide.
        tiles: Tiles of tissue, each far from those before it.
        mpp: Microns per pixel of the tiles.
        slide_mpp: Microns per pixel of level 0, along x and y.
        size: Width and height of level 0.
        notes: What a reader of the result must know.
    """

    thumbnail: Image
    tiles: tuple[Tile, ...]
    mpp: float
    slide_mpp: tuple[float, float]
    size: tuple[int, int]
    notes: tuple[str, ...] = ()


def read_slide(
    path: Path | str, *, tiles: int = 16, mpp: float = 0.5, size: int = 448, seed: int = 0,
    min_tissue: float = 0.5, slide_mpp: float | None = None,
) -> Slide:  # fmt: skip
    """Read a thumbnail and tiles of tissue.

    Args:
        path: The slide: a file, or the folder of a DICOM slide.
        tiles: How many tiles at most.
        mpp: Microns per pixel of the tiles.
        size: Pixels along each side of a tile.
        seed: Decides the first tile, hence the others.
        min_tissue: Least share of tissue in a tile; where no place has it, those with a tenth of it are taken.
        slide_mpp: Microns per pixel of level 0, for a slide that does not say.

    Raises:
        ImageError: If it is no slide, says no microns per pixel, has fewer pixels than ``mpp`` asks for, no tissue, or
            no pyramid where one is needed.
        ImportError: If OpenSlide is not installed.
    """
    slide = open_slide(path)
    scale = microns_of(slide, path, slide_mpp)
    thumbnail = read_thumbnail(path, slide_mpp=slide_mpp)
    found = _choose(slide, path, thumbnail, scale, _Wanted(tiles, mpp, size, seed, min_tissue))
    images = [read_region(path, Region(box, (size, size)), slide_mpp=slide_mpp) for box, _ in found]
    chosen = tuple(Tile(image, box, share) for image, (box, share) in zip(images, found, strict=True))
    notes = thumbnail.notes[1:]  # the first tells how to get tiles
    if len(chosen) < tiles:
        notes += (f"{len(chosen)} tiles hold tissue, {tiles} were asked for",)
    return Slide(thumbnail, chosen, mpp, scale, slide.dimensions, notes)


def slide_refs(
    path: Path | str, *, tiles: int = 16, mpp: float = 0.5, size: int = 448, seed: int = 0,
    min_tissue: float = 0.5, slide_mpp: float | None = None,
) -> tuple[ImageRef, ...]:  # fmt: skip
    """Point at the thumbnail and the tiles of a slide, as the images of a sample: the thumbnail comes first.

    The arguments are those of :func:`read_slide`. Only the thumbnail is read here, to find the tissue.

    Raises:
        ImageError: As :func:`read_slide` does.
    """
    slide = open_slide(path)
    scale = microns_of(slide, path, slide_mpp)
    thumbnail = read_thumbnail(path, slide_mpp=slide_mpp)
    height, width = thumbnail.array.shape[:2]
    whole = Region((0, 0, *slide.dimensions), (height, width))
    boxes = [box for box, _ in _choose(slide, path, thumbnail, scale, _Wanted(tiles, mpp, size, seed, min_tissue))]
    return tuple(ImageRef(Path(path), region=part) for part in (whole, *(Region(box, (size, size)) for box in boxes)))


def read_thumbnail(path: Path | str, *, longest: int = THUMBNAIL, slide_mpp: float | None = None) -> Image:
    """Read a whole slide as one small picture; its first note says at what resolution, and how to get tiles.

    Args:
        path: The slide.
        longest: Pixels along its longer side, if the slide has as many.
        slide_mpp: Microns per pixel of level 0, for a slide that does not say.

    Raises:
        ImageError: As :func:`read_slide` does.
    """
    slide = open_slide(path)
    across, down = microns_of(slide, path, slide_mpp)
    width, height = slide.dimensions
    factor = max(1.0, max(width, height) / longest)
    size = (max(1, round(height / factor)), max(1, round(width / factor)))
    image = read_region(path, Region((0, 0, width, height), size), slide_mpp=slide_mpp)
    places = math.ceil(width * across / 224) * math.ceil(height * down / 224)
    note = (
        f"a slide of {width} x {height} pixels at {across:g} microns, shown at {across * factor:.3g} microns per pixel;"
        f" {places} tiles of 448 pixels at 0.5 microns cover it: read_slide(path, tiles=16) reads those of tissue"
    )
    return replace(image, notes=(note, *image.notes))


def read_whole(path: Path, *, modality: str | None = None, region: Region | None = None) -> Image:
    """Read a file that looks like a slide as one picture: its thumbnail, or a region of it.

    A DICOM slide that OpenSlide does not take (JPEG-LS, 16 bits) is given as its tiles, frame by frame, and says so.

    Args:
        path: The file.
        modality: DICOM modality, in place of ``SM``.
        region: What is wanted of it; None for all.

    Raises:
        ImageError: As :func:`read_slide` does; also for the label or overview photograph of a DICOM slide.
    """
    try:
        image = read_thumbnail(path) if region is None else read_region(path, region)
    except NoSlideError as error:
        if region is None and is_dicom(path):
            return _frames(path, modality, error)
        raise
    return image if modality is None else replace(image, modality=modality)


def _frames(path: Path, modality: str | None, why: NoSlideError) -> Image:
    from pydicom import dcmread

    from .dicom import read_dicom

    kinds = dcmread(path, stop_before_pixels=True, specific_tags=["ImageType"]).get("ImageType") or []
    if {"LABEL", "OVERVIEW"} & set(kinds):
        raise ImageError(
            f"{path}: a photograph of the slide's label or overview (0008,0008: {list(kinds)}) may show a "
            "patient's name and is not read; give a file of the series whose image type is VOLUME."
        ) from why
    image = read_dicom(path, modality=modality)
    return replace(
        image, notes=(*image.notes, "the tiles of a slide, not put together: OpenSlide does not read its encoding")
    )


def _choose(
    slide: OpenSlide, path: Path | str, thumbnail: Image, scale: tuple[float, float],
    wanted: _Wanted,
) -> list[tuple[Box, float]]:  # fmt: skip
    """Level-0 boxes of the tiles and their share of tissue."""
    tiles, mpp, size, seed, least = wanted
    if tiles < 1 or size < 1 or not 0 < least <= 1:
        raise ImageError(f"tiles={tiles}, size={size}, min_tissue={least}: expected 1 or more, 1 or more, 0 to 1.")
    if mpp < 0.9 * max(scale):
        raise ImageError(f"{path}: level 0 has {max(scale):g} microns per pixel, finer than that is not in it; "
                         f"give mpp={max(scale):g} or more, got mpp={mpp:g}.")  # fmt: skip
    wide, high = size * mpp / scale[0], size * mpp / scale[1]
    columns, rows = grid_of(slide.dimensions[0], wide), grid_of(slide.dimensions[1], high)
    points = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2)
    shrink = np.array(thumbnail.array.shape[1::-1]) / slide.dimensions
    small = points * shrink
    mask = tissue_mask(thumbnail.array.astype(np.uint8, copy=False))
    share = shares(mask, small[:, 1], small[:, 0], high * shrink[1], wide * shrink[0])
    for limit in (least, least / 10):
        rich = np.flatnonzero(share >= limit)
        if rich.size:
            chosen = rich[farthest_points(points[rich] * scale, share[rich], tiles, seed)]
            return [(_box(points[i], wide, high), float(share[i])) for i in chosen]
    raise ImageError(f"{path}: no tile of {size * mpp:g} microns has {least / 10:.0%} tissue; is the slide blank? "
                     f"Give a smaller min_tissue than {least:g}, or read_thumbnail to look at it.")  # fmt: skip


def _box(point: Array, wide: float, high: float) -> Box:
    x, y = int(point[0]), int(point[1])
    return x, y, x + round(wide), y + round(high)
