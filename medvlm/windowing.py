"""Which value is shown black and which white, and which slices are shown: the numbers behind an intensity recipe."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from medvlm.resizing import Floats

WindowFunction = Literal["linear", "linear_exact"]


def window_limits(center: float, width: float, function: WindowFunction = "linear") -> tuple[float, float]:
    """Values shown black and white by a DICOM window.

    Args:
        center: (0028,1050).
        width: (0028,1051), at least 1.
        function: (0028,1056): ``linear`` takes one unit off the width (PS3.3 C.11.2.1.2.1), ``linear_exact`` does not
            (C.11.2.1.3.2) and is what most code outside of DICOM means by center and width.

    Examples:
        >>> window_limits(40, 400), window_limits(40, 400, "linear_exact")
        ((-160.0, 239.0), (-160.0, 240.0))
    """
    if function == "linear_exact":
        return center - width / 2, center + width / 2
    return center - 0.5 - (width - 1) / 2, center - 0.5 + (width - 1) / 2


def percentile_limits(values: NDArray[Any], percentiles: tuple[float, float]) -> tuple[float, float]:
    """Two percentiles of the values.

    Args:
        values: Any shape.
        percentiles: Of black and of white, 0 to 100.
    """
    low, high = np.percentile(values, percentiles)
    return float(low), float(high)


def zscore_limits(values: NDArray[Any], deviations: float) -> tuple[float, float]:
    """Mean minus and plus some standard deviations of the values that are not zero.

    Zero is the air around the patient in MR, and how much of it is in the picture says nothing of the tissue
    (MONAI's ``NormalizeIntensity(nonzero=True)`` counts the same way).

    Args:
        values: Any shape; all are counted if all are zero.
        deviations: How many standard deviations of them are shown on either side of the mean.

    Examples:
        >>> zscore_limits(np.array([0, 0, 0, 10, 20]), 2.0)
        (5.0, 25.0)
    """
    tissue = values[values != 0]
    counted = tissue if tissue.size else values
    mean, spread = float(counted.mean(dtype=np.float64)), float(counted.std(dtype=np.float64))
    return mean - deviations * spread, mean + deviations * spread


def maximum(array: NDArray[Any]) -> float:
    """Value shown white in a display image: the largest of an integer type, 1 for floats.

    Args:
        array: Display values.
    """
    return float(np.iinfo(array.dtype).max) if np.issubdtype(array.dtype, np.integer) else 1.0


def scale(values: NDArray[Any], low: float, high: float) -> Floats:
    """Bring values to [0, 1], ``low`` and below to 0, ``high`` and above to 1.

    Args:
        values: Any shape and type.
        low: Shown black.
        high: Shown white; not above ``low`` (a window of width 1, a flat image), it makes a threshold as in PS3.3.
    """
    if high <= low:
        return np.asarray(values > low, np.float32)
    scaled = values.astype(np.float32)
    scaled -= np.float32(low)
    scaled *= np.float32(1 / (high - low))
    return np.clip(scaled, 0, 1, out=scaled)


def even_slices(count: int, wanted: int) -> NDArray[np.intp]:
    """Indices of ``wanted`` slices spread evenly over ``count``; slices repeat where there are too few.

    Args:
        count: Slices in the volume.
        wanted: Slices to take.

    Examples:
        >>> even_slices(10, 5).tolist()
        [1, 3, 5, 7, 9]
    """
    return np.floor((np.arange(wanted) + 0.5) * count / wanted).astype(np.intp)


def slices_between(count: int, step: float, first: float, last: float) -> NDArray[np.intp]:
    """Indices of the slices that lie between two places, both included; the first slice lies at 0.

    Args:
        count: Slices in the volume.
        step: From one slice to the next: 1 to count slices, the spacing to measure millimetres.
        first: Place of the first slice wanted.
        last: Place of the last.

    Examples:
        >>> slices_between(10, 2.5, 5, 12).tolist()
        [2, 3, 4]
    """
    places = np.arange(count) * step
    tolerance = 1e-6 * step  # 0.1 mm is not exact in binary
    return np.flatnonzero((places >= first - tolerance) & (places <= last + tolerance))
