"""What writers need besides the report: headers of the files that were shown, and the key image as it is displayed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from medvlm.reporting.pick import Candidate
from medvlm.reporting.writers import Material
from medvlm.windowing import scale

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from pydicom import Dataset

    from medvlm.intensity import IntensityRecipe
    from medvlm.study import Image

_PICTURED = frozenset({"html", "pdf", "capture", "encapsulated"})
_TYPE_2 = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "AccessionNumber",
    "StudyID", "ReferringPhysicianName",
)  # fmt: skip
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
    headers = tuple(_header(entry.path) for entry in chosen.entries) if dicom else ()
    if not _PICTURED & set(forms):
        return Material(headers)
    return Material(headers, _picture(chosen, key, recipes))


def _header(path: Path) -> Dataset:
    """A header; what PS3.3 wants to be there, if only empty (type 2), is empty where the scanner left it out."""
    from pydicom import dcmread

    header = dcmread(path, stop_before_pixels=True)
    for keyword in _TYPE_2:
        if keyword not in header:
            setattr(header, keyword, "")
    return header


def _picture(chosen: Candidate, key: int, recipes: Sequence[IntensityRecipe]) -> NDArray[np.uint8]:
    """The key file by itself: a plane as stored, of a volume or film in one file its middle."""
    from medvlm.datamodules.readers import read_image

    return displayed(read_image(chosen.entries[key].path), recipes)


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
