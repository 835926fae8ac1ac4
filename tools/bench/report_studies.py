"""Phantom studies for the kill bench: radiographs, CT series and NIfTI, some broken in ways of real archives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import pydicom

from medvlm.datamodules.phantoms.findings import Study, sample_patient
from medvlm.datamodules.phantoms.render import render_radiograph, render_volume
from medvlm.datamodules.phantoms.write import write_nifti, write_radiograph, write_series

Kind = Literal["radiograph", "series", "nifti"]
KINDS: tuple[Kind, ...] = ("radiograph", "radiograph", "series", "radiograph", "nifti")
SIZE, SHAPE = 64, (8, 16, 16)


@dataclass(frozen=True, slots=True)
class Made:
    """What lies in a folder: studies by kind, and how the broken ones were broken, by their folders' names."""

    kinds: Mapping[str, int]
    broken: Mapping[str, str]


def make_studies(folder: Path, count: int, broken: int) -> Made:
    """Write studies, each in a folder of its own; the broken ones are spread among the others.

    Args:
        folder: To write to.
        count: All of them.
        broken: How many of them are broken.

    Raises:
        ValueError: If there are more broken ones than studies.
    """
    if not 0 <= broken <= count:
        raise ValueError(f"{broken} broken of {count} studies: expected 0 to {count}.")
    kinds: dict[str, int] = {}
    harm: dict[str, str] = {}
    spoilt = {int((number + 0.5) * count / broken): number for number in range(broken)}
    for number, study in enumerate(islice(_patients(), count)):
        name = f"{number:04d}"
        if number in spoilt:
            kind, how, spoil = BREAKS[spoilt[number] % len(BREAKS)]
            _write(study, kind, folder / name)
            spoil(folder / name)
            harm[name] = how
            continue
        kind = KINDS[number % len(KINDS)]
        kinds[kind] = kinds.get(kind, 0) + 1
        _write(study, kind, folder / name)
    return Made(kinds, harm)


def _patients() -> Iterator[Study]:
    """One study of each virtual patient: priors are another matter."""
    number = 0
    while True:
        yield sample_patient(7, number)[0]
        number += 1


def _write(study: Study, kind: Kind, folder: Path) -> None:
    folder.mkdir(parents=True)
    if kind == "radiograph":
        write_radiograph(study, render_radiograph(study, SIZE), folder / "image.dcm")
    elif kind == "series":
        write_series(study, render_volume(study, SHAPE), folder)
    else:
        write_nifti(render_volume(study, SHAPE), folder / "ct.nii.gz")


def _cut(folder: Path) -> None:
    """The end of a transfer that broke off."""
    path = next(folder.iterdir())
    path.write_bytes(path.read_bytes()[: -(path.stat().st_size // 3)])


def _as_text(folder: Path) -> None:
    (folder / "image.dcm").write_text("The images of this study were moved.\n", encoding="utf-8")


def _edited(name: str, change: Callable[[Any], None]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        file = pydicom.dcmread(folder / name)
        change(file)
        file.save_as(folder / name)

    return edit


def _no_pixels(file: Any) -> None:
    del file.PixelData


def _wrong_bits(file: Any) -> None:
    file.BitsAllocated = 32


def _no_size(file: Any) -> None:
    del file.Rows


def _same_place(folder: Path) -> None:
    place = pydicom.dcmread(folder / "0003.dcm").ImagePositionPatient
    _edited("0004.dcm", lambda file: setattr(file, "ImagePositionPatient", place))(folder)


def _gap(folder: Path) -> None:
    for name in ("0004.dcm", "0005.dcm"):
        (folder / name).unlink()


def _missing(folder: Path) -> None:
    (folder / "0003.dcm").unlink()


def _emptied(folder: Path) -> None:
    (folder / "image.dcm").write_bytes(b"")


BREAKS: tuple[tuple[Kind, str, Callable[[Path], None]], ...] = (
    ("radiograph", "pixel data cut off", _cut),
    ("radiograph", "no pixel data", _edited("image.dcm", _no_pixels)),
    ("series", "gap of two slices", _gap),
    ("radiograph", "text named .dcm", _as_text),
    ("radiograph", "32 bits said of 16", _edited("image.dcm", _wrong_bits)),
    ("series", "one slice missing", _missing),
    ("series", "two slices at one position", _same_place),
    ("series", "one slice cut off", _cut),
    ("radiograph", "no number of rows", _edited("image.dcm", _no_size)),
    ("nifti", "archive cut off", _cut),
    ("series", "one slice without pixel data", _edited("0002.dcm", _no_pixels)),
    ("radiograph", "empty file", _emptied),
)
"""What can be wrong: the kind of study, in words, and what does it to the folder of one."""
