"""How a radiograph was taken: dose, sharpness, grey scale, shutters, a turned patient, a nearer tube.

Models meet scanners that they were not trained on. These knobs change how a study is shown and nothing of what is in
it: findings, reports and questions stay, boxes follow the picture. The defaults change nothing: a phantom without them
is the same to the bit as before there were any. PHANTOM - NOT A PATIENT.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from .anatomy import FIELD_MM, Map
from .knobs import Knobs

if TYPE_CHECKING:
    from .findings import Study

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Scanner(Knobs):
    """What differs from the phantom's own scanner; amounts that vary from study to study are drawn by its seed.

    Attributes:
        exposure: Factor on the photons, 0.05 to 4; fewer are noisier.
        blur: Standard deviation of the blur of focus and detector in millimetres, 0 to 8.
        gamma: Exponent of the maker's look-up table on stored values, 0.5 to 2; the file's window stays.
        collimation: Most of the field that shutters hide at each edge, a share of 0 to 0.15.
        rotation: Most degrees by which the patient is turned in the picture, 0 to 15, to either side.
        magnification: Factor of the projection, 0.8 to 1.15; a near tube magnifies.

    Raises:
        ValueError: If a knob is out of range.

    Examples:
        >>> Scanner(blur=2.0).changed()
        {'blur': 2.0}
        >>> Scanner.of({"gamma": 1.5}).gamma
        1.5
    """

    owner: ClassVar[str] = "scanner"

    exposure: float = 1.0
    blur: float = 0.0
    gamma: float = 1.0
    collimation: float = 0.0
    rotation: float = 0.0
    magnification: float = 1.0

    def __post_init__(self) -> None:
        for knob, (low, high) in _RANGES.items():
            if not low <= getattr(self, knob) <= high:
                raise ValueError(f"{knob}={getattr(self, knob)!r}: a scanner has {low:g} to {high:g}.")

    def bend(self, study: Study, image: Array, order: int) -> Array:
        """An image as this scanner projects it: turned and magnified about the centre of the field.

        Args:
            study: Whose seed decides the angle.
            image: ``(height, width)``; air (0) lies around it.
            order: Of the interpolation: 1 for values, 0 for masks.
        """
        angle = np.deg2rad(study.rng(8).uniform(-self.rotation, self.rotation))
        cos, sin = np.cos(angle) / self.magnification, np.sin(angle) / self.magnification
        matrix, centre = np.array([[cos, -sin], [sin, cos]]), (np.array(image.shape) - 1) / 2
        bent = _ndimage().affine_transform(
            image, matrix, centre - matrix @ centre, order=order, mode="constant", cval=0.0
        )
        return np.asarray(bent, np.float32)

    def expose(self, study: Study, passed: Map) -> Map:
        """What reaches the detector: blurred, and nothing behind the shutters.

        Args:
            study: Whose seed decides where the shutters stand.
            passed: Share of the photons that leave the patient, ``(height, width)``.
        """
        height, width = passed.shape
        blurred = _ndimage().gaussian_filter(passed, self.blur * width / FIELD_MM, mode="nearest")
        top, bottom, left, right = study.rng(9).uniform(0, self.collimation, 4)
        inside = np.zeros_like(blurred)
        inside[
            round(top * height) : height - round(bottom * height), round(left * width) : width - round(right * width)
        ] = 1
        return np.asarray(blurred * inside, np.float32)

    def stored(self, values: Map) -> Map:
        """Stored values (0 to 4095) by the maker's look-up table."""
        return np.asarray((values / 4095) ** self.gamma * 4095, np.float32)


def _ndimage() -> Any:
    """SciPy's filters, loaded by the first image of another scanner."""
    return import_module("scipy.ndimage")


_RANGES: Mapping[str, tuple[float, float]] = {
    "exposure": (0.05, 4.0),
    "blur": (0.0, 8.0),
    "gamma": (0.5, 2.0),
    "collimation": (0.0, 0.15),
    "rotation": (0.0, 15.0),
    "magnification": (0.8, 1.15),
}
PLAIN = Scanner()
"""The phantom's own scanner."""
