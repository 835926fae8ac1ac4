"""A folder with the files of one study -> the volume or image that rules choose, or every reason why there is none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from medvlm.study import GeometryError, Image, Repair

from .choose import choose_series
from .common import Array, fingerprint, refuse_size
from .dcm2niix import mend_by_dcm2niix
from .dicom import read_dicom
from .geometry import Layout, lay_out, straighten
from .phases import split_phases
from .scan import THREADS, Header


def read_series(folder: Path, *, modality: str | None = None, repair: Repair = False, part: int | None = None) -> Image:
    """Read the series of a study that the rules of :mod:`~medvlm.datamodules.readers.choose` choose.

    Args:
        folder: Holds the files of one study (its sub-folders count); what is not read is said in the notes.
        modality: The one that is wanted where there are several; what it is, where the files do not say.
        repair: Resample what is tilted, uneven, or has gaps; drop duplicates. Each repair is noted. ``dcm2niix``
            leaves that to the program of this name (extra ``dcm2niix``).
        part: Which volume, from 0, of a series with several (time points, echoes, b-values, phases).

    Raises:
        ImageError: If the folder holds no DICOM image, or a file is broken.
        GeometryError: If it holds several studies, slices that make no regular volume, or several volumes of which
            ``part`` names none.
    """
    choice = choose_series(folder, modality=modality)
    images: Sequence[Header] = choice.series.entries
    if not choice.series.volume:
        image = read_dicom(images[0].path, modality=modality)
        return replace(image, notes=image.notes + choice.notes)
    images, told = _one_part(folder, images, part)
    layout = lay_out([header.slice for header in images])
    _judge(folder, images, layout, repair)
    if layout.mendable and repair == "dcm2niix":
        mended = mend_by_dcm2niix([e.path for e in images], str(folder), layout, modality=images[0].modality)
        source = _source(fingerprint("dicom", header.instance.encode()) for header in images)
        return replace(mended, source=source, notes=mended.notes + choice.notes + told)
    return _build(folder, images, layout, modality, choice.notes + told)


def _one_part(folder: Path, images: Sequence[Header], part: int | None) -> tuple[Sequence[Header], tuple[str, ...]]:
    phases = split_phases([header.slice.position for header in images], [header.marks for header in images])
    if phases is None:
        if part:
            raise GeometryError(f"{folder}: there is no part {part}, the series is one volume.")
        return images, ()
    if part is None or not 0 <= part < len(phases.groups):
        given = "" if part is None else f" there is no part {part};"
        raise GeometryError(
            f"{folder}: 4-D, {phases.what} in one series:{given} read one of them by part=, "
            f"which is a number of this list: {phases.listed}."
        )
    return [images[index] for index in phases.groups[part]], (f"volume {part} of {phases.what}: {phases.labels[part]}",)


def _judge(folder: Path, images: Sequence[Header], layout: Layout, repair: Repair) -> None:
    if not layout.fatal and (repair or not layout.mendable):
        return
    reasons = "; ".join((*layout.fatal, *layout.mendable))
    way_out = (
        "These slices cannot be repaired: give the folder of one regular series."
        if layout.fatal
        else "repair=True reads it anyway, resampled."
    )
    raise GeometryError(f"{folder}: {len(images)} slices make no regular volume: {reasons}. {way_out}")


def _build(
    folder: Path, images: Sequence[Header], layout: Layout, modality: str | None, notes: tuple[str, ...]
) -> Image:
    files = [images[index].path for index in layout.order]
    rows, columns = images[0].slice.shape
    refuse_size(str(folder), 2 * len(files) * rows * columns, what="slices")
    array, planes = _read_planes(files, modality)
    first = planes[0]
    array, layout, dropped = _without_duplicates(folder, array, layout)
    mended: tuple[str, ...] = ()
    if layout.mendable:
        fill = -1024.0 if first.unit == "HU" else float(array.min())
        floats, mended = straighten(array, layout, fill)
        array = np.rint(floats).astype(array.dtype) if array.dtype.kind in "iu" else floats
    pixel = images[0].slice.pixel
    own = dict.fromkeys(note for plane in planes for note in plane.notes)
    return replace(
        first,
        array=array,
        axes="zyx",
        spacing=(_step(layout, len(array)), *pixel) if pixel and layout.step else None,
        orientation=layout.letters,
        source=_source(plane.source for plane in planes),
        notes=(*own, *notes, *layout.notes, *dropped, *mended),
    )


def _source(planes: Iterable[str]) -> str:
    return fingerprint("dicom", "".join(sorted(planes)).encode())


def _look(plane: Image) -> str:
    size = "x".join(map(str, plane.array.shape))
    return f"axes {plane.axes}, size {size}, unit {plane.unit}{', MONOCHROME1' if plane.inverted else ''}"


def _step(layout: Layout, count: int) -> float:
    """Mean step: positions in headers are rounded, their span is not."""
    if layout.depths is None or count < 2:
        return layout.step
    return float(layout.depths[-1] - layout.depths[0]) / (count - 1)


def _read_planes(files: Sequence[Path], modality: str | None) -> tuple[Array, list[Image]]:
    """Decode slices straight into one volume; slices of mixed types are brought to one that holds them all."""
    first = read_dicom(files[0], modality=modality)
    array = np.empty((len(files), *first.array.shape), first.array.dtype)

    def read(index: int) -> Image:
        plane = read_dicom(files[index], modality=modality) if index else first
        if _look(plane) != _look(first) or first.axes != "yx":
            raise GeometryError(
                f"{files[index]}: {_look(plane)} in a series of {_look(first)}; expected gray slices alike."
            )
        if plane.array.dtype != array.dtype:
            return plane
        array[index] = plane.array
        return replace(plane, array=array[index])

    with ThreadPoolExecutor(THREADS) as pool:
        planes = list(pool.map(read, range(len(files))))
    kinds = {plane.array.dtype for plane in planes}
    if len(kinds) > 1:
        kind = np.result_type(*kinds)
        array = np.stack([plane.array for plane in planes]).astype(np.float32 if kind.itemsize > 2 else kind)
    return array, planes


def _without_duplicates(folder: Path, array: Array, layout: Layout) -> tuple[Array, Layout, tuple[str, ...]]:
    """Drop slices at one position if they are the same, else refuse them."""
    depths, shifts = layout.depths, layout.shifts
    if depths is None or shifts is None:
        raise GeometryError(f"{folder}: the slices do not say where they lie.")
    keep = [0]
    for index in range(1, len(array)):
        if depths[index] - depths[keep[-1]] >= 1e-3:
            keep.append(index)
        elif not np.array_equal(array[index], array[keep[-1]]):
            raise GeometryError(
                f"{folder}: different slices lie at one position (several times, echoes or phases in one series); "
                "give the files of one."
            )
    if len(keep) < 2:
        raise GeometryError(f"{folder}: all {len(array)} slices lie at one position.")
    dropped = len(array) - len(keep)
    if not dropped:
        return array, layout, ()
    notes = (f"repaired: dropped {dropped} exact duplicate(s)",)
    return array[keep], replace(layout, depths=depths[keep], shifts=shifts[keep]), notes
