"""Small changes to 2D training images, by albumentations 2.0.8, the last version under the MIT licence.

Images are never flipped left to right: a patient's sides are part of the answer ("left effusion"), and a flipped
radiograph shows a situs inversus that its report denies. Upside down is no view either. Boxes are not moved along with
the pixels: for questions answered by a box, use ``intensity``, which moves nothing.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.float32]
Draw = tuple[int, int, int]

# Largest shift (share of the side), zoom, rotation (degrees), brightness and contrast change of each recipe.
STRENGTHS: dict[str, tuple[float, float, float, float, float]] = {
    "none": (0.0, 0.0, 0.0, 0.0, 0.0),
    "intensity": (0.0, 0.0, 0.0, 0.08, 0.08),
    "gentle": (0.02, 0.04, 4.0, 0.08, 0.08),
    "strong": (0.05, 0.10, 10.0, 0.15, 0.20),
}


def augment(recipe_name: str) -> Callable[[Pixels, Draw], Pixels]:
    """Return a function that changes one image a little; the same draw always changes it the same way.

    Args:
        recipe_name: ``none``, ``intensity``, ``gentle`` or ``strong``.

    Returns:
        A function of pixels (H, W, 3) float32 in 0..1 and of the draw (seed, epoch, index).

    Raises:
        ValueError: If there is no such recipe.

    Examples:
        >>> pixels = np.full((8, 8, 3), 0.5, np.float32)
        >>> augment("none")(pixels, (0, 0, 0)) is pixels
        True
    """
    if recipe_name not in STRENGTHS:
        raise ValueError(f"augmentation {recipe_name!r} is unknown; known: {', '.join(STRENGTHS)}")

    def change(pixels: Pixels, draw: Draw) -> Pixels:
        _check(pixels)
        if recipe_name == "none":
            return pixels
        pipeline = _pipeline(recipe_name)
        pipeline.set_random_seed(_seed(draw))
        changed: Pixels = pipeline(image=pixels)["image"]
        return np.clip(changed, 0, 1)

    return change


def _check(pixels: Pixels) -> None:
    """Refuse pixels of another form: brightness would mean something else."""
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.float32:
        raise ValueError(f"augmentation of {pixels.dtype} {pixels.shape}: expected float32 (height, width, 3) in 0..1")


def _seed(draw: Draw) -> int:
    """Mix seed, epoch and index, so that neighbours are unlike."""
    digest = hashlib.sha256(repr(tuple(int(part) for part in draw)).encode()).digest()
    return int.from_bytes(digest[:4], "big")


@lru_cache(maxsize=len(STRENGTHS))
def _pipeline(recipe_name: str) -> Any:
    """Build the changes of a recipe; the package loads only when an image is changed."""
    # Importing it asks a server for a newer version; there is none under this licence, and hospitals have no network.
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    import albumentations  # type: ignore[import-untyped]

    shift, zoom, turn, brightness, contrast = STRENGTHS[recipe_name]
    return albumentations.Compose(
        [
            albumentations.Affine(
                translate_percent=(-shift, shift), scale=(1 - zoom, 1 + zoom), rotate=(-turn, turn), p=1.0
            ),
            albumentations.RandomBrightnessContrast(brightness, contrast, p=1.0),
        ]
    )
