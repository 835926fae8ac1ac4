"""DICOM attributes that say what stored values mean: modality LUT, windows, colour, spacing, directions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
from pydicom import Dataset
from pydicom.pixels.processing import apply_modality_lut as look_up_modality
from pydicom.pixels.processing import apply_voi as look_up_voi

from medvlm.orientation import letters_of

from .common import Array, narrow, rescale

Unit = Literal["HU", "stored", "display"]


def numbers(dataset: Dataset, keyword: str) -> tuple[float, ...]:
    """Return a numeric attribute as floats; empty where it is absent, blank or no number.

    Args:
        dataset: Where to look.
        keyword: DICOM keyword.
    """
    value = dataset.get(keyword)
    if value is None or isinstance(value, (str, bytes)):
        return ()
    items = value if isinstance(value, Sequence) else (value,)
    try:
        return tuple(float(item) for item in items)
    except (TypeError, ValueError):
        return ()


def groups(dataset: Dataset, keyword: str) -> Iterator[Dataset]:
    """Yield a functional group of an enhanced object: the shared one, else one per frame; else the data set itself.

    Args:
        dataset: An image.
        keyword: The group's sequence, for example ``PixelMeasuresSequence``.
    """
    found = False
    for outer in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        for item in dataset.get(outer) or ():
            for inner in (item.get(keyword) or ())[:1]:
                found = True
                yield inner
        if found:
            return
    yield dataset


def apply_modality_lut(array: Array, dataset: Dataset) -> Array:
    """Turn stored values into the modality's units (PS3.3 C.11.1): rescale, per frame if need be, or a table.

    Args:
        array: Stored values.
        dataset: The image that they come from.
    """
    if dataset.get("ModalityLUTSequence"):
        return narrow(look_up_modality(array, dataset))
    pairs = [
        (*(numbers(item, "RescaleSlope") or (1.0,)), *(numbers(item, "RescaleIntercept") or (0.0,)))
        for item in groups(dataset, "PixelValueTransformationSequence")
    ]
    if len(set(pairs)) == 1 or len(pairs) != len(array):
        return rescale(array, *pairs[0])
    frames = [array[i].astype(np.float32) * np.float32(s) + np.float32(b) for i, (s, b) in enumerate(pairs)]
    return np.stack(frames)


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
        dataset: The image.
    """
    item = next(groups(dataset, "FrameVOILUTSequence"))
    pairs = list(zip(numbers(item, "WindowCenter"), numbers(item, "WindowWidth"), strict=False))
    if item.get("VOILUTFunction") == "LINEAR_EXACT":  # the same ramp, named as LINEAR (PS3.3 C.11.2.1.3.2)
        pairs = [(center + 0.5, width + 1) for center, width in pairs]
    good = tuple(pair for pair in pairs if pair[1] >= 1 and all(np.isfinite(pair)))
    return good, ("a window of the file has a width below 1: left out",) if len(good) < len(pairs) else ()


def apply_voi(array: Array, dataset: Dataset) -> tuple[Array, str] | None:
    """Apply a VOI that a window cannot express: a table, or the sigmoid function.

    Args:
        array: Values after the modality LUT.
        dataset: The image.

    Returns:
        Display values and a note; None where the file has no such VOI.
    """
    item = next(groups(dataset, "FrameVOILUTSequence"))
    centers, widths = numbers(item, "WindowCenter"), numbers(item, "WindowWidth")
    if item.get("VOILUTFunction") == "SIGMOID" and centers and widths and widths[0] > 0:
        shown = 1 / (1 + np.exp(-4 * (array.astype(np.float32) - centers[0]) / widths[0]))
        return shown.astype(np.float32), "shown by the sigmoid window of the file"
    table = next(iter(dataset.get("VOILUTSequence") or ()), None)
    if centers or table is None:
        return None
    bits = int(table.LUTDescriptor[2])
    shown = look_up_voi(array, dataset)
    kind = np.uint8 if bits <= 8 else np.uint16
    scaled = np.clip(shown, 0, 2**bits - 1).astype(np.float32) * (np.iinfo(kind).max / (2**bits - 1))
    return np.rint(scaled).astype(kind), "shown by the VOI table of the file"


def spacing_of(dataset: Dataset) -> tuple[tuple[float, float] | None, tuple[str, ...]]:
    """Return millimetres between rows and between columns, and a note where they hold at the detector only.

    Args:
        dataset: The image.
    """
    item = next(groups(dataset, "PixelMeasuresSequence"))
    for keyword in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        found = numbers(item, keyword)
        if len(found) == 2 and min(found) > 0:
            return (found[0], found[1]), () if keyword == "PixelSpacing" else ("spacing is that at the detector",)
    return None, ()


def directions_of(dataset: Dataset) -> tuple[float, ...] | None:
    """Return the six cosines of Image Orientation (Patient), or None.

    Args:
        dataset: The image.
    """
    found = numbers(next(groups(dataset, "PlaneOrientationSequence")), "ImageOrientationPatient")
    return found if len(found) == 6 and any(found[:3]) and any(found[3:]) else None


def plane_letters(dataset: Dataset) -> str | None:
    """Return the patient directions in which y and x grow, as in :attr:`medvlm.study.Image.orientation`.

    Args:
        dataset: The image.
    """
    if cosines := directions_of(dataset):
        return letters_of((cosines[3:], cosines[:3]))
    value: Any = dataset.get("PatientOrientation")
    if value is None or isinstance(value, str) or len(value) != 2 or not all(value):
        return None
    names = "".join({"F": "I", "H": "S"}.get(str(part)[0], str(part)[0]) for part in (value[1], value[0]))
    return names if set(names) <= set("RLAPIS") else None
