"""Which way the axes of an image grow in the patient, and turning an image to a wanted view.

Letters name the direction in which an axis GROWS: ``R``/``L`` the patient's right and left, ``A``/``P`` front and
back, ``I``/``S`` feet and head. Coordinates are DICOM's: +x to L, +y to P, +z to S.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from medvlm.study import GeometryError, Image

_LETTERS = ("RL", "AP", "IS")
_AXIS = {letter: axis for axis, pair in enumerate(_LETTERS) for letter in pair}


def letter(direction: Sequence[float]) -> str:
    """Name the patient direction closest to a vector in DICOM (LPS) coordinates.

    Args:
        direction: Three cosines.

    Examples:
        >>> letter((0.99, 0.1, 0.0))
        'L'
    """
    axis = int(np.argmax(np.abs(direction)))
    return _LETTERS[axis][int(direction[axis] > 0)]


def letters_of(directions: Iterable[Sequence[float]]) -> str | None:
    """Name several directions, or None where two of them fall on the same patient axis.

    Args:
        directions: One vector per array axis.
    """
    found = "".join(letter(direction) for direction in directions)
    return found if len({_AXIS[name] for name in found}) == len(found) else None


def check_letters(letters: str, count: int) -> str:
    """Return ``letters`` if they name ``count`` different patient axes.

    Args:
        letters: For example ``SPL``.
        count: How many axes are to be named.

    Raises:
        ValueError: If a letter is unknown or two name one axis.
    """
    axes = {_AXIS.get(name) for name in letters}
    if len(letters) != count or None in axes or len(axes) != count:
        raise ValueError(f"Orientation {letters!r}: expected {count} of R/L, A/P, I/S, one of each pair, like 'SPL'.")
    return letters


def as_displayed(letters: str) -> str:
    """Return the letters of the usual view of a plane or stack, its plane unchanged.

    Axial: front on top and the patient's left on the right; coronal: head on top, left on the right; sagittal: head
    on top, front on the left. Stacks grow to head, back or left.

    Args:
        letters: Own orientation, two or three letters.

    Examples:
        >>> as_displayed("RSA"), as_displayed("AR")
        ('LIP', 'PL')
    """
    inplane = {"R": "L", "L": "L", "A": "P", "P": "P", "I": "I", "S": "I"}
    through = {"I": "S", "S": "S"}
    return "".join(through.get(name, inplane[name]) for name in letters[:-2]) + "".join(
        inplane[name] for name in letters[-2:]
    )


def same_plane(own: str, wanted: str) -> bool:
    """Whether two orientations name the same patient axes, in any order and direction.

    Args:
        own: Letters.
        wanted: Letters.
    """
    return {_AXIS[name] for name in own} == {_AXIS[name] for name in wanted}


def to_orientation(image: Image, letters: str) -> Image:
    """Transpose and flip an image so that its spatial axes grow as ``letters`` say (a view, no copy).

    Args:
        image: A ``zyx`` volume (three letters) or a plane (two letters); frames and channels stay where they are.
        letters: Wanted direction of growth of each spatial axis; ``SPL`` is feet to head, front to back, and the
            patient's left on the right of the picture, as radiologists look at it.

    Raises:
        GeometryError: If the image's own orientation is unknown, or it lies in another plane.

    Examples:
        >>> image = Image(np.arange(8).reshape(2, 2, 2), "zyx", orientation="SAR", spacing=(3.0, 1.0, 1.0))
        >>> to_orientation(image, "SPL").array[0].tolist()
        [[3, 2], [1, 0]]
    """
    spatial = [index for index, axis in enumerate(image.axes) if axis in "zyx"]
    check_letters(letters, len(spatial))
    if image.orientation is None:
        raise GeometryError(f"Cannot turn the image to {letters}: its orientation in the patient is unknown.")
    own = [_AXIS[name] for name in image.orientation]
    if sorted(own) != sorted(_AXIS[name] for name in letters):
        raise GeometryError(f"Cannot turn the image to {letters}: it lies in another plane ({image.orientation}).")
    order = [own.index(_AXIS[name]) for name in letters]
    axes = list(range(len(image.axes)))
    for target, source in zip(spatial, order, strict=True):
        axes[target] = spatial[source]
    flips: list[Any] = [slice(None)] * len(axes)
    for target, source, name in zip(spatial, order, letters, strict=True):
        if image.orientation[source] != name:
            flips[target] = slice(None, None, -1)
    spacing = None if image.spacing is None else tuple(image.spacing[source] for source in order)
    array = image.array.transpose(axes)[tuple(flips)]
    return replace(image, array=array, orientation=letters, spacing=spacing)
