"""Where the glands and nuclei of a specimen lie: jittered lattices, so that no two nuclei of a kind meet.

Everything is in microns from the middle of the field, x to the right, y down. PHANTOM - NOT A PATIENT.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..readers.tissue import farthest_points
from .specimen import Area, Specimen

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Nuclei:
    """Ellipses of hematoxylin.

    Attributes:
        place: Middles ``(n, 2)``.
        half: Half axes ``(n, 2)``, the long one first.
        angle: Direction of the long axis ``(n,)`` in radians.
        stain: Amount of hematoxylin ``(n,)``.
        halo: Width of the cleared rim around it, in microns.
    """

    place: Floats
    half: Floats
    angle: Floats
    stain: Floats
    halo: float = 0.0


@dataclass(frozen=True, slots=True)
class Glands:
    """Round glands: middles ``(n, 2)``, radii ``(n,)``, phases of their outlines ``(n,)``."""

    place: Floats
    radius: Floats
    wave: Floats


@dataclass(frozen=True, slots=True)
class Scene:
    """A specimen's glands, its nuclei in the order of drawing, and where the mitoses are ``(n, 2)``."""

    glands: Glands
    nuclei: tuple[Nuclei, ...]
    mitoses: Floats


def depth(area: Area, x: Floats, y: Floats) -> Floats:
    """How deep points lie in an area: 1 in its middle, 0 on its outline, below 0 outside."""
    dx, dy = x - area.place[0], y - area.place[1]
    turn = np.arctan2(dy, dx)
    outline = 1 + 0.1 * np.sin(3 * turn + area.wave[0]) + 0.06 * np.sin(5 * turn + area.wave[1])
    return np.asarray(1 - np.sqrt(dx * dx + dy * dy) / (area.um * outline), dtype=np.float32)


def tissue_depth(specimen: Specimen, x: Floats, y: Floats) -> Floats:
    """How deep points lie in the piece of tissue on a slide; 1 everywhere where there is no glass."""
    if not specimen.is_slide:
        return np.ones(np.broadcast_shapes(x.shape, y.shape), dtype=np.float32)
    u, v = x / (0.46 * specimen.field[0]), y / (0.44 * specimen.field[1])
    turn = np.arctan2(v, u)
    first, second = specimen.rng(8).uniform(0, 6.28, 2)
    outline = 1 + 0.05 * np.sin(4 * turn + first) + 0.03 * np.sin(9 * turn + second)
    return np.asarray(1 - np.sqrt(np.sqrt(u**4 + v**4)) / outline, dtype=np.float32)


def _lattice(specimen: Specimen, step: float, jitter: float, rng: np.random.Generator) -> Floats:
    """A jittered hexagonal lattice over the field."""
    width, height = specimen.field
    rows = np.arange(-height / 2 - step, height / 2 + step, step * 0.866)
    columns = np.arange(-width / 2 - step, width / 2 + step, step)
    x = columns[None, :] + np.where(np.arange(rows.size) % 2, step / 2, 0)[:, None]
    points = np.stack([x, np.broadcast_to(rows[:, None], x.shape)], axis=-1).reshape(-1, 2)
    return (points + rng.uniform(-jitter, jitter, points.shape) * step).astype(np.float32)


def _deepest(specimen: Specimen, points: Floats) -> Floats:
    """Depth of points in whichever area holds them."""
    depths = [depth(area, points[:, 0], points[:, 1]) * area.um for area in specimen.areas]
    return np.max(depths, axis=0) if depths else np.full(len(points), -1e3, np.float32)


def _glands(specimen: Specimen) -> Glands:
    rng = specimen.rng(10)
    points = _lattice(specimen, 72.0, 0.16, rng)
    radius = rng.uniform(15, 30, len(points)).astype(np.float32)
    wave = rng.uniform(0, 6.28, len(points)).astype(np.float32)
    free = (_deepest(specimen, points) < -radius - 4) & (tissue_depth(specimen, points[:, 0], points[:, 1]) > 0.12)
    return Glands(points[free], radius[free], wave[free])


def gland_depth(glands: Glands, points: Floats) -> Floats:
    """Microns by which points lie inside the nearest gland; below 0 outside all of them."""
    best = np.full(len(points), -1e3, np.float32)
    for place, radius, wave in zip(glands.place, glands.radius, glands.wave, strict=True):
        d = points - place
        best = np.maximum(best, gland_radius(radius, wave, d[:, 0], d[:, 1]) - np.hypot(d[:, 0], d[:, 1]))
    return best


def gland_radius(radius: float, wave: float, dx: Floats, dy: Floats) -> Floats:
    """Radius of a gland in a direction."""
    turn = np.arctan2(dy, dx)
    return np.asarray(radius * (1 + 0.14 * np.sin(2 * turn + wave) + 0.07 * np.sin(3 * turn - 2 * wave)), np.float32)


def _nuclei(
    points: Floats, long: tuple[float, float], flat: tuple[float, float], stain: tuple[float, float],
    rng: np.random.Generator, angle: Floats | None = None, halo: float = 0.0,
) -> Nuclei:  # fmt: skip
    count = len(points)
    size = rng.uniform(*long, count)
    half = np.stack([size, size * rng.uniform(*flat, count)], axis=-1).astype(np.float32)
    turn = rng.uniform(0, np.pi, count).astype(np.float32) if angle is None else angle
    return Nuclei(points, half, turn, rng.uniform(*stain, count).astype(np.float32), halo)


def _ring(glands: Glands, rng: np.random.Generator) -> Nuclei:
    """Nuclei at the base of each gland's cells, pointing to its middle."""
    places, angles = [], []
    for place, radius, wave in zip(glands.place, glands.radius, glands.wave, strict=True):
        count = int(2 * np.pi * radius * 0.8 / 6.4)
        turn = (np.arange(count) + rng.uniform(-0.2, 0.2, count)) * (2 * np.pi / count)
        out = np.stack([np.cos(turn), np.sin(turn)], axis=-1)
        far = gland_radius(radius, wave, out[:, 0], out[:, 1]) * rng.uniform(0.72, 0.84, count)
        places.append(place + out * far[:, None])
        angles.append(turn)
    points = np.concatenate([np.zeros((0, 2)), *places]).astype(np.float32)
    turns = np.concatenate([np.zeros(0), *angles]).astype(np.float32)
    return _nuclei(
        points, (3.3, 4.5), (0.52, 0.74), (0.85, 1.3), rng, turns + rng.normal(0, 0.15, len(turns)).astype(np.float32)
    )


def _inside(
    specimen: Specimen, area: Area, step: float, edge: float, rng: np.random.Generator, jitter: float = 0.2
) -> Floats:
    points = _lattice(specimen, step, jitter, rng)
    keep = depth(area, points[:, 0], points[:, 1]) * area.um > edge
    return points[keep & (tissue_depth(specimen, points[:, 0], points[:, 1]) > 0.02)]


def _tumour(specimen: Specimen, area: Area) -> tuple[list[Nuclei], Floats]:
    """Nuclei of a nest, larger, darker and less even in a high grade, and its dividing cells."""
    rng, blend, high = specimen.rng(11), specimen.hardness.blend, area.grade == "high"
    points = _inside(specimen, area, 12.4 if high else 9.6, 3.0, rng)
    dividing, dying = _rare(specimen, area, points, rng)
    rest = np.delete(points, [*dividing, *dying], axis=0)
    base = blend(1.0, 1.5 if high else 1.15)
    low, top, even = ((4.0, 7.2), (0.55, 0.95), 0.35) if high else ((3.4, 4.2), (0.78, 0.95), 0.12)
    size = (blend(3.6, low[0]), blend(4.2, low[1]))
    cells = [_nuclei(rest, size, top, (base * (1 - even), base * (1 + even)), rng)]
    if high:
        cells.append(_nuclei(rest[::2] + np.float32(0.8), (0.9, 1.3), (0.9, 1.0), (base * 1.7, base * 2.0), rng))
    dark = blend(base, 3.6)
    cells.append(_nuclei(points[dividing], (4.6, 5.4), (0.3, 0.4), (dark, dark * 1.1), rng, halo=3.0))
    cells.append(_nuclei(points[dying], (1.9, 2.4), (0.9, 1.0), (dark, dark * 1.1), rng, halo=1.6))
    return cells, points[dividing]


def _rare(specimen: Specimen, area: Area, points: Floats, rng: np.random.Generator) -> tuple[list[int], list[int]]:
    """Indices of dividing cells and of apoptotic bodies: in full view, and far from one another."""
    limit = np.array(specimen.field) / 2 - 9
    count = area.mitoses + specimen.hardness.confounders
    deep = depth(area, points[:, 0], points[:, 1]) * area.um
    seen = np.flatnonzero((deep > 2) & (np.abs(points) < limit).all(axis=1))
    if (deep[seen] > 8).sum() >= count:
        seen = seen[deep[seen] > 8]
    order = farthest_points(points[seen], np.ones(seen.size), count, int(rng.integers(2**31)))
    chosen = [int(i) for i in seen[rng.permutation(order)]]
    return chosen[: area.mitoses], chosen[area.mitoses :]


def _stroma(specimen: Specimen, glands: Glands) -> Nuclei:
    rng = specimen.rng(12)
    points = _lattice(specimen, 17.0, 0.35, rng)
    free = (_deepest(specimen, points) < 1.5) & (gland_depth(glands, points) < -4)
    points = points[free & (tissue_depth(specimen, points[:, 0], points[:, 1]) > 0.02)]
    turn = np.float32(fiber_angle(specimen)) + rng.normal(0, 0.3, len(points)).astype(np.float32)
    return _nuclei(points, (4.0, 6.0), (0.22, 0.36), (0.8, 1.2), rng, turn)


def fiber_angle(specimen: Specimen) -> float:
    """Direction in which the fibres of a specimen run, in radians."""
    return float(specimen.rng(13).uniform(-0.6, 0.6))


def build_cells(specimen: Specimen) -> Scene:
    """Place the glands and nuclei of a specimen."""
    glands, blend = _glands(specimen), specimen.hardness.blend
    nuclei, mitoses = [_stroma(specimen, glands), _ring(glands, specimen.rng(14))], np.zeros((0, 2), np.float32)
    for area in specimen.areas:
        rng = specimen.rng(15)
        if area.kind == "tumour":
            cells, mitoses = _tumour(specimen, area)
            nuclei += cells
        elif area.kind == "infiltrate":
            points = _inside(specimen, area, 7.4, 1.0, rng, 0.34)
            points = points[rng.random(len(points)) < blend(0.2, 0.9)]
            nuclei.append(_nuclei(points, (2.6, 3.1), (0.88, 1.0), (blend(1.0, 1.8), blend(1.2, 2.2)), rng))
        else:
            ghosts, dust = _inside(specimen, area, 13.0, 2.0, rng, 0.35), _inside(specimen, area, 7.0, 2.0, rng, 0.45)
            nuclei.append(_nuclei(ghosts, (3.4, 4.2), (0.7, 1.0), (blend(0.7, 0.16), blend(0.9, 0.22)), rng))
            nuclei.append(_nuclei(dust[::2], (0.5, 1.1), (0.8, 1.0), (blend(0.3, 1.3), blend(0.4, 2.0)), rng))
    return Scene(glands, tuple(nuclei), mitoses)
