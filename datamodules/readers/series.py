"""A folder with the slices of one DICOM series -> a volume, or an error that names every reason why it is none."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from medvlm.study import GeometryError, Image, ImageError

from .common import Array, refuse_size
from .dicom import DICOM_ERRORS, HEADER, open_dicom, read_dicom
from .geometry import Layout, Slice, lay_out, straighten
from .sniff import HEAD, kind_of
from .values import directions_of, numbers, spacing_of

_THREADS = 4


@dataclass(frozen=True, slots=True)
class _Header:
    path: Path
    series: str
    modality: str
    kind: str
    is_image: bool
    frames: int
    slice: Slice


def read_series(folder: Path, *, modality: str | None = None, repair: bool = False) -> Image:
    """Read the slices in a folder (and its sub-folders) as one volume; a single image is read as itself.

    Args:
        folder: Holds the files of one series; what is no DICOM image is skipped with a note.
        modality: What it is, where the files do not say.
        repair: Resample what is tilted, uneven, or has gaps; drop duplicates. Each repair is noted.

    Raises:
        ImageError: If the folder holds no DICOM image, or a file is broken.
        GeometryError: If it holds several series, or slices that make no regular volume.
    """
    headers, notes = _scan(folder)
    images = [header for header in headers if header.is_image]
    skipped = Counter(header.kind for header in headers if not header.is_image)
    notes += tuple(f"skipped {count} DICOM object(s) without pixels: {kind}" for kind, count in skipped.items())
    if not images:
        raise ImageError(f"{folder} holds no DICOM image ({'; '.join(notes) or 'it is empty'}).")
    _one_series(folder, images)
    if len(images) == 1:
        image = read_dicom(images[0].path, modality=modality)
        return replace(image, notes=image.notes + notes)
    if any(header.frames > 1 for header in images):
        raise GeometryError(f"{folder}: a series with multi-frame files; read them one by one.")
    layout = lay_out([header.slice for header in images])
    _judge(folder, images, layout, repair)
    return _build(folder, images, layout, modality, notes)


def _scan(folder: Path) -> tuple[list[_Header], tuple[str, ...]]:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    with ThreadPoolExecutor(_THREADS) as pool:
        found = list(pool.map(_header, files))
    headers = [header for header in found if header is not None]
    strange = len(found) - len(headers)
    return headers, (f"skipped {strange} file(s) that are no DICOM",) if strange else ()


def _header(path: Path) -> _Header | None:
    with path.open("rb") as file:
        head = file.read(HEAD)
        if kind_of(head) != "dicom":
            return None
    try:
        return _parse(path)
    except ImageError:
        raise
    except DICOM_ERRORS as error:
        raise ImageError(f"{path}: a broken DICOM header ({error}).") from error


def _parse(path: Path) -> _Header:
    data = open_dicom(path, str(path), HEADER, header=True)
    kind = getattr(data.get("SOPClassUID") or data.file_meta.get("MediaStorageSOPClassUID"), "name", "unknown class")
    rows, columns = int(data.get("Rows") or 0), int(data.get("Columns") or 0)
    position = numbers(data, "ImagePositionPatient")
    place = Slice((rows, columns), spacing_of(data)[0], position if len(position) == 3 else None, directions_of(data))
    return _Header(
        path=path,
        series=str(data.get("SeriesInstanceUID") or ""),
        modality=str(data.get("Modality") or "OT"),
        kind=str(kind),
        is_image=rows > 0 and columns > 0,
        frames=int(data.get("NumberOfFrames") or 1),
        slice=place,
    )


def _one_series(folder: Path, images: Sequence[_Header]) -> None:
    counts = Counter((header.series, header.modality, str(header.path.parent)) for header in images)
    if len({series for series, _, _ in counts}) < 2:
        return
    names = "; ".join(f"{modality} with {n} image(s) in {parent}" for (_, modality, parent), n in counts.most_common())
    raise GeometryError(
        f"{folder} holds {len({series for series, _, _ in counts})} series: {names}. Give the folder or file of one."
    )


def _judge(folder: Path, images: Sequence[_Header], layout: Layout, repair: bool) -> None:
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
    folder: Path, images: Sequence[_Header], layout: Layout, modality: str | None, notes: tuple[str, ...]
) -> Image:
    files = [images[index].path for index in layout.order]
    rows, columns = images[0].slice.shape
    refuse_size(str(folder), 2 * len(files) * rows * columns, what="slices")
    with ThreadPoolExecutor(_THREADS) as pool:
        planes = list(pool.map(lambda path: read_dicom(path, modality=modality), files))
    first = planes[0]
    for plane, path in zip(planes, files, strict=True):
        if (plane.axes, plane.unit, plane.inverted) != (first.axes, first.unit, first.inverted) or first.axes != "yx":
            raise GeometryError(f"{path}: {_look(plane)} in a series of {_look(first)}; expected gray slices alike.")
    array, layout, dropped = _stack(folder, [plane.array for plane in planes], layout)
    mended: tuple[str, ...] = ()
    if layout.mendable:
        fill = -1024.0 if first.unit == "HU" else float(array.min())
        floats, mended = straighten(array, layout, fill)
        array = np.rint(floats).astype(array.dtype) if array.dtype.kind in "iu" else floats
    pixel = images[0].slice.pixel
    own = dict.fromkeys(note for plane in planes for note in plane.notes)
    joined = hashlib.sha256("".join(sorted(plane.source for plane in planes)).encode()).hexdigest()[:16]
    return replace(
        first,
        array=array,
        axes="zyx",
        spacing=(_step(layout, len(array)), *pixel) if pixel and layout.step else None,
        orientation=layout.letters,
        source=f"dicom:{joined}",
        notes=(*own, *notes, *layout.notes, *dropped, *mended),
    )


def _look(plane: Image) -> str:
    return f"axes {plane.axes}, unit {plane.unit}{', MONOCHROME1' if plane.inverted else ''}"


def _step(layout: Layout, count: int) -> float:
    """Mean step: positions in headers are rounded, their span is not."""
    if layout.depths is None or count < 2:
        return layout.step
    return float(layout.depths[-1] - layout.depths[0]) / (count - 1)


def _stack(folder: Path, planes: list[Array], layout: Layout) -> tuple[Array, Layout, tuple[str, ...]]:
    """Stack slices in one type; slices at one position are dropped if they are the same, else refused."""
    depths, shifts = layout.depths, layout.shifts
    if depths is None or shifts is None:
        raise GeometryError(f"{folder}: the slices do not say where they lie.")
    keep = [0]
    for index in range(1, len(planes)):
        if depths[index] - depths[keep[-1]] >= 1e-3:
            keep.append(index)
        elif not np.array_equal(planes[index], planes[keep[-1]]):
            raise GeometryError(
                f"{folder}: different slices lie at one position (several times, echoes or phases in one series); "
                "give the files of one."
            )
    if len(keep) < 2:
        raise GeometryError(f"{folder}: all {len(planes)} slices lie at one position.")
    kind = np.result_type(*{plane.dtype for plane in planes})
    kind = np.dtype(np.float32) if kind.itemsize > 2 else kind
    array = np.stack([planes[index] for index in keep]).astype(kind, copy=False)
    dropped = len(planes) - len(keep)
    notes = (f"dropped {dropped} exact duplicate(s)",) if dropped else ()
    return array, replace(layout, depths=depths[keep], shifts=shifts[keep]), notes
