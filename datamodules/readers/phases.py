"""Several volumes in one series or object: time points, echoes, b-values, phases. They are told apart, never mixed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

_NAMES = {
    "TemporalPositionIdentifier": "time points", "TemporalPositionIndex": "time points", "EchoNumbers": "echoes",
    "EchoTime": "echoes", "EffectiveEchoTime": "echoes", "DiffusionBValue": "b-values",
    "NominalPercentageOfCardiacPhase": "cardiac phases", "TriggerTime": "cardiac phases",
    "FrameReferenceTime": "time points", "InversionTime": "inversion times", "FlipAngle": "flip angles",
    "ImageType": "kinds of image", "FrameType": "kinds of image", "DiffusionGradientOrientation": "directions",
    "AcquisitionNumber": "acquisitions", "FrameAcquisitionNumber": "acquisitions", "AcquisitionTime": "acquisitions",
}  # fmt: skip
MARKS = tuple(_NAMES)
"""Attributes that tell volumes apart, of a file or of a frame's functional groups; the first that does is taken."""

Place = tuple[float, ...] | None


@dataclass(frozen=True, slots=True)
class Phases:
    """The volumes of a series.

    Attributes:
        marks: Attributes that tell them apart.
        labels: Their values, one text a volume.
        groups: Indices of the slices of each volume.
    """

    marks: tuple[str, ...]
    labels: tuple[str, ...]
    groups: tuple[tuple[int, ...], ...]

    @property
    def what(self) -> str:
        """For example ``3 echoes (EchoTime)``."""
        return f"{len(self.groups)} {' x '.join(_NAMES[mark] for mark in self.marks)} ({', '.join(self.marks)})"

    @property
    def listed(self) -> str:
        """Each volume by its number, value and slices."""
        parts = [
            f"{index}: {label} ({len(group)} slices)"
            for index, (label, group) in enumerate(zip(self.labels, self.groups, strict=True))
        ]
        return ", ".join(parts[:12]) + (", ..." if len(parts) > 12 else "")


def split_phases(positions: Sequence[Place], marks: Sequence[Mapping[str, str]]) -> Phases | None:
    """Tell the volumes of a series apart, or return None where it is one volume (or nobody can tell).

    Slices that lie at one position belong to different volumes. Those volumes are found by the first attribute, or
    pair of attributes, under whose values no position occurs twice and every volume has at least half of them.

    Args:
        positions: Image Position (Patient) of each slice.
        marks: Those of :data:`MARKS` that each slice has.
    """
    places = [None if one is None else tuple(round(value, 2) + 0.0 for value in one) for one in positions]
    if None in places or max(Counter(places).values(), default=0) < 2:
        return None
    varying = [name for name in MARKS if len({own.get(name) for own in marks}) > 1]
    for names in (*((name,) for name in varying), *combinations(varying, 2)):
        groups: dict[tuple[str, ...], list[int]] = {}
        for index, own in enumerate(marks):
            groups.setdefault(tuple(own.get(name, "") for name in names), []).append(index)
        if all(_is_volume([places[i] for i in group], len(set(places))) for group in groups.values()):
            ordered = sorted(groups.items(), key=lambda item: [_sortable(value) for value in item[0]])
            labels = tuple(" ".join(value or "none" for value in values) for values, _ in ordered)
            return Phases(names, labels, tuple(tuple(group) for _, group in ordered))
    return None


def _is_volume(own: Sequence[Place], places: int) -> bool:
    return len(set(own)) == len(own) >= max(2, places / 2)


def _sortable(value: str) -> tuple[float, str]:
    try:
        return float(value), ""
    except ValueError:
        return float("inf"), value
