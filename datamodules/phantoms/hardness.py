"""How hard a phantom is to read: noise, visibility and extent of findings, and things that look like findings.

========== ========================================================== =================================================
knob       thorax                                                     tissue
========== ========================================================== =================================================
noise      photon noise of radiographs, noise of volumes in HU        photon noise of the camera
contrast   how far a finding's density lies from that of aerated lung how far its stain and nuclei lie from the tissue's
           (an effusion, a nodule, free air beside the lung)          around it (nest, necrosis, infiltrate, mitoses)
extent     diameters, fluid heights, rim widths; the heart's excess   radius of the area
           over half the chest
confounder round dense things of 16 to 26 mm in front of the ribs     apoptotic bodies: dark as mitoses, round and small
========== ========================================================== =================================================

Confounders are no findings: a nodule is larger (29 mm or more while ``extent`` is 1) and lies in the lung of a volume,
a mitosis is a plate. The defaults change nothing: a phantom without knobs is the same to the bit as before there were
any. The heart is seen by its width alone, so ``contrast`` leaves it as it is. PHANTOM - NOT A PATIENT.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .knobs import Knobs


@dataclass(frozen=True, slots=True)
class Hardness(Knobs):
    """Factors on what makes a phantom easy; 1, 1, 1 and 0 are the phantom as it is documented.

    Attributes:
        noise: Factor on the standard deviation of the noise, 0 or more.
        contrast: Factor on the difference between a finding and the tissue around it, above 0 up to 1.
        extent: Factor on the size of findings, 0.5 to 1.2.
        confounders: How many things an image shows that only look like findings, 0 to 12.

    Raises:
        ValueError: If a knob is out of range.

    Examples:
        >>> Hardness(contrast=0.5).changed()
        {'contrast': 0.5}
        >>> Hardness.of({"noise": 2.0}).noise
        2.0
    """

    owner: ClassVar[str] = "phantom"

    noise: float = 1.0
    contrast: float = 1.0
    extent: float = 1.0
    confounders: int = 0

    def __post_init__(self) -> None:
        for good, knob, expected in (
            (self.noise >= 0, "noise", "0 or more"),
            (0 < self.contrast <= 1, "contrast", "above 0, up to 1"),
            (0.5 <= self.extent <= 1.2, "extent", "0.5 to 1.2"),
            (self.confounders in range(13), "confounders", "0 to 12"),
        ):
            if not good:
                raise ValueError(f"{knob}={getattr(self, knob)!r}: expected {expected}.")

    def blend(self, normal: float, abnormal: float) -> float:
        """A finding's value, as far from the normal one as ``contrast`` says."""
        return abnormal if self.contrast == 1 else normal + self.contrast * (abnormal - normal)


EASY = Hardness()
"""The phantom as it is documented."""
