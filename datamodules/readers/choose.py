"""Which series or image of a study is read, and why the others are not. Reports go by the same rules.

1. Objects without pixels (structured and dose reports) and without a picture of the patient (segmentations, plans,
   presentation states) are skipped; so are localizers, which show where others lie, and copies of a file.
2. Where a modality is asked for, others are skipped.
3. Of what is left, the first of this order is taken: originals before what was made of them (secondary captures,
   reformatted and projected images); volumes before single images; more slices before fewer; for single images frontal
   views before others; then the order of the scanner.

What is skipped is said, with a reason for each. Several studies are never chosen between: dates are not ours to mix.
"""

from __future__ import annotations

import filecmp
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from medvlm.study import GeometryError, ImageError

if TYPE_CHECKING:
    from .scan import Header

SLICED = ("CT", "MR", "PT", "NM")
"""Modalities whose series are volumes."""
NO_IMAGE = ("SEG", "PR", "SR", "KO", "DOC", "RTSTRUCT", "RTDOSE", "RTPLAN", "REG", "FID", "ECG", "AU", "OPM")
"""Modalities of objects that hold no picture of the patient, though some have pixels."""
VIEWS = {"PA": 0, "AP": 1, "": 2}
"""Order in which views are preferred; all others come after."""
_MADE = ("REFORMATTED", "MPR", "MIP", "MINIP", "PROJECTION IMAGE", "SCREEN SAVE", "DOSE_INFO")
"""Third and later values of ImageType (0008,0008) of images that were made of others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What the rules look at: one file, as its header says.

    Attributes:
        path: The file.
        series: SeriesInstanceUID (0020,000E).
        content: Name of its SOP class.
        modality: (0008,0060), ``OT`` if it says none.
        view: ViewPosition (0018,5101): ``PA``, ``AP``, ``LL``, ...; empty if it says none.
        image_type: ImageType (0008,0008), in upper case.
        frames: Number of frames (0028,0008); 0 for an object without pixels.
        order: Series number (0020,0011) and instance number (0020,0013).
    """

    path: Path
    series: str = ""
    content: str = ""
    modality: str = "OT"
    view: str = ""
    image_type: tuple[str, ...] = ()
    frames: int = 1
    order: tuple[int, int] = (0, 0)


Entry = TypeVar("Entry", bound=Described)


@dataclass(frozen=True, slots=True)
class Candidate(Generic[Entry]):
    """An image, or the slices of a volume, that could be read."""

    entries: tuple[Entry, ...]
    volume: bool

    @property
    def name(self) -> str:
        """What it is, without anything of the patient."""
        first = self.entries[0]
        if self.volume:
            return f"series {first.order[0]}: {first.modality}, {len(self.entries)} slices"
        frames = f", {first.frames} frames" if first.frames > 1 else ""
        view = f" {first.view}" if first.view else ""
        return f"series {first.order[0]}, image {first.order[1]}: {first.modality}{view}{frames}"

    @property
    def count(self) -> int:
        """Slices, of one file or many; 1 for an image or a film."""
        return sum(entry.frames for entry in self.entries) if self.entries[0].modality in SLICED else 1

    @property
    def derived(self) -> bool:
        """Whether it was made of other images."""
        first = self.entries[0]
        made = first.image_type[:2] == ("DERIVED", "SECONDARY") or any(part in _MADE for part in first.image_type[2:])
        return "Secondary Capture" in first.content or (made and first.modality in SLICED)

    @property
    def rank(self) -> tuple[object, ...]:
        """Smaller is better; rule 3."""
        first = self.entries[0]
        return self.derived, self.count < 2, -self.count, VIEWS.get(first.view, 3), first.order, str(first.path)


@dataclass(frozen=True, slots=True)
class Skipped:
    """Files that are not read.

    Attributes:
        reason: Why not.
        series: What they are, without anything of the patient.
        count: How many files.
    """

    reason: str
    series: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class Choice:
    """What is read of a folder, and what is not."""

    series: Candidate[Header]
    skipped: tuple[Skipped, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """A line for each reason, as :attr:`medvlm.study.Image.notes` holds them."""
        return tuple(f"skipped {one.series} ({one.count} file(s)): {one.reason}" for one in self.skipped)


def choose_series(folder: Path, *, modality: str | None = None) -> Choice:
    """Choose what is read of a folder with the files of one study.

    Args:
        folder: The folder; its sub-folders count.
        modality: The one that is wanted; where no file has it, files do not say it and any is taken.

    Raises:
        ImageError: If there is no image of a patient in it; the message says what there is.
        GeometryError: If it holds several studies.
    """
    from .scan import scan

    headers, strange = scan(folder)
    found, skipped = candidates(headers)
    if strange:
        skipped.append(Skipped("no DICOM", "other files", strange))
    if any(one.entries[0].modality == modality for one in found):
        skipped += [_skip(one, f"{modality} was asked for") for one in found if one.entries[0].modality != modality]
        found = [one for one in found if one.entries[0].modality == modality]
    if not found:
        reasons = "; ".join(f"{one.count} x {one.series}: {one.reason}" for one in skipped)
        raise ImageError(f"{folder} holds no DICOM image ({reasons or 'it is empty'}).")
    _one_study(folder, found)
    best, *others = sorted(found, key=lambda one: one.rank)
    skipped += [_skip(other, why_not(best, other)) for other in others]
    return Choice(*_without_copies(best, skipped))


def candidates(entries: Iterable[Entry]) -> tuple[list[Candidate[Entry]], list[Skipped]]:
    """Everything that could be read, and what could not (rule 1).

    Args:
        entries: Files of one study, in any order.
    """
    strange: Counter[tuple[str, str]] = Counter()
    found: list[Candidate[Entry]] = []
    ordered = sorted(entries, key=lambda entry: (entry.series, entry.order, str(entry.path)))
    for _, members in groupby(ordered, key=lambda entry: entry.series):
        images = []
        for entry in members:
            reason = _no_image(entry)
            if reason:
                strange[reason, entry.content] += 1
            else:
                images.append(entry)
        if len(images) > 1 and images[0].modality in SLICED and all(entry.frames == 1 for entry in images):
            found.append(Candidate(tuple(images), volume=True))
        else:
            found += [Candidate((entry,), volume=False) for entry in images]
    return found, [Skipped(reason, content, count) for (reason, content), count in strange.items()]


def why_not(chosen: Candidate[Entry], other: Candidate[Entry]) -> str:
    """Why another candidate was not taken (rule 3).

    Args:
        chosen: The one that was.
        other: One that ranks lower.
    """
    best = chosen.name
    if other.derived and not chosen.derived:
        capture = "Secondary Capture" in other.entries[0].content
        return f"{'a secondary capture' if capture else 'made of other images'}; the original is taken ({best})"
    if chosen.count > 1 and other.count < 2:
        return f"a single image; the volume is taken ({best})"
    if chosen.count > other.count:
        return f"fewer slices; the volume with most is taken ({best})"
    if chosen.count > 1:
        return f"as many slices as the volume that comes first in the study ({best})"
    return f"one image is taken: the first one, frontal views before others ({best})"


def _no_image(entry: Described) -> str:
    if not entry.frames:
        return "no pixels"
    if entry.modality in NO_IMAGE:
        return f"modality {entry.modality} is no picture of the patient"
    return "a localizer" if "LOCALIZER" in entry.image_type else ""


def _skip(candidate: Candidate[Entry], reason: str) -> Skipped:
    return Skipped(reason, candidate.name, len(candidate.entries))


def _one_study(folder: Path, found: Sequence[Candidate[Header]]) -> None:
    counts = Counter((e.study, e.modality, str(e.path.parent)) for one in found for e in one.entries)
    studies = {study for study, _, _ in counts}
    if len(studies) > 1:
        names = "; ".join(f"{kind} with {n} image(s) in {parent}" for (_, kind, parent), n in counts.most_common(8))
        raise GeometryError(f"{folder} holds {len(studies)} studies: {names}. Give the folder or file of one.")


def _without_copies(chosen: Candidate[Header], skipped: list[Skipped]) -> tuple[Candidate[Header], tuple[Skipped, ...]]:
    """Leave out files that are the same, byte for byte, as another of the same SOP instance."""
    first: dict[str, Header] = {}
    kept = []
    for entry in chosen.entries:
        known = first.setdefault(entry.instance, entry) if entry.instance else entry
        if known is entry or not filecmp.cmp(known.path, entry.path, shallow=False):
            kept.append(entry)
    copies = len(chosen.entries) - len(kept)
    if copies:
        skipped.append(Skipped("copies of other files, byte for byte", chosen.name, copies))
    return Candidate(tuple(kept), chosen.volume and len(kept) > 1), tuple(skipped)
