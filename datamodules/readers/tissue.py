"""Where the tissue of a slide is, and which places of it show the most: on arrays only, no slide is opened here."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .common import Array

Mask = NDArray[np.bool_]

_DENSITY = (0.05, 0.15)
"""Range of the optical density from which on a stain counts; Otsu's threshold is held inside it."""
_INK = 20
"""How much greener than red marker ink is (8-bit values); hematoxylin, eosin and DAB all pass more red than green."""
_BLACK = 50
"""Brightest channel of what lets no light through: pen, edge of the glass, holder."""


def tissue_mask(picture: NDArray[np.uint8]) -> Mask:
    """Tell stained tissue from glass, marker ink and black edges.

    A pixel is stained where the optical density of its darkest channel is above Otsu's threshold (Otsu 1979, IEEE
    Trans SMC 9:62), which is held between 0.05 and 0.15: a slide without glass, or without tissue, has no two classes.

    Args:
        picture: Bright-field colours, ``yxc``, glass white.

    Returns:
        True where there is tissue, ``yx``.

    Examples:
        >>> tissue_mask(np.array([[[250, 250, 250], [200, 120, 180]]], np.uint8)).tolist()
        [[False, True]]
    """
    from scipy.ndimage import uniform_filter  # type: ignore[import-untyped, unused-ignore]

    darkest, brightest = picture.min(axis=2), picture.max(axis=2)
    density = -np.log10(np.maximum(darkest, 1) / 255.0)
    threshold = float(np.clip(otsu(density), *_DENSITY))
    wide = min(picture.shape[:2]) >= 64  # a speck of dust is a pixel there, a nucleus in a smaller picture
    stained = (uniform_filter(density, 3) if wide else density) > threshold
    ink = picture[..., 1] > picture[..., 0].astype(np.int16) + _INK
    mask: Mask = stained & ~ink & (brightest > _BLACK)
    return mask


def otsu(values: Array, bins: int = 128) -> float:
    """Give the threshold that splits numbers into the two classes farthest apart.

    Args:
        values: Any numbers; at least one.
        bins: Steps in which it is looked for.

    Examples:
        >>> 1 < otsu(np.array([0, 0, 1, 9, 9, 10])) < 9
        True
    """
    counts, edges = np.histogram(values, bins)
    centers = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)[:-1]
    above = values.size - below
    sums = np.cumsum(counts * centers)
    between = below * above * (sums[:-1] / np.maximum(below, 1) - (sums[-1] - sums[:-1]) / np.maximum(above, 1)) ** 2
    best = np.flatnonzero(between == between.max())
    return float(edges[1 + round(float(best.mean()))])


def grid_of(length: float, step: float) -> NDArray[np.int64]:
    """Place tiles of ``step`` along a line of ``length`` so that they cover it evenly, the last one ending with it.

    Examples:
        >>> grid_of(100, 40).tolist()
        [0, 30, 60]
    """
    count = max(1, int(np.ceil(length / step)))
    return np.rint(np.linspace(0, max(length - step, 0), count)).astype(np.int64)


def shares(mask: Mask, rows: Array, columns: Array, height: float, width: float) -> NDArray[np.float64]:
    """Give the share of tissue in boxes.

    Args:
        mask: Tissue, ``yx``.
        rows: Upper edges, in pixels of the mask (any fraction).
        columns: Left edges, one for each of ``rows``.
        height: Of each box, in pixels of the mask.
        width: Likewise.
    """
    total = np.zeros((mask.shape[0] + 1, mask.shape[1] + 1))
    total[1:, 1:] = mask.cumsum(0).cumsum(1)
    top, bottom = _edges(rows, height, mask.shape[0])
    left, right = _edges(columns, width, mask.shape[1])
    count = total[bottom, right] - total[top, right] - total[bottom, left] + total[top, left]
    return np.asarray(count / ((bottom - top) * (right - left)), dtype=np.float64)


def _edges(start: Array, length: float, limit: int) -> tuple[Array, Array]:
    """Whole pixels of a box, at least one."""
    low = np.clip(np.floor(start).astype(np.int64), 0, limit - 1)
    return low, np.clip(np.rint(start + length).astype(np.int64), low + 1, limit)


def farthest_points(points: Array, weights: Array, count: int, seed: int = 0) -> list[int]:
    """Choose points that lie as far from one another as they can (Gonzalez 1985, Theor Comput Sci 38:293).

    The first is drawn by weight; each next one is the point farthest from all that are chosen.

    Args:
        points: ``(n, 2)`` coordinates.
        weights: ``(n,)`` shares by which the first is drawn, more than 0.
        count: How many; fewer come back where there are fewer points.
        seed: Of the first one.

    Returns:
        Their indices, in the order of choice.
    """
    if not len(points):
        return []
    chosen = [int(np.random.default_rng(seed).choice(len(points), p=weights / weights.sum()))]
    distance = np.full(len(points), np.inf)
    for _ in range(min(count, len(points)) - 1):
        distance = np.minimum(distance, ((points - points[chosen[-1]]) ** 2).sum(axis=1))
        distance[chosen[-1]] = -1
        chosen.append(int(distance.argmax()))
    return chosen
