"""Volumes brought to a voxel size in millimetres, plane by plane, and windowed on the way.

Grid: a voxel's value stands at its centre. The first voxel of the result lies where the first one of the volume lies,
the others follow in steps of exactly the wanted spacing, and an axis of n voxels gets
``round((n - 1) * old / new + 1)``. That is the grid of MONAI's ``Spacing`` and of SimpleITK's ``Resample`` with the
origin kept. What lies beyond the last centre (half a new voxel at most) takes the value of the last one.

Filter: linear between neighbouring centres, as long as an axis shrinks by less than 2. From a factor of 2 on, linear
interpolation would leave voxels out (and alias): there each value is the mean of its surroundings, weighted by a
triangle that is as wide as the factor (what torch calls ``antialias=True``); thin slices become thick ones.

Error: sums are in float32. Against float64 the result is off by less than 1e-6 of the largest value: 0.002 HU.

Memory: the result, and the few planes that one plane of it is made of. The volume is never copied.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from medvlm.study import Image, RecipeMismatch

Floats: TypeAlias = NDArray[np.float32]
Spacing: TypeAlias = tuple[float, float, float]

ANTIALIAS_FROM = 2.0
"""Factor of shrinking from which on values are averaged."""


def resampled_shape(image: Image, spacing: Spacing) -> tuple[int, int, int]:
    """Slices, rows and columns that a volume has after resampling.

    Args:
        image: A ``zyx`` volume whose spacing is known.
        spacing: Wanted millimetres along z, y, x.

    Raises:
        RecipeMismatch: If it is no such volume, or a spacing is not above 0.

    Examples:
        >>> volume = Image(np.zeros((200, 512, 512), np.int16), "zyx", spacing=(1.5, 0.7, 0.7))
        >>> resampled_shape(volume, (2.0, 1.0, 1.0))
        (150, 359, 359)
    """
    if image.axes != "zyx":
        raise RecipeMismatch(f"Axes are {image.axes}, expected a zyx volume: only volumes are resampled.")
    if image.spacing is None:
        raise RecipeMismatch("Spacing is unknown: the volume cannot be resampled.")
    if min(*image.spacing, *spacing) <= 0:
        raise RecipeMismatch(f"Spacing {image.spacing} to {spacing} mm: expected millimetres above 0.")
    z, y, x = (
        round((count - 1) * old / new + 1)
        for count, old, new in zip(image.array.shape, image.spacing, spacing, strict=True)
    )
    return z, y, x


def resample(image: Image, spacing: Spacing, *, planes: Sequence[int] | None = None) -> Image:
    """Resample a volume to a voxel size.

    Args:
        image: A ``zyx`` volume whose spacing is known.
        spacing: Wanted millimetres along z, y, x.
        planes: Which planes of the resampled volume are wanted; the others cost nothing. None for all.

    Returns:
        The volume in float32 (as it was where it has that spacing already); ``spacing`` is that between neighbours
        on the grid, whichever of them are wanted.

    Raises:
        RecipeMismatch: If it is no volume, or its spacing is unknown.
    """
    shape = resampled_shape(image, spacing)
    if image.spacing == spacing:
        return image if planes is None else replace(image, array=image.array[list(planes)])
    wanted = range(shape[0]) if planes is None else planes
    array, made = np.empty((len(wanted), *shape[1:]), np.float32), _Planes(image, spacing)
    for index, plane in zip(wanted, array, strict=True):
        made.make(int(index), plane)
    return replace(image, array=array, spacing=spacing)


def resample_window(image: Image, spacing: Spacing, limits: tuple[float, float]) -> Floats:
    """Resample a volume and show it through a window: black is 0, white is 1.

    Args:
        image: A ``zyx`` volume whose spacing is known.
        spacing: Wanted millimetres along z, y, x.
        limits: Values shown black and white, the second one larger.

    Returns:
        (S, H, W) float32 in [0, 1].

    Raises:
        RecipeMismatch: If it is no volume, its spacing is unknown, or the window is empty.
    """
    low, high = limits
    if not low < high:
        raise RecipeMismatch(f"Window from {low:g} to {high:g}: expected a value for white above that for black.")
    planes = _Planes(image, spacing)
    result = np.empty(planes.shape, np.float32)
    for index, plane in enumerate(result):
        planes.make(index, plane, scale=1 / (high - low), offset=-low / (high - low))
        np.clip(plane, 0, 1, out=plane)
    return result


class _Planes:
    """Makes planes of a resampled volume in memory that is taken once: fresh pages cost more than the arithmetic."""

    def __init__(self, image: Image, spacing: Spacing) -> None:
        self.shape = resampled_shape(image, spacing)
        self.array: NDArray[Any] = image.array
        steps = [new / old for new, old in zip(spacing, image.spacing or spacing, strict=True)]
        self.z, self.y, self.x = map(_Taps.of, image.array.shape, self.shape, steps)
        (rows, columns), (_, height, width) = image.array.shape[1:], self.shape
        shapes = ((rows, columns), (height, columns), (height, columns), (columns, height), (width, height))
        self.work = [np.empty(shape, np.float32) for shape in (*shapes, (width, height))]
        self.kept = np.empty((len(self.z.index), height, width), np.float32)
        self.holds = [-1] * len(self.kept)

    def make(self, index: int, out: Floats, *, scale: float = 1.0, offset: float = 0.0) -> None:
        """Write plane ``index``, times ``scale`` plus ``offset``, to ``out`` (H, W)."""
        import cv2

        weights = self.z.weight[:, index, 0] * scale
        first, *others = (k for k, weight in enumerate(weights) if weight)
        np.multiply(self._flat(int(self.z.index[first, index])), weights[first], out=out)
        for k in others:
            cv2.scaleAdd(self._flat(int(self.z.index[k, index])), float(weights[k]), out, dst=out)
        if offset:
            out += np.float32(offset)

    def _flat(self, source: int) -> Floats:
        """A source plane, rows and columns resampled; columns are rows of the transposed plane."""
        import cv2

        slot = source % len(self.kept)  # the planes that are needed at once are neighbours
        if self.holds[slot] != source:
            plane, mixed, spare, turned, done, spare_turned = self.work
            np.copyto(plane, self.array[source])
            self.y.mix(plane, mixed, spare)
            cv2.transpose(mixed, dst=turned)
            self.x.mix(turned, done, spare_turned)
            cv2.transpose(done, dst=self.kept[slot])
            self.holds[slot] = source
        flat: Floats = self.kept[slot]
        return flat


@dataclass(frozen=True, slots=True)
class _Taps:
    """Of which old values each new value of an axis is made, (K, M), and by what share, (K, M, 1); M new values."""

    index: NDArray[np.intp]
    weight: Floats

    @classmethod
    def of(cls, count: int, wanted: int, step: float) -> _Taps:
        """New values at ``0, step, 2 step, ...`` on an axis of ``count`` values."""
        places = np.minimum(np.arange(wanted) * step, count - 1)
        places = np.where(
            np.abs(places - np.rint(places)) < 1e-9, np.rint(places), places
        )  # whatever the last bit says
        width = 1.0 if step < ANTIALIAS_FROM else step
        around = np.arange(1 - np.ceil(width), np.ceil(width) + 1)
        index = np.floor(places) + around[:, None]
        weight = np.maximum(1 - np.abs(index - places) / width, 0) * (index >= 0) * (index < count)
        weight /= weight.sum(axis=0)
        return cls(np.clip(index, 0, count - 1).astype(np.intp), weight[..., None].astype(np.float32))

    def mix(self, source: Floats, out: Floats, spare: Floats) -> None:
        """Write the new rows of ``source`` (N, W) to ``out`` (M, W); ``spare`` is overwritten."""
        np.take(source, self.index[0], 0, out=out, mode="clip")
        out *= self.weight[0]
        for index, weight in zip(self.index[1:], self.weight[1:], strict=True):
            np.take(source, index, 0, out=spare, mode="clip")
            spare *= weight
            out += spare
