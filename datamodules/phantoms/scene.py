"""A study as depth intervals: where every organ and finding starts and ends on each ray, and what the ray meets.

The radiograph and the volume are both made of one ``Scene``, so the shadow of a finding and its voxels are the same
thing. PHANTOM - NOT A PATIENT.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .anatomy import (
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

SOFT, FLUID, DISC, VERTEBRA, RIB, CARTILAGE, DENSE = 1.04, 1.03, 1.12, 1.38, 2.0, 1.6, 3.9

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
        cavity: The pleural cavity behind heart and diaphragm; its density is that of free air.
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
    """Aerated lung: all of the cavity, less of it beside free air; findings are painted over it."""
    air = study.find("pneumothorax")
    lung = Layer(cavity.lo, cavity.hi, lung_density(body, grid))
    if air is not None:
        contrast, side = study.hardness.contrast, _on(air, grid)
        rim = np.where(side, np.float32(air.mm), np.float32(0))
        half = lung_half(body, grid, squeeze=rim, lower=rim)
        density = lung_density(body, grid) * np.where(side, np.float32(1 + 0.35 * contrast), np.float32(1))
        lung = replace(lung.cut(Layer(-half, half, 0.0)), density=density)
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
    if study.find("pneumothorax") is not None and study.hardness.contrast < 1:
        cavity = replace(cavity, density=(1 - study.hardness.contrast) * lung_density(body, grid))
    layers, shadows = {}, {}
    for finding in study.findings:
        if finding.kind == "cardiomegaly":
            shadows[finding.kind] = shadow & (grid.z > body.dome - 8)
        elif finding.kind == "pneumothorax":
            free = (cavity.length - lung.length) * _on(finding, grid)
            shadows[finding.kind] = (free > 0.6 * cavity.length) & (free > 10) & (grid.z > body.dome)
        else:
            layers[finding.kind] = _faint(study, _place(body, grid, finding, cavity, lung), lung)
            shadows[finding.kind] = layers[finding.kind].length > 6
    return Scene(
        (*_outer(body, grid), *_wall_lumps(study, body, grid)), cavity, (lung, *layers.values()), layers, shadows
    )


def _faint(study: Study, layer: Layer, lung: Layer) -> Layer:
    """A finding's layer with its density as far from the lung's as the study's contrast says."""
    contrast = study.hardness.contrast
    if contrast == 1:
        return layer
    return replace(layer, density=np.asarray(lung.density + contrast * (layer.density - lung.density), np.float32))


def _wall_lumps(study: Study, body: Anatomy, grid: Grid) -> tuple[Layer, ...]:
    """Round things of metal or chalk in front of the ribs: nodules to whoever looks at shadows alone."""
    if not study.hardness.confounders:
        return ()
    rng, trunk = study.rng(7), body_half(body, grid)
    ribs = lung_half(body, grid, grow=9.0)
    squares = np.full(ribs.shape, 4e6, np.float32)  # distance to the nearest lump, so that no two overlap
    radii = np.ones(ribs.shape, np.float32)
    for _ in range(study.hardness.confounders):
        x, z, radius = (
            rng.uniform(30, 0.75 * body.cage),
            rng.uniform(body.dome + 10, 0.5 * body.apex),
            rng.uniform(8, 13),
        )
        apart = (grid.x - rng.choice((-1, 1)) * x) ** 2 + (grid.z - z) ** 2
        radii = np.where(apart < squares, np.float32(radius), radii)
        squares = np.minimum(squares, apart)
    chord = np.sqrt(np.maximum(1 - squares / radii**2, 0)) * 12
    lo = np.asarray(-trunk, np.float32)
    return (Layer(lo, np.minimum(lo + chord, -ribs).astype(np.float32), DENSE),)


def _place(body: Anatomy, grid: Grid, finding: Finding, cavity: Layer, lung: Layer) -> Layer:
    """The layer of a finding that is denser than lung."""
    if finding.kind == "effusion":
        return _fluid(body, grid, finding, cavity)
    if finding.kind == "nodule":
        radius = finding.mm / 2
        return _ball(grid, finding, (radius, radius, radius), 0.12 * body.depth, 2.2).cut(lung)
    wide, cloud = finding.mm, np.clip(0.9 + 0.8 * (lung_density(body, grid) - body.lung) / body.lung, 0.75, 1.1)
    return _ball(grid, finding, (wide, 1.3 * wide, 0.75 * wide), 0.1 * body.depth, cloud).cut(lung)


def water_path(scene: Scene) -> Map:
    """Millimetres of water that attenuate like each ray's way through the patient (exact, no voxels)."""
    trunk, *organs = scene.outer
    path = trunk.length * SOFT
    for organ in organs:
        path += organ.length * (organ.density - SOFT)
    path += scene.cavity.length * (0.0 - SOFT)
    lung, *findings = scene.inner
    path += lung.length * lung.density
    if isinstance(scene.cavity.density, np.ndarray):
        path += (scene.cavity.length - lung.length) * scene.cavity.density
    for finding in findings:
        path += finding.length * finding.density - finding.cut(lung).length * lung.density
    return path.astype(np.float32)
