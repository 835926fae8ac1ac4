"""Stored numbers to HU by slope and intercept that a set publishes in a table, exactly once.

CT-RATE's first NIfTI files hold stored numbers and no scaling; later ones of the same names hold HU. Which one a file
is, shows in the numbers: where a chest is, there is air around and in it, at -1000 HU.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from medvlm.study import Image, ImageError

from .common import Array, rescale

AIR = (-1100.0, -800.0)  # HU of room air and lung
SAMPLES = 1 << 21


def published_rescale(image: Image, slope: float, intercept: float) -> Image:
    """Return a CT volume in HU, whether its numbers are HU already or still have to be rescaled.

    The numbers are taken as stored if more of them lie in the range of air after the rescale than before it; where
    there is no air either way, if none is below 0. Which it was is said in ``notes``.

    Args:
        image: A volume after whatever scaling its own file asks for.
        slope: HU a stored number, (0028,1053).
        intercept: HU of stored 0, (0028,1052).

    Raises:
        ImageError: If slope or intercept is no finite number, the slope is 0, or the image is no CT.

    Examples:
        >>> stored = Image(np.array([[[7192, 8192]]], np.int16), "zyx", "CT", "HU")
        >>> once = published_rescale(stored, 1, -8192)
        >>> once.array.tolist(), published_rescale(once, 1, -8192).array.tolist()
        ([[[-1000, 0]]], [[[-1000, 0]]])
    """
    if not (np.isfinite([slope, intercept]).all() and slope):
        raise ImageError(f"{image.source}: slope={slope}, intercept={intercept}: expected numbers, and a slope not 0.")
    if image.modality not in ("CT", "OT"):
        raise ImageError(f"{image.source}: is {image.modality}; a published rescale to HU is for CT only.")
    pair = f"slope {slope:g}, intercept {intercept:g} of the set's table"
    if not _is_stored(image.array, slope, intercept):
        return _as_ct(image, image.array, f"the numbers are HU already: {pair} not applied")
    return _as_ct(image, rescale(image.array, slope, intercept), f"stored numbers: {pair} applied")


def _is_stored(array: Array, slope: float, intercept: float) -> bool:
    """Say whether numbers become air by the rescale rather than are air before it."""
    step = max(1, array.size // SAMPLES)
    some = array.reshape(-1)[::step].astype(np.float32)
    before, after = _air(some), _air(some * np.float32(slope) + np.float32(intercept))
    return bool(array.min() >= 0) if before == after == 0 else after > before


def _air(values: Array) -> int:
    """Count the numbers in the range of air."""
    return int(np.count_nonzero((values >= AIR[0]) & (values <= AIR[1])))


def _as_ct(image: Image, array: Array, note: str) -> Image:
    """Return the image as CT in HU, without the reader's doubt whether it is."""
    notes = tuple(text for text in image.notes if not text.startswith("no value below 0"))
    return replace(image, array=array, modality="CT", unit="HU", notes=(*notes, note))
