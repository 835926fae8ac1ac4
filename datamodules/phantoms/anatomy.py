"""An analytic thorax: every organ is one interval along the beam, so that a radiograph needs no voxels.

Coordinates are millimetres: x grows to the patient's left, y to the back, z to the head. An organ is a pair of maps
``lo(x, z), hi(x, z)``. Its shadow is ``hi - lo`` and its voxels are those with ``lo <= y < hi``, hence radiograph and
volume of one patient come from the same two maps. PHANTOM - NOT A PATIENT.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

FIELD_MM = 360.0
"""Width of the cubic field of view that radiographs and volumes show."""

Map = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Anatomy:
    """The healthy body of one virtual patient, in millimetres.

    Attributes:
        cage: Half width of the rib cage (inner side).
        depth: Half depth of the rib cage.
        wall: Thickness of the chest wall.
        apex: Height of the lung tips.
        dome: Height of the right diaphragm; the left one lies ``dome_drop`` lower.
        dome_drop: See ``dome``.
        mediastinum: Half width of the tissue between the lungs.
        ratio: Cardiothoracic ratio (heart width over inner cage width).
        tilt: Angle of the heart's long axis in radians.
        shift: Offset (x, z) of the body against the field of view.
        lung: Density of aerated lung relative to water.
        texture: Start (row, column) in the shared table of lung markings.
        rib_phase: Height of a reference rib.
    """

    cage: float
    depth: float
    wall: float
    apex: float
    dome: float
    dome_drop: float
    mediastinum: float
    ratio: float
    tilt: float
    shift: tuple[float, float]
    lung: float
    texture: tuple[int, int]
    rib_phase: float


@dataclass(frozen=True, slots=True)
class Grid:
    """Positions of the pixels of a frontal image: ``x`` is (1, width) and ``z`` is (height, 1), head first."""

    x: Map
    z: Map

    @staticmethod
    def of(height: int, width: int, shift: tuple[float, float] = (0.0, 0.0)) -> Grid:
        """Cover the field of view with ``height`` x ``width`` pixel centres, relative to a shifted body."""
        x = ((np.arange(width, dtype=np.float32) + 0.5) / width - 0.5) * FIELD_MM - shift[0]
        z = (0.5 - (np.arange(height, dtype=np.float32) + 0.5) / height) * FIELD_MM - shift[1]
        return Grid(x[None, :].astype(np.float32), z[:, None].astype(np.float32))


def sample_anatomy(rng: np.random.Generator) -> Anatomy:
    """Draw a healthy adult body."""
    scale = float(rng.uniform(0.9, 1.05))
    draw = rng.uniform
    return Anatomy(
        cage=float(draw(124, 134)) * scale,
        depth=float(draw(86, 100)) * scale,
        wall=float(draw(18, 30)),
        apex=float(draw(128, 138)) * scale,
        dome=float(draw(-74, -58)) * scale,
        dome_drop=float(draw(4, 12)),
        mediastinum=float(draw(24, 29)) * scale,
        ratio=float(draw(0.39, 0.46)),
        tilt=float(draw(0.45, 0.7)),
        shift=(float(draw(-6, 6)), float(draw(-6, 6))),
        lung=float(draw(0.21, 0.26)),
        texture=(int(rng.integers(0, 512)), int(rng.integers(0, 512))),
        rib_phase=float(draw(0, 24)),
    )


def lung_half(
    body: Anatomy, grid: Grid, squeeze: Map | float = 0.0, lower: Map | float = 0.0, grow: float = 0.0
) -> Map:
    """Half depth of the lung cavity on each ray; 0 outside.

    Args:
        body: The patient.
        grid: Where to evaluate.
        squeeze: How far the outer border moves to the middle (a collapsing lung).
        lower: How far the tip sinks.
        grow: Millimetres by which the cavity is blown up (the outer side of the ribs).
    """
    centre = 0.46 * body.cage
    u = (np.abs(grid.x) - centre + 0.5 * squeeze) / (body.cage - centre - 0.5 * squeeze + grow)
    middle, low = 0.15 * body.apex, body.dome - 14
    up = np.maximum(grid.z - middle, 0) / (body.apex - lower + grow - middle)
    down = np.maximum(low - grid.z, 0) / (36 + grow)
    up, down = up * up, down * down
    inside = np.maximum(1 - u * u - up * up - down * down, 0)
    half: Map = (body.depth + grow) * np.sqrt(inside)
    return half


def midline_half(body: Anatomy, grid: Grid) -> Map:
    """Half width of the mediastinum on each ray: aortic knob on the left, wider at the lung roots."""
    left = grid.x > 0
    knob = 13 * np.exp(-(((grid.z - 0.52 * body.apex) / 17) ** 2)) * left
    root = 7 * np.exp(-(((grid.z - 0.12 * body.apex) / 26) ** 2))
    narrow = np.clip((grid.z - 0.7 * body.apex) / 60, 0, 1) * -4
    return np.asarray(body.mediastinum + knob + root + narrow, dtype=np.float32)


def heart_extent(body: Anatomy) -> tuple[float, float, float, float]:
    """Centre (x, z) and semi-axes (long, short) of the heart so that its width is ``ratio`` of the cage."""
    half = body.ratio * body.cage
    flat = 0.74
    long = half / float(np.sqrt(np.cos(body.tilt) ** 2 + (flat * np.sin(body.tilt)) ** 2))
    return 0.34 * half, body.dome + 0.55 * half, long, flat * long


def heart_back(body: Anatomy, grid: Grid) -> tuple[Map, NDArray[np.bool_]]:
    """Depth of the heart's rear surface and its silhouette; the heart reaches the front wall."""
    cx, cz, long, short = heart_extent(body)
    cos, sin = np.float32(np.cos(body.tilt)), np.float32(np.sin(body.tilt))
    dx, dz = grid.x - cx, grid.z - cz
    along, across = (dx * cos - dz * sin) / long, (dx * sin + dz * cos) / short
    inside = 1 - along * along - across * across
    back = 0.05 * body.depth + 0.5 * body.depth * np.sqrt(np.maximum(inside, 0))
    shadow = inside > 0
    return np.where(shadow, back, -body.depth).astype(np.float32), shadow


def dome_back(body: Anatomy, grid: Grid) -> Map:
    """Depth of the diaphragm's rear slope; everything in front of it is abdomen."""
    top = body.dome - body.dome_drop * (grid.x > 0)
    height, centre = 62.0, 0.42 * body.cage
    u = (np.abs(grid.x) - centre) / (body.cage * 1.02 - centre)
    w = np.maximum(grid.z - (top - height), 0) / height
    inside = 1 - u * u - w * w
    back = 0.1 * body.depth + 0.72 * body.depth * np.sqrt(np.maximum(inside, 0))
    return np.where(inside > 0, back, -body.depth).astype(np.float32)


def body_half(body: Anatomy, grid: Grid) -> Map:
    """Half depth of the whole trunk with shoulders and neck; 0 in the air around it."""
    step = np.clip((186 - grid.z) / 46, 0, 1)
    wide = 52 + (body.cage + body.wall + 14 * np.clip(grid.z / 120, 0, 1) - 52) * step * step * (3 - 2 * step)
    u = (grid.x / wide) ** 2
    return np.asarray((body.depth + 26) * np.sqrt(np.maximum(1 - u * u, 0)), dtype=np.float32)


@cache
def markings() -> Map:
    """The shared 512 x 512 table of lung markings (mean 0, periodic): rows are directions, columns distances."""
    rng = np.random.default_rng(20240229)
    rows, columns = np.fft.fftfreq(512)[:, None] * 512, np.fft.fftfreq(512)[None, :] * 512
    shape = np.exp(-((np.abs(rows) - 26) ** 2) / (2 * 12**2)) * np.exp(-((columns / 9) ** 2))
    table = np.fft.ifft2(np.fft.fft2(rng.standard_normal((512, 512))) * shape).real
    table = np.maximum(table / table.std() - 0.3, 0) ** 1.3
    return np.asarray(table - table.mean(), dtype=np.float32)


def lung_density(body: Anatomy, grid: Grid) -> Map:
    """Density of lung relative to water: vessels run out from the lung roots and thin towards the rim."""
    dx, dz = np.abs(grid.x) - body.mediastinum, grid.z - 0.1 * body.apex
    far = np.sqrt(dx * dx + dz * dz) + 6
    turn = (
        ((np.arctan2(dz, dx) + 0.12 * np.sin(far / 11)) * (512 / (2 * np.pi))).astype(np.int32)
        + body.texture[0]
        + 200 * (grid.x > 0)
    )
    reach = (np.log(far) * 60).astype(np.int32) + body.texture[1]
    vessels = markings()[turn & 511, reach & 511] * np.exp(-far / 60)
    density = body.lung * (1 + 0.55 * vessels + 1.3 * np.exp(-((far / 30) ** 2)))
    return np.asarray(np.clip(density, 0.1, 0.75), dtype=np.float32)
