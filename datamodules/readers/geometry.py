"""Whether slices make a regular volume: order along the normal, spacing, gaps, duplicates, tilt; and repairs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from medvlm.orientation import letters_of

from .common import Array

Vector: TypeAlias = NDArray[np.floating[Any]]

STEP_TOLERANCE = 0.02
"""Share by which steps between slices may differ: headers round positions."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Where one slice lies.

    Attributes:
        shape: Rows and columns.
        pixel: Millimetres between rows and between columns; None if unknown.
        position: Image Position (Patient), the centre of the first pixel; None if absent.
        cosines: Image Orientation (Patient); None if absent.
    """

    shape: tuple[int, int]
    pixel: tuple[float, float] | None
    position: tuple[float, ...] | None
    cosines: tuple[float, ...] | None


@dataclass(frozen=True, slots=True)
class Layout:
    """How slices lie together.

    Attributes:
        order: Indices of the slices, along the normal.
        depths: Distance of each slice along the normal, in that order.
        shifts: Rows and columns by which each slice lies off the first one, in that order, (N, 2).
        step: Distance from slice to slice (the median).
        letters: Patient directions of z, y, x.
        fatal: Reasons for which there is no volume at all.
        mendable: Reasons that resampling removes.
        notes: What a reader must know of a volume that is good enough.
    """

    order: tuple[int, ...] = ()
    depths: Vector | None = None
    shifts: Vector | None = None
    step: float = 0.0
    letters: str | None = None
    fatal: tuple[str, ...] = ()
    mendable: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def lay_out(slices: Sequence[Slice]) -> Layout:
    """Order slices along their normal and collect every reason why they make no regular volume.

    Args:
        slices: At least two.
    """
    fatal = tuple(_contradictions(slices))
    placed = [(i, s.position, s.cosines) for i, s in enumerate(slices) if s.position and s.cosines]
    if len(placed) < 2:
        return Layout(fatal=fatal)
    cosines = np.array(placed[0][2]).reshape(2, 3)
    row, column = cosines / np.linalg.norm(cosines, axis=1, keepdims=True)
    normal = np.cross(row, column)
    if np.linalg.norm(normal) < 0.99:
        return Layout(fatal=(*fatal, "the directions of rows and columns are not perpendicular"))
    positions = np.array([position for _, position, _ in placed], float)
    ranks = np.argsort(positions @ normal, kind="stable")
    positions = positions[ranks]
    depths = positions @ normal
    pixel = slices[0].pixel or (1.0, 1.0)
    offsets = positions - positions[0]
    shifts = np.stack([offsets @ column / pixel[0], offsets @ row / pixel[1]], axis=1)
    steps = np.diff(depths)
    duplicate = steps < 1e-3
    step = float(np.median(steps[~duplicate])) if not duplicate.all() else 0.0
    mendable = [*_duplicates(duplicate), *_steps(steps[~duplicate], step), *_tilt(offsets, depths, shifts)]
    angle = np.degrees(np.arccos(np.clip(np.abs([row, column, normal]).max(axis=1).min(), 0, 1)))
    return Layout(
        order=tuple(placed[int(rank)][0] for rank in ranks),
        depths=depths,
        shifts=shifts,
        step=step,
        letters=letters_of([tuple(v) for v in (normal, column, row)]),
        fatal=fatal,
        mendable=tuple(mendable),
        notes=(f"oblique: its axes lie up to {angle:.0f} degrees off the patient's",) if angle > 10 else (),
    )


def _contradictions(slices: Sequence[Slice]) -> list[str]:
    found = []
    lost = sum(s.position is None or s.cosines is None for s in slices)
    if lost:
        found.append(f"{lost} of {len(slices)} slices do not say where they lie (position or orientation is absent)")
    shapes = Counter(s.shape for s in slices)
    if len(shapes) > 1:
        found.append("mixed sizes: " + ", ".join(f"{h}x{w} ({n} slices)" for (h, w), n in shapes.most_common()))
    pixels = Counter(tuple(round(p, 4) for p in s.pixel) if s.pixel else None for s in slices)
    if len(pixels) > 1:
        names = (f"{'x'.join(map(str, p)) if p else 'unknown'} mm ({n} slices)" for p, n in pixels.most_common())
        found.append("mixed pixel spacing: " + ", ".join(names))
    turns = Counter(tuple(np.round(s.cosines, 2) + 0.0) for s in slices if s.cosines)
    if len(turns) > 1:
        counts = ", ".join(str(count) for _, count in turns.most_common())
        found.append(f"mixed orientation: {len(turns)} directions ({counts} slices)")
    return found


def _duplicates(duplicate: NDArray[np.bool_]) -> list[str]:
    count = int(duplicate.sum())
    return [f"duplicate positions: {count} slices lie where another lies"] if count else []


def _steps(steps: Vector, step: float) -> list[str]:
    if not len(steps) or np.abs(steps - step).max() <= max(STEP_TOLERANCE * step, 0.005):
        return []
    multiples = np.rint(steps / step)
    if np.abs(steps - multiples * step).max() <= STEP_TOLERANCE * step + 0.005 and multiples.min() >= 1:
        gaps = int((multiples > 1).sum())
        return [
            f"missing slices: {int(multiples.sum()) - len(steps)} in {gaps} gaps (the others are {step:.3g} mm apart)"
        ]
    sizes = Counter(round(float(value), 3) for value in steps)
    names = ", ".join(f"{value:g} mm ({count}x)" for value, count in sorted(sizes.items())[:6])
    return [f"uneven spacing: {names}{' and more' if len(sizes) > 6 else ''}"]


def _tilt(offsets: Vector, depths: Vector, shifts: Vector) -> list[str]:
    """Slices of an upright volume lie above each other; those of a tilted gantry are shifted step by step."""
    way = offsets[-1]
    length = float(np.linalg.norm(way))
    if length < 1e-3 or np.abs(shifts).max() < 0.5:
        return []
    angle = np.degrees(np.arccos(np.clip((depths[-1] - depths[0]) / length, -1, 1)))
    return [f"gantry tilt of {angle:.1f} degrees (slices are shifted against each other, not stacked upright)"]


def straighten(volume: Array, layout: Layout, fill: float) -> tuple[Array, tuple[str, ...]]:
    """Shear a tilted stack upright on a grid that holds all of it, and interpolate it to even steps.

    Args:
        volume: Slices in the order of the layout, without duplicates, (N, H, W).
        layout: How they lie.
        fill: Value outside of the slices.

    Returns:
        The volume (float32), and a note for each repair.
    """
    if layout.depths is None or layout.shifts is None:
        raise ValueError("The layout holds no positions: lay_out found fatal reasons.")
    notes: tuple[str, ...] = ()
    if np.abs(layout.shifts).max() >= 0.5:
        volume = _shear(volume, layout.shifts, fill)
        notes += ("repaired: gantry tilt sheared out by linear interpolation",)
    depths = layout.depths - layout.depths[0]
    count = round(float(depths[-1]) / layout.step) + 1
    wanted: Vector = np.arange(count) * (float(depths[-1]) / (count - 1))
    if len(wanted) != len(depths) or np.abs(wanted - depths).max() > STEP_TOLERANCE * layout.step:
        made = int((np.abs(wanted[:, None] - depths).min(axis=1) > 0.1 * layout.step).sum())
        volume = _interpolate(volume, depths, wanted)
        notes += (
            f"repaired: resampled to even steps of {layout.step:.3g} mm: {made} of {count} slices are interpolated",
        )
    return volume, notes


def _shear(volume: Array, shifts: Vector, fill: float) -> Array:
    from scipy import ndimage  # type: ignore[import-untyped, unused-ignore]

    low = np.floor(shifts.min(axis=0)).astype(int)
    high = np.ceil(shifts.max(axis=0)).astype(int)
    rows, columns = volume.shape[1:]
    shape = (rows + int(high[0] - low[0]), columns + int(high[1] - low[1]))
    result = np.empty((len(volume), *shape), np.float32)
    for index, plane in enumerate(volume):
        padded = np.full(shape, fill, np.float32)
        padded[:rows, :columns] = plane
        ndimage.shift(padded, shifts[index] - low, output=result[index], order=1, mode="constant", cval=fill)
    return result


def _interpolate(volume: Array, depths: Vector, wanted: Vector) -> Array:
    result = np.empty((len(wanted), *volume.shape[1:]), np.float32)
    after = np.clip(np.searchsorted(depths, wanted), 1, len(depths) - 1)
    for index, (upper, depth) in enumerate(zip(after, wanted, strict=True)):
        share = np.float32((depth - depths[upper - 1]) / (depths[upper] - depths[upper - 1]))
        result[index] = volume[upper - 1] * (1 - share) + volume[upper] * share
    return result
