"""What gray DICOM values mean and how they are shown: modality LUT, window or table, inversion (PS3.4 N.2)."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydicom import Dataset
from pydicom.pixels.processing import apply_modality_lut as look_up_modality
from pydicom.pixels.processing import apply_voi as look_up_voi
from pydicom.uid import XRayAngiographicImageStorage, XRayRadiofluoroscopicImageStorage

from medvlm.study import ImageError

from .common import Array, narrow, rescale
from .values import groups, numbers

Unit = Literal["HU", "stored", "display"]
_XRAY = (XRayAngiographicImageStorage, XRayRadiofluoroscopicImageStorage)


def apply_modality_lut(array: Array, dataset: Dataset) -> Array:
    """Turn stored values into the modality's units (PS3.3 C.11.1): rescale, per frame if need be, or a table.

    Args:
        array: Stored values.
        dataset: The image that they come from.
    """
    if _is_film(dataset):
        return narrow(array)
    if dataset.get("ModalityLUTSequence"):
        return narrow(look_up_modality(array, dataset))
    pairs = [
        ((numbers(item, "RescaleSlope") or (1.0,))[0], (numbers(item, "RescaleIntercept") or (0.0,))[0])
        for item in groups(dataset, "PixelValueTransformationSequence")
    ]
    if scaling := numbers(dataset, "DoseGridScaling"):  # (3004,000E), of RT Dose
        pairs = [(scaling[0], 0.0)]
    if len(set(pairs)) == 1:
        return rescale(array, *pairs[0])
    if len(pairs) != len(array) or not int(dataset.get("NumberOfFrames") or 1) > 1:
        raise ImageError(f"{len(pairs)} different rescales (0028,1052/1053) for an image of shape {array.shape}")
    frames = np.empty(array.shape, np.float32)
    for index, (slope, intercept) in enumerate(pairs):
        frames[index] = array[index].astype(np.float32) * np.float32(slope) + np.float32(intercept)
    return frames


def is_inverted(dataset: Dataset) -> tuple[bool, tuple[str, ...]]:
    """Whether low values are white, and a note where the file contradicts itself.

    Presentation LUT Shape (2050,0020) decides where it is present, else Photometric Interpretation (0028,0004).

    Args:
        dataset: A gray image.
    """
    negative = str(dataset.get("PhotometricInterpretation")) == "MONOCHROME1"
    shape = str(dataset.get("PresentationLUTShape") or "")
    if shape not in ("IDENTITY", "INVERSE") or (shape == "INVERSE") == negative:
        return negative, ()
    note = (
        f"{'MONOCHROME1' if negative else 'MONOCHROME2'} with presentation LUT shape {shape}: shown as the shape says"
    )
    return not negative, (note,)


def _is_film(dataset: Dataset) -> bool:
    """Whether stored values are those to show: an angiogram's LUT leads back to beam intensity (PS3.3 C.8.7.1.1.2)."""
    return dataset.get("SOPClassUID") in _XRAY and dataset.get("PixelIntensityRelationship") in ("LOG", "DISP")


def unit_of(dataset: Dataset, modality: str, windows: tuple[tuple[float, float], ...]) -> tuple[Unit, tuple[str, ...]]:
    """Say what unit gray values are in after the modality LUT, and what had to be assumed.

    Args:
        dataset: The image.
        modality: Its modality.
        windows: Its windows.
    """
    if modality == "CT":
        kind = next(groups(dataset, "PixelValueTransformationSequence")).get("RescaleType")
        if "LOCALIZER" in (dataset.get("ImageType") or ()):
            return "stored", ("a CT localizer: its values are no HU",)
        if kind and not str(kind).upper().startswith(("HU", "HOUN")):  # GE reformats say "Houndsfield Unit"
            return "stored", (f"CT values in rescale type {kind!r}, no HU",)
        return "HU", ()
    changed = dataset.get("ModalityLUTSequence") or numbers(dataset, "RescaleSlope") not in ((), (1.0,))
    plain = dataset.BitsAllocated == dataset.get("BitsStored") == 8 and dataset.get("PixelRepresentation") == 0
    return ("display" if plain and not windows and not changed and modality != "SEG" else "stored"), ()


def windows_of(dataset: Dataset) -> tuple[tuple[tuple[float, float], ...], tuple[str, ...]]:
    """Return the windows of a file as (center, width) of the LINEAR function, and notes on those left out.

    Args:
        dataset: The image; of frames with windows of their own, the middle one's are returned.
    """
    items = list(groups(dataset, "FrameVOILUTSequence"))
    item = items[len(items) // 2]
    pairs = _windows(item)
    notes: tuple[str, ...] = ()
    if any(_windows(other) != pairs for other in items):
        notes += ("windows differ from frame to frame: that of the middle one is used",)
    if item.get("VOILUTFunction") == "LINEAR_EXACT":  # the same ramp, named as LINEAR (PS3.3 C.11.2.1.3.2)
        pairs = [(center + 0.5, width + 1) for center, width in pairs]
    good = tuple(pair for pair in pairs if pair[1] >= 1 and all(np.isfinite(pair)))
    if len(good) < len(pairs):
        notes += ("a window of the file has a width below 1: left out",)
    return good, notes


def _windows(item: Dataset) -> list[tuple[float, float]]:
    return list(zip(numbers(item, "WindowCenter"), numbers(item, "WindowWidth"), strict=False))


def apply_voi(array: Array, dataset: Dataset) -> tuple[Array, str] | None:
    """Apply a VOI that a window cannot express: a table (which goes before a window), or the sigmoid function.

    Args:
        array: Values after the modality LUT.
        dataset: The image.

    Returns:
        Display values and a note; None where the file has no such VOI.
    """
    table = next(iter(dataset.get("VOILUTSequence") or ()), None)
    if table is not None:
        return _look_up_voi(array, dataset, table), "shown by the VOI table of the file"
    item = next(groups(dataset, "FrameVOILUTSequence"))
    windows = _windows(item)
    if item.get("VOILUTFunction") != "SIGMOID" or not windows or windows[0][1] <= 0:
        return None
    exponent = -4 * (array.astype(np.float32) - windows[0][0]) / windows[0][1]
    shown = 1 / (1 + np.exp(np.clip(exponent, -80, 80)))  # exp of more leaves float32
    return shown.astype(np.float32), "shown by the sigmoid window of the file"


def _look_up_voi(array: Array, dataset: Dataset, table: Dataset) -> Array:
    """Values of a VOI table, spread over the type.

    pydicom takes the table's first input for unsigned where stored values are, though values after the modality LUT
    may be below zero (PS3.3 C.11.2.1.1).
    """
    bits = int(table.LUTDescriptor[2])
    values = array if array.dtype.kind in "iu" else np.rint(array).astype(np.int32)
    if int(table.LUTDescriptor[1]) >= 2**15 and values.min() < 0:
        values = values.astype(np.int32) + 2**16
    shown = look_up_voi(values, dataset)
    kind = np.uint8 if bits <= 8 else np.uint16
    scaled: Array = np.clip(shown, 0, 2**bits - 1).astype(np.float32) * (np.iinfo(kind).max / (2**bits - 1))
    return np.rint(scaled).astype(kind)
