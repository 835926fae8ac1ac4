"""What writers need besides the report: headers of the files that were shown, and the key image as it is displayed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from medvlm.reporting.headers import read_header
from medvlm.reporting.pick import Candidate
from medvlm.reporting.writers import Material
from medvlm.study import Image
from medvlm.windowing import scale

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medvlm.intensity import IntensityRecipe

_PICTURED = frozenset({"html", "pdf", "capture", "encapsulated"})
_OPPOSITE = dict(zip("RLAPIS", "LRPASI", strict=True))
_SHOWN = dict(zip("RLAPIS", "RLAPFH", strict=True))
_MOST = 2048  # pixels of a side that a key image keeps


def gather(
    chosen: Candidate, key: int, recipes: Sequence[IntensityRecipe], forms: Sequence[str], *, dicom: bool
) -> Material:
    """Read again what these forms need; nothing where they need nothing.

    Args:
        chosen: What was shown.
        key: Index of the key file.
        recipes: Those of the model: the one that fits says what is black and white.
        forms: Names of writers.
        dicom: Whether the files are DICOM.

    Raises:
        MedvlmError: If the key image cannot be read any more.
    """
    if not set(forms) - {"json"}:
        return Material()
    headers = tuple(read_header(entry.path) for entry in chosen.entries) if dicom else ()
    if not _PICTURED & set(forms):
        return Material(headers)
    image = _key_image(chosen, key)
    return Material(headers, displayed(image, recipes), edges=edges_of(image))


def _key_image(chosen: Candidate, key: int) -> Image:
    """The key file by itself, as stored; the middle of it is what is shown of a volume or film in one file."""
    from medvlm.datamodules.readers import read_image

    return read_image(chosen.entries[key].path)


def edges_of(image: Image) -> str:
    """Which way the edges of its planes lie in the patient: left, top, right and bottom edge; empty if unknown.

    The letters are those of viewers: R and L, A and P, H and F (head and feet).

    Args:
        image: As a reader returned it; its orientation names the directions in which its axes grow.

    Examples:
        >>> edges_of(Image(np.zeros((2, 2)), "yx", orientation="IL"))
        'RHLF'
    """
    if not image.orientation:
        return ""
    down, right = image.orientation[-2], image.orientation[-1]
    return "".join(_SHOWN[name] for name in (_OPPOSITE[right], _OPPOSITE[down], right, down))


def displayed(image: Image, recipes: Sequence[IntensityRecipe]) -> NDArray[np.uint8]:
    """One plane of an image as a viewer shows it, at its own size.

    Args:
        image: As a reader returned it.
        recipes: The first that takes its modality says what is black and white.

    Returns:
        ``(H, W)`` or ``(H, W, 3)`` bytes; every n-th pixel of what is beyond `_MOST`.
    """
    recipe = next((one for one in recipes if "*" in one.modalities or image.modality in one.modalities), recipes[0])
    low, high = recipe.limits(image)[0]
    plane = image.array[len(image.array) // 2] if image.axes[0] in "zt" else image.array
    step = max(1, -(-max(plane.shape[:2]) // _MOST))
    shown = scale(plane[::step, ::step], low, high)
    return np.asarray(np.rint(255 * (1 - shown if image.inverted else shown)), np.uint8)
