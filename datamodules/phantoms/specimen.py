"""Virtual specimens of tissue: what is wrong with them, where, of what grade and how much. PHANTOM - NOT A PATIENT."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from .hardness import EASY, Hardness

FIELD_UM = 224.0
"""Microns along each side of a field of view: a tile of 448 pixels at 0.5 microns (20x)."""
SLIDE_FIELDS = (5.0, 4.0)
"""Width and height of a slide, in fields."""

AREAS = ("tumour", "necrosis", "infiltrate")
"""What an area of tissue can be besides normal, at most one of each."""
NORMAL_SHARE = 0.25

Side = Literal["left", "right"]
Zone = Literal["upper", "lower"]
Size = Literal["small", "large"]
Grade = Literal["low", "high", ""]


@dataclass(frozen=True, slots=True)
class Area:
    """An area of abnormal tissue.

    Attributes:
        kind: One of ``AREAS``.
        size: ``small`` or ``large``.
        side: Half of the IMAGE in which its middle lies; a tile has no patient side.
        zone: ``upper`` or ``lower`` half of the image.
        um: Mean radius in microns.
        place: Middle (x to the right, y down) in microns from the middle of the field.
        grade: Of a tumour: ``low`` (even, small nuclei) or ``high`` (large, dark, uneven ones).
        mitoses: How many cells of a tumour divide.
        wave: Phases of the outline.
    """

    kind: str
    size: Size
    side: Side
    zone: Zone
    um: float
    place: tuple[float, float]
    grade: Grade = ""
    mitoses: int = 0
    wave: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Specimen:
    """One piece of tissue of a virtual patient.

    Attributes:
        patient: ``PHANTOM-T000123``.
        index: Number of the patient in its cohort.
        seed: Seed of the cohort.
        areas: What is abnormal.
        stain: Strength of hematoxylin and eosin in this laboratory's batch.
        white: Brightness of bare glass, 0 to 255.
        field: Width and height in microns.
        is_slide: Whether glass is around the tissue.
        hardness: How hard it is to read.
    """

    patient: str
    index: int
    seed: int
    areas: tuple[Area, ...]
    stain: tuple[float, float]
    white: float
    field: tuple[float, float] = (FIELD_UM, FIELD_UM)
    is_slide: bool = False
    hardness: Hardness = EASY

    def rng(self, purpose: int) -> np.random.Generator:
        """Random numbers that depend on the specimen and a purpose only, never on the order of work."""
        return np.random.default_rng([self.seed, self.index, int(self.is_slide), purpose])

    def find(self, kind: str) -> Area | None:
        """The area of that kind, if there is one."""
        return next((area for area in self.areas if area.kind == kind), None)


_RADII: dict[Size, tuple[float, float]] = {"small": (29, 34), "large": (48, 54)}
_ROOM = 5.6
"""Microns of radius that a nest needs for each dividing cell; only nests made small by ``extent`` have less."""
_MITOSES: dict[Grade, tuple[int, int]] = {"low": (0, 2), "high": (1, 5)}


def _draw(kind: str, places: list[tuple[Side, Zone]], hardness: Hardness, rng: np.random.Generator) -> Area:
    side, zone = places.pop(int(rng.integers(len(places))))
    size: Size = "small" if rng.random() < 0.5 else "large"
    grade: Grade = "" if kind != "tumour" else "low" if rng.random() < 0.5 else "high"
    x, y = (float(rng.uniform(52, 60)) for _ in range(2))
    low, high = _MITOSES.get(grade, (0, 0))
    um = float(rng.uniform(*_RADII[size])) * hardness.extent
    return Area(
        kind,
        size,
        side,
        zone,
        um,
        (x if side == "right" else -x, y if zone == "lower" else -y),
        grade,
        min(int(rng.integers(low, high + 1)), int(um / _ROOM)),
        (float(rng.uniform(0, 6.28)), float(rng.uniform(0, 6.28))),
    )


def sample_specimen(seed: int, index: int, hardness: Hardness = EASY) -> Specimen:
    """Draw a field of view with no (25 %), one or two abnormal areas, each in a quadrant of its own.

    Args:
        seed: Seed of the cohort, 0 or more.
        index: Number of the patient in the cohort, 0 or more.
        hardness: How hard it is to read.

    Examples:
        >>> sample_specimen(0, 7).patient
        'PHANTOM-T000007'
    """
    if seed < 0 or index < 0:
        raise ValueError(f"Seed and index of a virtual patient are 0 or more, got seed={seed}, index={index}.")
    rng = np.random.default_rng([seed, index, 77])
    count = 0 if rng.random() < NORMAL_SHARE else 1 + int(rng.random() < 0.5)
    kinds = [str(kind) for kind in rng.permutation(AREAS)[:count]]
    places: list[tuple[Side, Zone]] = [("left", "upper"), ("right", "upper"), ("left", "lower"), ("right", "lower")]
    areas = tuple(_draw(kind, places, hardness, rng) for kind in kinds)
    stain = (float(rng.uniform(0.88, 1.12)), float(rng.uniform(0.85, 1.15)))
    white = float(rng.uniform(242, 250))
    return Specimen(f"PHANTOM-T{index:06d}", index, seed, areas, stain, white, hardness=hardness)


def sample_specimens(seed: int, count: int) -> Iterator[Specimen]:
    """Draw the patients 0 to ``count - 1`` of a cohort, one after another."""
    return (sample_specimen(seed, index) for index in range(count))


def slide_of(specimen: Specimen) -> Specimen:
    """The same findings on a slide: areas lie in the same quadrants and are as much larger as the slide is."""
    wide, high = SLIDE_FIELDS
    areas = tuple(
        replace(area, um=0.7 * high * area.um, place=(0.72 * wide * area.place[0], 0.72 * high * area.place[1]))
        for area in specimen.areas
    )
    return replace(specimen, areas=areas, field=(wide * FIELD_UM, high * FIELD_UM), is_slide=True)
