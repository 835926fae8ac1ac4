"""Bringing planes to a size in pixels: squashed, padded in true proportions, or cropped."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float32]


def squash(plane: Floats, size: tuple[int, int], aspect: float) -> Floats:
    """Resize by area averaging along an axis that shrinks (antialiased), linearly along one that grows.

    Args:
        plane: (H, W, C).
        size: Wanted height and width.
        aspect: Height of a pixel over its width; of no concern here.
    """
    import cv2

    if plane.shape[0] > size[0] and plane.shape[1] > size[1]:
        shrunk = np.asarray(cv2.resize(plane, (size[1], size[0]), interpolation=cv2.INTER_AREA), np.float32)
        return shrunk.reshape(*size, plane.shape[2])
    for axis in (0, 1):
        if plane.shape[axis] != size[axis]:
            kind = cv2.INTER_AREA if size[axis] < plane.shape[axis] else cv2.INTER_LINEAR
            height, width = (size[0], plane.shape[1]) if axis == 0 else (plane.shape[0], size[1])
            channels = plane.shape[2]
            plane = np.asarray(cv2.resize(plane, (width, height), interpolation=kind), np.float32)
            plane = plane.reshape(height, width, channels)  # cv2 drops a single channel
    return plane


def pad(plane: Floats, size: tuple[int, int], aspect: float) -> Floats:
    """Resize to the true proportions, with black around the picture.

    Args:
        plane: (H, W, C).
        size: Wanted height and width.
        aspect: Height of a pixel over its width.
    """
    height, width = plane.shape[0] * aspect, float(plane.shape[1])
    scale = min(size[0] / height, size[1] / width)
    inner = (min(size[0], max(1, round(height * scale))), min(size[1], max(1, round(width * scale))))
    return crop(squash(plane, inner, aspect), size, aspect)


def crop(plane: Floats, size: tuple[int, int], aspect: float) -> Floats:
    """Cut or pad (with black) around the centre; nothing is scaled.

    Args:
        plane: (H, W, C).
        size: Wanted height and width.
        aspect: Height of a pixel over its width; of no concern here.
    """
    for axis in (0, 1):
        excess = plane.shape[axis] - size[axis]
        if excess > 0:
            plane = plane.take(range(excess // 2, excess // 2 + size[axis]), axis=axis)
        elif excess < 0:
            before = -excess // 2
            plane = np.pad(plane, [(before, -excess - before) if a == axis else (0, 0) for a in range(3)])
    return plane


RESIZE: dict[str, Callable[[Floats, tuple[int, int], float], Floats]] = {
    "squash": squash,
    "pad": pad,
    "crop": crop,
}
