"""One thick coronal slice of a study's volume, as a CT scanner reformats it: the same patient, another modality.

A model that learned on radiographs meets the same findings in Hounsfield units, without the ribs that a projection lays
over them. PHANTOM - NOT A PATIENT.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .findings import Study
from .render import box_of, painted, voxels
from .scene import Mask, build_scene

DEPTH_MM = 11.0
"""Middle of the slice behind the middle of the body: every finding of the phantom crosses this plane."""
THICK_MM = 10.0
_PLANES = 5


@dataclass(frozen=True, slots=True)
class Slab:
    """A coronal slice and what is in it.

    Attributes:
        pixels: Hounsfield units ``(z, x)``, head first, the patient's left on the right side.
        masks: Pixels of each finding by kind.
        boxes: Normalised ``(x0, y0, x1, y1)`` around each.
    """

    pixels: NDArray[np.int16]
    masks: Mapping[str, Mask]
    boxes: Mapping[str, tuple[float, float, float, float]]


def render_slab(study: Study, size: int = 128, *, noise: float = 12.0) -> Slab:
    """Average a few planes of a study.

    Args:
        study: The virtual patient at one time.
        size: Pixels along each side, 32 or more.
        noise: Standard deviation of the (seeded) noise in HU, before the study's hardness.

    Raises:
        ValueError: If the slice is too small.
    """
    if size < 32:
        raise ValueError(f"A slice has 32 or more pixels along each side, got size={size}.")
    scene = build_scene(study, size, size)
    y = (DEPTH_MM + THICK_MM * ((np.arange(_PLANES) + 0.5) / _PLANES - 0.5)).astype(np.float32)
    units = (painted(scene, y).mean(axis=1) - 1) * 1000
    if noise:
        units += study.rng(10).standard_normal(units.shape, dtype=np.float32) * (noise * study.hardness.noise)
    masks = {kind: np.asarray(voxels(scene, kind, y).any(axis=1)) for kind in scene.shadows}
    pixels = np.clip(np.rint(units), -1024, 3071).astype(np.int16)
    return Slab(pixels, masks, {kind: box_of(mask) for kind, mask in masks.items()})
