"""Frames of one DICOM object that are slices of one volume: enhanced CT, MR and PET, segmentations, dose grids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from pydicom import Dataset

from medvlm.study import GeometryError, Image

from .geometry import Layout, Slice, lay_out
from .phases import MARKS, split_phases
from .values import directions_of, directions_of_group, numbers, spacing_of, spacing_of_group


def stack_frames(image: Image, dataset: Dataset, name: str) -> Image:
    """Make a volume of frames that lie one above the other, evenly; other frames stay frames, and it is said why.

    Where a frame lies is in its functional groups (PS3.3 C.7.6.16.2), or in the offsets of a dose grid (C.8.8.3).
    Slices come in the order of their positions, as those of a series do.

    Args:
        image: The frames, axes ``tyx``, values after the modality LUT.
        dataset: The object that they come from.
        name: What to call it in errors.

    Raises:
        GeometryError: If the frames are several volumes (time points, echoes, b-values): they are listed.
    """
    slices = _slices(dataset, len(image.array))
    if len(slices) < 2 or not any(item.position for item in slices):
        return image
    phases = split_phases([item.position for item in slices], _marks(dataset))
    if phases is not None:
        raise GeometryError(
            f"{name}: 4-D, {phases.what} in one object ({phases.listed}); expected one volume: export them one by one."
        )
    layout = lay_out(slices)
    reasons = (*layout.fatal, *layout.mendable)
    if reasons or layout.depths is None:
        return replace(image, notes=(*image.notes, f"frames, no volume: {'; '.join(reasons)}"))
    return _stack(image, layout, slices[0].pixel)


def _stack(image: Image, layout: Layout, pixel: tuple[float, float] | None) -> Image:
    depths = layout.depths
    step = float(depths[-1] - depths[0]) / (len(depths) - 1) if depths is not None else layout.step
    order = list(layout.order)
    return replace(
        image,
        array=image.array if order == sorted(order) else image.array[order],
        axes="zyx",
        spacing=(step, *pixel) if pixel else None,
        orientation=layout.letters,
        notes=(*image.notes, *layout.notes),
    )


def _slices(dataset: Dataset, count: int) -> Sequence[Slice]:
    if "GridFrameOffsetVector" in dataset:
        return _dose_planes(dataset, count)
    frames = dataset.get("PerFrameFunctionalGroupsSequence") or ()
    if len(frames) != count:
        return ()
    shared = next(iter(dataset.get("SharedFunctionalGroupsSequence") or ()), Dataset())
    return [_slice(frame, shared, (int(dataset.Rows), int(dataset.Columns))) for frame in frames]


def _marks(dataset: Dataset) -> list[dict[str, str]]:
    """What tells volumes apart, of each frame: plain attributes in its functional groups."""
    found = []
    for frame in dataset.get("PerFrameFunctionalGroupsSequence") or ():
        items = [item for group in frame if group.VR == "SQ" for item in (group.value or ())[:1]]
        items += [item for outer in items for group in outer if group.VR == "SQ" for item in (group.value or ())[:1]]
        found.append({mark: str(item[mark].value) for item in items for mark in MARKS if mark in item})
    return found


def _slice(frame: Dataset, shared: Dataset, shape: tuple[int, int]) -> Slice:
    """Where a frame lies: each group is the frame's own or the shared one, never both (PS3.3 C.7.6.16.1)."""

    def group(keyword: str) -> Dataset:
        return next(iter(frame.get(keyword) or shared.get(keyword) or ()), Dataset())

    position = numbers(group("PlanePositionSequence"), "ImagePositionPatient")
    return Slice(
        shape=shape,
        pixel=spacing_of_group(group("PixelMeasuresSequence"))[0],
        position=position if len(position) == 3 else None,
        cosines=directions_of_group(group("PlaneOrientationSequence")),
    )


def _dose_planes(dataset: Dataset, count: int) -> Sequence[Slice]:
    """Planes of a dose grid (3004,000C): offsets along the normal, from the first plane or from the origin."""
    offsets, origin = numbers(dataset, "GridFrameOffsetVector"), numbers(dataset, "ImagePositionPatient")
    cosines = directions_of(dataset)
    if len(offsets) != count or len(origin) != 3 or cosines is None:
        return ()
    normal = np.cross(cosines[:3], cosines[3:])
    pixel, shape = spacing_of(dataset)[0], (int(dataset.Rows), int(dataset.Columns))
    places = [np.asarray(origin) + (offset - offsets[0]) * normal for offset in offsets]
    return [Slice(shape, pixel, tuple(float(v) for v in place), cosines) for place in places]
