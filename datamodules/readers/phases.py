"""Several volumes in one series: time points, echoes, b-values, phases. They are told apart, never mixed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from .scan import MARKS, Header

_NAMES = {
    "TemporalPositionIdentifier": "time points", "TemporalPositionIndex": "time points", "EchoNumbers": "echoes",
    "EchoTime": "echoes", "DiffusionBValue": "b-values", "NominalPercentageOfCardiacPhase": "cardiac phases",
    "TriggerTime": "cardiac phases", "FrameReferenceTime": "time points", "InversionTime": "inversion times",
    "FlipAngle": "flip angles", "ImageType": "kinds of image", "DiffusionGradientOrientation": "directions",
    "AcquisitionNumber": "acquisitions", "AcquisitionTime": "acquisitions",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Phases:
    """The volumes of a series.

    Attributes:
        marks: Attributes that tell them apart.
        labels: Their values, one text a volume.
        groups: The slices of each volume.
    """

    marks: tuple[str, ...]
    labels: tuple[str, ...]
    groups: tuple[tuple[Header, ...], ...]

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


def split_phases(headers: Sequence[Header]) -> Phases | None:
    """Tell the volumes of a series apart, or return None where it is one volume (or nobody can tell).

    Slices that lie at one position belong to different volumes. Those volumes are found by the first attribute, or
    pair of attributes, under whose values no position occurs twice and every volume has at least half of them.

    Args:
        headers: Slices of one series.
    """
    places = [_place(header) for header in headers]
    if None in places or max(Counter(places).values()) < 2:
        return None
    varying = [mark for mark in MARKS if len({header.marks.get(mark) for header in headers}) > 1]
    for marks in (*((mark,) for mark in varying), *combinations(varying, 2)):
        groups: dict[tuple[str, ...], list[Header]] = {}
        for header in headers:
            groups.setdefault(tuple(header.marks.get(mark, "") for mark in marks), []).append(header)
        if all(_is_volume(group, len(set(places))) for group in groups.values()):
            ordered = sorted(groups.items(), key=lambda item: [_sortable(value) for value in item[0]])
            labels = tuple(" ".join(value or "none" for value in values) for values, _ in ordered)
            return Phases(marks, labels, tuple(tuple(group) for _, group in ordered))
    return None


def _is_volume(group: Sequence[Header], places: int) -> bool:
    return len({_place(header) for header in group}) == len(group) >= max(2, places / 2)


def _place(header: Header) -> tuple[float, ...] | None:
    position = header.slice.position
    return None if position is None else tuple(round(value, 2) + 0.0 for value in position)


def _sortable(value: str) -> tuple[float, str]:
    try:
        return float(value), ""
    except ValueError:
        return float("inf"), value
