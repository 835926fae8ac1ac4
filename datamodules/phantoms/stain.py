"""From a virtual specimen to pixels: amounts of hematoxylin and eosin, light that passes them (Beer-Lambert), colours.

The stains absorb as the reference vectors of Macenko et al. 2009 (ISBI, 10.1109/ISBI.2009.5193250) say, in natural
optical density of red, green and blue. PHANTOM - NOT A PATIENT.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from .cells import Floats, Glands, Nuclei, Scene, build_cells, depth, fiber_angle, gland_radius, tissue_depth
from .render import box_of
from .scene import Mask
from .specimen import Specimen

HEMATOXYLIN = (0.5626, 0.7201, 0.4062)
EOSIN = (0.2159, 0.8012, 0.5581)
_TEXEL = 0.5
"""Microns of one entry of the tables of texture."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Tissue:
    """A picture of tissue and what is in it.

    Attributes:
        pixels: Colours, ``yxc``.
        masks: Each abnormal area by kind.
        boxes: Normalised ``(x0, y0, x1, y1)`` around each area.
        mitoses: Likewise around each dividing cell.
    """

    pixels: NDArray[np.uint8]
    masks: Mapping[str, Mask]
    boxes: Mapping[str, Box]
    mitoses: tuple[Box, ...]


def render_tissue(specimen: Specimen, size: int = 128) -> Tissue:
    """Draw a field of view, or a slide, whose height is ``size`` pixels.

    Args:
        specimen: The virtual specimen.
        size: Pixels along its height, 32 or more.
    """
    if size < 32:
        raise ValueError(f"A picture of tissue has 32 or more pixels along its height, got size={size}.")
    mpp = specimen.field[1] / size
    width = round(specimen.field[0] / mpp)
    scene = build_cells(specimen)
    pixels = np.empty((size, width, 3), np.uint8)
    masks = {area.kind: np.empty((size, width), np.bool_) for area in specimen.areas}
    grains = specimen.rng(16)
    for rows, columns in _windows(size, width):
        x, y = _centers(columns, width, mpp), _centers(rows, size, mpp)
        amounts = _stain_window(specimen, scene, x[None, :], y[:, None], mpp)
        pixels[rows, columns] = _light(specimen, amounts, grains)
        for area in specimen.areas:
            masks[area.kind][rows, columns] = depth(area, x[None, :], y[:, None]) > 0
    boxes = {kind: box_of(mask) for kind, mask in masks.items()}
    wide, high = specimen.field
    cells = tuple(
        (float(x - 7) / wide + 0.5, float(y - 7) / high + 0.5, float(x + 7) / wide + 0.5, float(y + 7) / high + 0.5)
        for x, y in scene.mitoses
    )
    return Tissue(pixels, masks, boxes, cells)


def _windows(height: int, width: int, step: int = 512) -> Iterator[tuple[slice, slice]]:
    for y in range(0, height, step):
        for x in range(0, width, step):
            yield slice(y, min(y + step, height)), slice(x, min(x + step, width))


def _centers(part: slice, count: int, mpp: float) -> Floats:
    """Microns of pixel centres from the middle of the field."""
    return np.asarray((np.arange(part.start, part.stop) + 0.5 - count / 2) * mpp, dtype=np.float32)


@cache
def _table(long: float, short: float, seed: int) -> Floats:
    """A periodic 1024 x 1024 texture (mean 0, deviation 1) of streaks, ``long`` x ``short`` microns in size."""
    rng = np.random.default_rng(seed)
    rows, columns = np.fft.fftfreq(1024)[:, None], np.fft.fftfreq(1024)[None, :]
    blur = np.exp(-2 * np.pi**2 * ((rows * short / _TEXEL) ** 2 + (columns * long / _TEXEL) ** 2))
    table = np.fft.ifft2(np.fft.fft2(rng.standard_normal((1024, 1024))) * blur).real
    return np.asarray((table - table.mean()) / table.std(), dtype=np.float32)


def _texture(table: Floats, x: Floats, y: Floats) -> Floats:
    """A table's values at places in microns, by bilinear interpolation."""
    y, x = y / np.float32(_TEXEL), x / np.float32(_TEXEL)
    row, column = np.floor(y), np.floor(x)
    down, right = (y - row).astype(np.float32), (x - column).astype(np.float32)
    top, left = row.astype(np.int32) & 1023, column.astype(np.int32) & 1023
    low, far = (top + 1) & 1023, (left + 1) & 1023
    upper = table[top, left] + right * (table[top, far] - table[top, left])
    lower = table[low, left] + right * (table[low, far] - table[low, left])
    return np.asarray(upper + down * (lower - upper), dtype=np.float32)


def _smooth(values: Floats, width: float) -> Floats:
    """0 below ``-width / 2``, 1 above ``width / 2``, smooth between."""
    t = np.clip(values / width + 0.5, 0, 1)
    return np.asarray(t * t * (3 - 2 * t), dtype=np.float32)


def _ground(specimen: Specimen, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Hematoxylin and eosin of fibrous stroma: wavy bundles, with clefts between them."""
    angle, shift = fiber_angle(specimen), specimen.rng(17).uniform(0, 512, 2).astype(np.float32)
    bend = 11 * _texture(_table(34, 34, 5), x + shift[0], y + shift[1])
    along = x * np.float32(np.cos(angle)) + y * np.float32(np.sin(angle)) + shift[0]
    across = y * np.float32(np.cos(angle)) - x * np.float32(np.sin(angle)) + bend + shift[1]
    bundle, thread = _texture(_table(20, 2.4, 6), along, across), _texture(_table(7, 0.7, 7), along, across)
    solid = _smooth(np.asarray(bundle + 0.35 * thread + 1.15, np.float32), 0.8)
    eosin = solid * (0.5 + 0.1 * bundle + 0.07 * thread) + 0.03
    return np.asarray(0.05 + 0.03 * solid, dtype=np.float32), np.asarray(eosin, dtype=np.float32)


def _stain_window(specimen: Specimen, scene: Scene, x: Floats, y: Floats, mpp: float) -> tuple[Floats, Floats]:
    """Amounts of hematoxylin and eosin on a window of pixels."""
    blue, red = _ground(specimen, x, y)
    grain, speck = _texture(_table(1.6, 1.6, 8), x, y), _texture(_table(0.7, 0.7, 9), x, y)
    _add_glands(scene.glands, x, y, mpp, blue, red, grain)
    contrast = specimen.hardness.contrast
    looks = {"tumour": (0.3 + 0.06 * grain, 0.4 + 0.07 * grain), "infiltrate": (0.16 + 0.03 * grain, 0.8 * red),
             "necrosis": (0.06 + 0.03 * speck, 0.62 + 0.12 * grain + 0.1 * speck)}  # fmt: skip
    for area in specimen.areas:
        share = contrast * _smooth(depth(area, x, y) * area.um, 4.0)
        for amount, look in zip((blue, red), looks[area.kind], strict=True):
            amount += share * (look - amount)
    for nuclei in scene.nuclei:
        _add_nuclei(nuclei, x, y, mpp, blue, red, speck)
    tissue = _smooth(tissue_depth(specimen, x, y), 0.02)
    return np.maximum(blue * tissue, 0), np.maximum(red * tissue, 0)


def _add_glands(glands: Glands, x: Floats, y: Floats, mpp: float, blue: Floats, red: Floats, grain: Floats) -> None:
    """Draw glands: a basement membrane, a rim of cells with pale tips, a lumen."""
    for place, radius, wave in zip(glands.place, glands.radius, glands.wave, strict=True):
        rows, columns = _near(y[:, 0], place[1], 1.3 * radius), _near(x[0], place[0], 1.3 * radius)
        if rows.stop <= rows.start or columns.stop <= columns.start:
            continue
        part = rows, columns
        dx, dy = x[:, columns] - place[0], y[rows] - place[1]
        inside = 1 - np.hypot(dx, dy) / gland_radius(float(radius), float(wave), dx, dy)
        cells, lumen = _smooth(inside * radius, max(1.0, mpp)), _smooth((inside - 0.56) * radius, max(1.6, mpp))
        tips = np.clip((inside - 0.3) / 0.26, 0, 1)
        wall = np.exp(-((inside * radius + 0.8) ** 2))
        for amount, base, tip, open_, edge in ((blue, 0.2, 0.1, 0.015, 0.05), (red, 0.42, 0.16, 0.02, 0.25)):
            look = (base + (tip - base) * tips + 0.04 * grain[part]) * (1 - lumen) + open_ * lumen
            amount[part] += cells * (look - amount[part]) + edge * wall


def _near(axis: Floats, middle: float, reach: float) -> slice:
    """The pixels of an axis within reach of a place."""
    return slice(int(np.searchsorted(axis, middle - reach)), int(np.searchsorted(axis, middle + reach)))


def _add_nuclei(nuclei: Nuclei, x: Floats, y: Floats, mpp: float, blue: Floats, red: Floats, speck: Floats) -> None:
    """Draw ellipses with a soft edge, a darker rim and grainy chromatin; where they overlap the darker one wins."""
    reach = float(nuclei.half.max(initial=0)) + nuclei.halo + mpp
    near = (
        (nuclei.place[:, 0] > x[0, 0] - reach) & (nuclei.place[:, 0] < x[0, -1] + reach)
        & (nuclei.place[:, 1] > y[0, 0] - reach) & (nuclei.place[:, 1] < y[-1, 0] + reach)
    )  # fmt: skip
    if not near.any():
        return
    place, half, angle = nuclei.place[near], nuclei.half[near], nuclei.angle[near]
    offsets = np.arange(-int(np.ceil(reach / mpp)), int(np.ceil(reach / mpp)) + 1)
    column = np.rint((place[:, 0] - x[0, 0]) / mpp).astype(np.int64)[:, None, None] + offsets[None, None, :]
    row = np.rint((place[:, 1] - y[0, 0]) / mpp).astype(np.int64)[:, None, None] + offsets[None, :, None]
    dx = (column * np.float32(mpp) + x[0, 0]) - place[:, 0, None, None]
    dy = (row * np.float32(mpp) + y[0, 0]) - place[:, 1, None, None]
    cos, sin = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
    far = np.hypot((dx * cos + dy * sin) / half[:, 0, None, None], (dy * cos - dx * sin) / half[:, 1, None, None])
    short = half[:, 1, None, None]
    cover = np.clip((1 - far) * short / mpp + 0.5, 0, 1).astype(np.float32)
    rim = 0.86 + 0.24 * np.exp(-(((far - 0.86) / 0.14) ** 2))
    seen = (row >= 0) & (row < blue.shape[0]) & (column >= 0) & (column < blue.shape[1])
    where = (row * blue.shape[1] + column)[seen]
    if nuclei.halo:
        clear = np.clip((short + nuclei.halo - far * short) / nuclei.halo, 0, 1)
        paler = np.ones(blue.size, np.float32)
        np.minimum.at(paler, where, (1 - 0.75 * clear)[seen].astype(np.float32))
        blue *= paler.reshape(blue.shape)
    amount, hidden = np.zeros(blue.size, np.float32), np.zeros(blue.size, np.float32)
    np.maximum.at(amount, where, (cover * rim * nuclei.stain[near][:, None, None])[seen].astype(np.float32))
    np.maximum.at(hidden, where, cover[seen])
    grain = 0.04 if nuclei.halo else 0.16  # condensed chromatin is even
    shape, chromatin = blue.shape, np.clip(1 + grain * speck, 0.5, 1.5)
    np.maximum(blue, amount.reshape(shape) * chromatin, out=blue)
    red *= 1 - 0.5 * hidden.reshape(shape)


def _light(specimen: Specimen, amounts: tuple[Floats, Floats], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Colours of the light that passes the stains, with the camera's photon noise."""
    stains = np.stack([amounts[0] * specimen.stain[0], amounts[1] * specimen.stain[1]], axis=-1)
    passed = np.exp(-stains @ np.array([HEMATOXYLIN, EOSIN], np.float32))
    noise = rng.standard_normal(passed.shape, dtype=np.float32) * (2.2 * specimen.hardness.noise) * np.sqrt(passed)
    return np.asarray(np.clip(np.rint(specimen.white * passed + noise), 0, 255), dtype=np.uint8)
