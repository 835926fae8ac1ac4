"""DICOM attributes as numbers: counts, lists, functional groups, spacing, directions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from pydicom import Dataset
from pydicom.datadict import tag_for_keyword

from medvlm.orientation import letters_of
from medvlm.study import ImageError

Attributes: TypeAlias = Dataset | Mapping[str, Any]
"""A data set, or some of its attributes by keyword, as :func:`~.headers.read_header` returns them."""


def numbers(dataset: Attributes, keyword: str) -> tuple[float, ...]:
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


def whole(dataset: Attributes, keyword: str) -> int:
    """Return an attribute that counts something; 0 where it is absent or blank.

    Args:
        dataset: Where to look.
        keyword: DICOM keyword.

    Raises:
        ImageError: If it is no whole number, or below 0.
    """
    try:
        count = int(dataset.get(keyword) or 0)
    except (TypeError, ValueError, OverflowError) as error:
        tag = tag_for_keyword(keyword) or 0
        raise ImageError(f"{keyword} ({tag >> 16:04x},{tag & 0xFFFF:04x}) is no whole number ({error})") from error
    if count < 0:
        raise ImageError(f"{keyword} is {count}, expected none below 0")
    return count


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


def spacing_of(dataset: Dataset) -> tuple[tuple[float, float] | None, tuple[str, ...]]:
    """Return millimetres between rows and between columns, and a note where they hold at the detector only.

    Args:
        dataset: The image.
    """
    return spacing_of_group(next(groups(dataset, "PixelMeasuresSequence")))


def spacing_of_group(item: Attributes) -> tuple[tuple[float, float] | None, tuple[str, ...]]:
    """Return what :func:`spacing_of` does, of one Pixel Measures item or of a plain image.

    Args:
        item: Where the attributes are.
    """
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
    return directions_of_group(next(groups(dataset, "PlaneOrientationSequence")))


def directions_of_group(item: Attributes) -> tuple[float, ...] | None:
    """Return what :func:`directions_of` does, of one Plane Orientation item or of a plain image.

    Args:
        item: Where the attribute is.
    """
    found = numbers(item, "ImageOrientationPatient")
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
