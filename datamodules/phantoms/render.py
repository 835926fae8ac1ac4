"""From a virtual patient to pixels: the radiograph by Beer-Lambert projection, the volume in Hounsfield units, boxes.

Both come from one ``Scene`` of depth intervals, so the shadow of a finding and its voxels are the same thing.
PHANTOM - NOT A PATIENT.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .anatomy import (
    FIELD_MM,
    Anatomy,
    Grid,
    Map,
    body_half,
    dome_back,
    heart_back,
    lung_density,
    lung_half,
    midline_half,
)
from .findings import Finding, Study

MU_WATER = 0.0165
"""Attenuation of water per millimetre at the effective energy of the phantom's beam (about 100 keV)."""
OPAQUE = 5.2
"""Attenuation (line integral) that is stored as 4095."""
WINDOW = (2100.0, 3300.0)
"""Display window (center, width) of a radiograph in stored values."""
QUANTA = 40_000.0
"""Photons a pixel of a 128-pixel image without a patient; sets the noise."""
SOFT, FLUID, DISC, VERTEBRA, RIB, CARTILAGE = 1.04, 1.03, 1.12, 1.38, 2.0, 1.6

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Layer:
    """An organ: where it starts and ends along the beam, and its density relative to water."""

    lo: Map
    hi: Map
    density: Map | float

    @property
    def length(self) -> Map:
        """Millimetres of the ray inside the organ."""
        length: Map = np.maximum(self.hi - self.lo, 0)
        return length

    def cut(self, other: Layer) -> Layer:
        """The part of this organ's interval that lies inside another one, with this density."""
        return Layer(np.maximum(self.lo, other.lo), np.minimum(self.hi, other.hi), self.density)


@dataclass(frozen=True, slots=True)
class Scene:
    """One study as depth intervals on a grid of rays.

    Attributes:
        outer: The trunk, then organs outside the lung cavity; they do not overlap one another except the trunk.
        cavity: The pleural cavity behind heart and diaphragm; its density is the one of free air.
        inner: Lung, then findings: each lies in the cavity and hides the lung; two findings never overlap.
        layers: The findings' own layers by kind.
        shadows: Silhouette of each finding by kind.
    """

    outer: tuple[Layer, ...]
    cavity: Layer
    inner: tuple[Layer, ...]
    layers: Mapping[str, Layer]
    shadows: Mapping[str, Mask]


def _column(half: Map, centre: float, density: Map | float, shape: tuple[int, int]) -> Layer:
    lo, hi = np.broadcast_to(centre - half, shape), np.broadcast_to(centre + half, shape)
    return Layer(lo.astype(np.float32), hi.astype(np.float32), density)


def _ribs(body: Anatomy, grid: Grid, trunk: Map) -> tuple[Layer, ...]:
    """Rear and front rib arcs in the shell around the lungs, and the collar bones."""
    inner, outer = lung_half(body, grid), lung_half(body, grid, grow=9.0)
    across = np.abs(grid.x) / body.cage
    rear = (grid.z - body.rib_phase + 26 * across * across) % 25.0 < 8.5
    front = (grid.z - body.rib_phase + 26 + 24 * (1 - across * across)) % 25.0 < 8.0
    chest = (np.abs(grid.x) > 22) & (outer > 0) & (grid.z > body.dome - 24)
    bow = (grid.z - 0.74 * body.apex - 0.16 * np.abs(grid.x)) ** 2 < 30
    collar = bow & (np.abs(grid.x) > 14) & (np.abs(grid.x) < 1.02 * body.cage)
    back = Layer(inner, np.minimum(np.where(rear & chest, outer, inner), trunk), RIB)
    breast = Layer(-np.minimum(np.where(front & chest, outer, inner), trunk), -inner, CARTILAGE)
    clavicle = Layer(-np.minimum(np.where(collar, outer + 9, outer), trunk), -outer, RIB)
    return back, breast, clavicle


def _outer(body: Anatomy, grid: Grid) -> tuple[Layer, ...]:
    trunk = body_half(body, grid)
    shape = trunk.shape
    bone = np.where((grid.z + 2 * body.rib_phase) % 24.0 < 18, VERTEBRA, DISC).astype(np.float32)
    spine = np.sqrt(np.maximum(17.0**2 - grid.x**2, 0))
    wind = np.sqrt(np.maximum(8.5**2 - grid.x**2, 0)) * (grid.z > 0.3 * body.apex)
    rear = 0.72 * body.depth
    spine_layer = _column(spine, rear, bone, shape)
    trachea = _column(wind, rear - 32, 0.0, shape)
    limit = Layer(-trunk, trunk, SOFT)
    return limit, spine_layer.cut(limit), trachea.cut(limit), *_ribs(body, grid, trunk)


def _fluid(body: Anatomy, grid: Grid, finding: Finding, cavity: Layer) -> Layer:
    """Fluid under a meniscus that climbs to the outer wall and to the back."""
    climb = np.clip(np.abs(grid.x) / body.cage, 0, 1) ** 3 * 26
    level = body.dome - body.dome_drop * (finding.side == "left") + finding.mm + climb
    start = (grid.z - level) * (body.depth / 12.0)
    inside = np.where(_on(finding, grid), start, np.float32(1e4)).astype(np.float32)
    return Layer(np.maximum(cavity.lo, inside), cavity.hi, FLUID)


def _on(finding: Finding, grid: Grid) -> Mask:
    return np.asarray(grid.x > 0 if finding.side == "left" else grid.x < 0)


def _ball(grid: Grid, finding: Finding, half: tuple[float, float, float], depth: float, density: Map | float) -> Layer:
    """An ellipsoid with semi-axes ``half`` (x, y, z) around the finding's place."""
    sign = 1.0 if finding.side == "left" else -1.0
    u, w = (grid.x - sign * finding.place[0]) / half[0], (grid.z - finding.place[1]) / half[2]
    chord = half[1] * np.sqrt(np.maximum(1 - u * u - w * w, 0))
    return Layer((depth - chord).astype(np.float32), (depth + chord).astype(np.float32), density)


def _lung(body: Anatomy, grid: Grid, study: Study, cavity: Layer) -> Layer:
    air = study.find("pneumothorax")
    fluid = study.find("effusion")
    lung = Layer(cavity.lo, cavity.hi, lung_density(body, grid))
    if air is not None:
        side = _on(air, grid)
        rim = np.where(side, np.float32(air.mm), np.float32(0))
        half = lung_half(body, grid, squeeze=rim, lower=1.1 * rim)
        stiff = np.where(side, np.float32(1.35), np.float32(1))
        lung = replace(lung.cut(Layer(-half, half, 0.0)), density=lung.density * stiff)
    if fluid is not None:
        lung = Layer(lung.lo, np.minimum(lung.hi, _fluid(body, grid, fluid, cavity).lo), lung.density)
    return lung


def build_scene(study: Study, height: int, width: int) -> Scene:
    """Work out where every organ and finding of a study starts and ends on a grid of rays."""
    heart = study.find("cardiomegaly")
    body = study.body if heart is None else replace(study.body, ratio=heart.mm)
    grid = Grid.of(height, width, body.shift)
    half = lung_half(body, grid)
    back, shadow = heart_back(body, grid)
    front = np.maximum(np.maximum(-half, back), dome_back(body, grid))
    beside = np.clip((np.abs(grid.x) - midline_half(body, grid)) / 5, 0, 1)
    cavity = Layer(front, (front + beside * np.maximum(half - front, 0)).astype(np.float32), 0.0)
    lung = _lung(body, grid, study, cavity)
    layers, shadows = {}, {}
    for finding in study.findings:
        if finding.kind == "cardiomegaly":
            shadows[finding.kind] = shadow & (grid.z > body.dome - 8)
        elif finding.kind == "pneumothorax":
            free = (cavity.length - lung.length) * _on(finding, grid)
            shadows[finding.kind] = (free > 0.6 * cavity.length) & (free > 10) & (grid.z > body.dome)
        else:
            layers[finding.kind] = _place(body, grid, finding, cavity, lung)
            shadows[finding.kind] = layers[finding.kind].length > 6
    return Scene(_outer(body, grid), cavity, (lung, *layers.values()), layers, shadows)


def _place(body: Anatomy, grid: Grid, finding: Finding, cavity: Layer, lung: Layer) -> Layer:
    """The layer of a finding that is denser than lung."""
    if finding.kind == "effusion":
        return _fluid(body, grid, finding, cavity)
    if finding.kind == "nodule":
        radius = finding.mm / 2
        return _ball(grid, finding, (radius, radius, radius), 0.12 * body.depth, 1.6).cut(lung)
    wide, cloud = finding.mm, np.clip(0.75 + 1.2 * (lung_density(body, grid) - body.lung) / body.lung, 0.65, 1.05)
    return _ball(grid, finding, (wide, 1.5 * wide, 0.8 * wide), 0.1 * body.depth, cloud).cut(lung)


def water_path(scene: Scene) -> Map:
    """Millimetres of water that attenuate like each ray's way through the patient (exact, no voxels)."""
    trunk, *organs = scene.outer
    path = trunk.length * SOFT
    for organ in organs:
        path += organ.length * (organ.density - SOFT)
    path += scene.cavity.length * (0.0 - SOFT)
    lung, *findings = scene.inner
    path += lung.length * lung.density
    for finding in findings:
        path += finding.length * finding.density - finding.cut(lung).length * lung.density
    return path.astype(np.float32)


@dataclass(frozen=True, slots=True)
class Radiograph:
    """A frontal chest radiograph and what is in it.

    Attributes:
        pixels: Stored values 0 to 4095, dense tissue bright; the patient's left is on the right side.
        masks: Silhouette of each finding by kind.
        boxes: Normalised ``(x0, y0, x1, y1)`` around each silhouette.
    """

    pixels: NDArray[np.uint16]
    masks: Mapping[str, Mask]
    boxes: Mapping[str, tuple[float, float, float, float]]


def box_of(mask: Mask) -> tuple[float, float, float, float]:
    """The tightest normalised box ``(x0, y0, x1, y1)`` around a mask.

    Raises:
        ValueError: If the mask is empty.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if rows.size == 0:
        raise ValueError(f"A box needs a mask with at least one pixel, got an empty one of shape {mask.shape}.")
    height, width = mask.shape
    return columns[0] / width, rows[0] / height, (columns[-1] + 1) / width, (rows[-1] + 1) / height


def render_radiograph(study: Study, size: int = 128, *, noise: bool = True) -> Radiograph:
    """Project a study to a radiograph of ``size`` x ``size`` pixels.

    Args:
        study: The virtual patient at one time.
        size: Pixels along each side, 32 or more.
        noise: Whether photons are counted (seeded by the study) or ideal.
    """
    if size < 32:
        raise ValueError(f"A radiograph has 32 or more pixels along each side, got size={size}.")
    scene = build_scene(study, size, size)
    passed = np.exp(-MU_WATER * water_path(scene))
    if noise:
        quanta = QUANTA * (128 / size) ** 2
        grains = study.rng(1).standard_normal(passed.shape, dtype=np.float32)
        passed = np.maximum(passed + grains * np.sqrt(passed / quanta), 0.5 / quanta)
    stored = np.clip(-np.log(passed) * (4095 / OPAQUE), 0, 4095)
    boxes = {kind: box_of(mask) for kind, mask in scene.shadows.items()}
    return Radiograph(np.rint(stored).astype(np.uint16), scene.shadows, boxes)


@dataclass(frozen=True, slots=True)
class Volume:
    """A chest CT: Hounsfield units as (z, y, x) with z from feet to head, y to the back, x to the patient's left.

    Attributes:
        array: Hounsfield units, int16.
        spacing: Millimetres between voxels along z, y, x.
        masks: Voxels of each finding by kind.
    """

    array: NDArray[np.int16]
    spacing: tuple[float, float, float]
    masks: Mapping[str, Mask]


def render_volume(study: Study, shape: tuple[int, int, int] = (32, 64, 64), *, noise: float = 12.0) -> Volume:
    """Fill voxels with the study's Hounsfield units.

    Args:
        study: The virtual patient at one time.
        shape: Voxels along z, y and x, 8 or more each; they cover the cubic field of view.
        noise: Standard deviation of the (seeded) noise in HU.
    """
    if len(shape) != 3 or min(shape) < 8:
        raise ValueError(f"A volume has three axes (z, y, x) of 8 or more voxels, got shape={shape}.")
    depth, height, width = shape
    scene = build_scene(study, depth, width)
    y = ((np.arange(height, dtype=np.float32) + 0.5) / height - 0.5) * FIELD_MM
    density = np.zeros(shape, dtype=np.float32)
    for layer in (*scene.outer, scene.cavity, *scene.inner):
        _paint(density, layer, y)
    masks = {kind: _voxels(scene, kind, y) for kind in scene.shadows}
    units = (density - 1) * 1000
    if noise:
        units += study.rng(2).standard_normal(shape, dtype=np.float32) * noise
    values = np.clip(np.rint(units), -1024, 3071).astype(np.int16)[::-1]
    spacing = (FIELD_MM / depth, FIELD_MM / height, FIELD_MM / width)
    return Volume(np.ascontiguousarray(values), spacing, {kind: mask[::-1] for kind, mask in masks.items()})


def _inside(layer: Layer, y: Map) -> Mask:
    """Voxels (row, y, column) of a layer."""
    depth = y[None, :, None]
    return np.asarray((depth >= layer.lo[:, None, :]) & (depth < layer.hi[:, None, :]))


def _paint(density: Map, layer: Layer, y: Map) -> None:
    values = np.broadcast_to(np.asarray(layer.density, dtype=np.float32), layer.lo.shape)[:, None, :]
    np.copyto(density, values, where=_inside(layer, y))


def _voxels(scene: Scene, kind: str, y: Map) -> Mask:
    """Voxels of one finding: its own layer, or the part of the cavity or heart that its silhouette covers."""
    shadow = scene.shadows[kind][:, None, :]
    if kind == "pneumothorax":
        return _inside(scene.cavity, y) & ~_inside(scene.inner[0], y) & shadow
    if kind == "cardiomegaly":
        front = Layer(-scene.outer[0].hi * 0.9, scene.cavity.lo, SOFT)
        return _inside(front, y) & shadow
    return _inside(scene.layers[kind], y)
