"""From a virtual patient to pixels: the radiograph by Beer-Lambert projection, the volume in Hounsfield units, boxes.

PHANTOM - NOT A PATIENT.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .anatomy import FIELD_MM, Map
from .findings import Study
from .scanner import PLAIN, Scanner
from .scene import SOFT, Layer, Mask, Scene, build_scene, water_path

MU_WATER = 0.0165
"""Attenuation of water per millimetre at the effective energy of the phantom's beam (about 100 keV)."""
OPAQUE = 5.2
"""Attenuation (line integral) that is stored as 4095."""
WINDOW = (2100.0, 3300.0)
"""Display window (center, width) of a radiograph in stored values."""
QUANTA = 40_000.0
"""Photons a pixel of a 128-pixel image without a patient; sets the noise."""


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


def render_radiograph(study: Study, size: int = 128, *, noise: bool = True, scanner: Scanner = PLAIN) -> Radiograph:
    """Project a study to a radiograph of ``size`` x ``size`` pixels.

    Args:
        study: The virtual patient at one time.
        size: Pixels along each side, 32 or more.
        noise: Whether photons are counted (seeded by the study) or ideal.
        scanner: What takes it.
    """
    if size < 32:
        raise ValueError(f"A radiograph has 32 or more pixels along each side, got size={size}.")
    scene = build_scene(study, size, size)
    path, shadows, other = water_path(scene), scene.shadows, bool(scanner.changed())
    if other:
        path = scanner.bend(study, path, order=1)
        shadows = {kind: scanner.bend(study, mask.astype(np.float32), order=0) > 0 for kind, mask in shadows.items()}
    passed = np.exp(-MU_WATER * path)
    if other:
        passed = scanner.expose(study, passed)
    quanta = QUANTA * (128 / size) ** 2 * scanner.exposure
    if noise:
        grains = study.rng(1).standard_normal(passed.shape, dtype=np.float32)
        if study.hardness.noise != 1:
            grains *= np.float32(study.hardness.noise)
        passed = passed + grains * np.sqrt(passed / quanta)
    if noise or other:  # no photon behind a shutter has no logarithm
        passed = np.maximum(passed, 0.5 / quanta)
    stored = np.clip(-np.log(passed) * (4095 / OPAQUE), 0, 4095)
    stored = scanner.stored(stored) if other else stored
    boxes = {kind: box_of(mask) for kind, mask in shadows.items()}
    return Radiograph(np.rint(stored).astype(np.uint16), shadows, boxes)


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
        noise: Standard deviation of the (seeded) noise in HU, before the study's hardness.
    """
    if len(shape) != 3 or min(shape) < 8:
        raise ValueError(f"A volume has three axes (z, y, x) of 8 or more voxels, got shape={shape}.")
    depth, height, width = shape
    scene = build_scene(study, depth, width)
    y = _depths(height)
    masks = {kind: voxels(scene, kind, y) for kind in scene.shadows}
    units = (painted(scene, y) - 1) * 1000
    if noise:
        units += study.rng(2).standard_normal(shape, dtype=np.float32) * (noise * study.hardness.noise)
    values = np.clip(np.rint(units), -1024, 3071).astype(np.int16)[::-1]
    spacing = (FIELD_MM / depth, FIELD_MM / height, FIELD_MM / width)
    return Volume(np.ascontiguousarray(values), spacing, {kind: mask[::-1] for kind, mask in masks.items()})


def _depths(count: int) -> Map:
    return np.asarray(((np.arange(count) + 0.5) / count - 0.5) * FIELD_MM, dtype=np.float32)


def _inside(layer: Layer, y: Map) -> Mask:
    """Voxels (row, y, column) of a layer."""
    depth = y[None, :, None]
    return np.asarray((depth >= layer.lo[:, None, :]) & (depth < layer.hi[:, None, :]))


def painted(scene: Scene, y: Map) -> Map:
    """Density of each voxel (row, y, column) relative to water.

    Args:
        scene: The study.
        y: Depths of the planes in millimetres.
    """
    rows, columns = scene.cavity.lo.shape
    density = np.zeros((rows, len(y), columns), dtype=np.float32)
    for layer in (*scene.outer, scene.cavity, *scene.inner):
        _paint(density, layer, y)
    return density


def _paint(density: Map, layer: Layer, y: Map) -> None:
    values = np.broadcast_to(np.asarray(layer.density, dtype=np.float32), layer.lo.shape)[:, None, :]
    np.copyto(density, values, where=_inside(layer, y))


def voxels(scene: Scene, kind: str, y: Map) -> Mask:
    """Voxels (row, y, column) of a finding: its own layer, or what of cavity or heart its silhouette covers."""
    shadow = scene.shadows[kind][:, None, :]
    if kind == "pneumothorax":
        return _inside(scene.cavity, y) & ~_inside(scene.inner[0], y) & shadow
    if kind == "cardiomegaly":
        front = Layer(-scene.outer[0].hi * 0.9, scene.cavity.lo, SOFT)
        return _inside(front, y) & shadow
    return _inside(scene.layers[kind], y)
