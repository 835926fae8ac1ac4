"""Where a NIfTI file says that its voxels lie, and what to do if it says so twice and differently.

Rule: the sform (method 3) where its code is above 0, else the qform (method 2), else nothing is known of the patient.
That is nibabel's rule. Where both are there and name different directions of the patient, one of them shows left as
right, and no rule can tell which: such a file is refused. Where they differ by less, the sform is used with a note.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from medvlm.orientation import letters_of
from medvlm.study import GeometryError

from .common import Array

Form = Literal["sform", "qform"]

_MILLIMETRES = {"meter": 1000.0, "micron": 0.001}
"""What header units (xyzt_units) are in millimetres; all others are taken as millimetres."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where voxels lie.

    Attributes:
        letters: Patient directions in which the stored axes i, j, k grow; None if the file does not say.
        spacing: Millimetres along i, j, k; None if they are not above 0.
        notes: What a reader must know of it.
    """

    letters: str | None
    spacing: tuple[float, float, float] | None
    notes: tuple[str, ...] = ()


def place_of(header: Any, name: str, form: Form | None = None) -> Place:
    """Say where the voxels of a NIfTI header lie.

    Args:
        header: nibabel's header.
        name: What to call the file in errors.
        form: Which of the two to believe where they contradict each other; None refuses such a file.

    Raises:
        GeometryError: If the two name different directions, or the one asked for is not there.
    """
    forms = _forms(header)
    scale = _MILLIMETRES.get(header.get_xyzt_units()[0], 1.0)
    if form is not None and form not in forms:
        raise GeometryError(f"{name}: its {form} code is 0, it has {' and '.join(forms) or 'neither form'}.")
    if not forms:
        zooms = np.asarray(header.get_zooms()[:3], float) * scale
        return Place(None, _positive(zooms), ("the file does not say how it lies in the patient",))
    chosen = forms[form] if form else next(iter(forms.values()))
    letters = _letters(chosen)
    notes = () if form or len(forms) < 2 else _compare(forms, name, scale)
    if letters is None:
        notes += ("the file does not say how it lies in the patient: its axes are degenerate or at 45 degrees",)
    return Place(letters, _positive(np.linalg.norm(chosen[:, :3], axis=0) * scale), notes + _oblique(chosen))


def _forms(header: Any) -> dict[Form, Array]:
    """The forms that a header declares, the one to be used first; (3, 4), RAS+."""
    found: dict[Form, Array] = {}
    if int(header["sform_code"]) > 0:
        found["sform"] = np.asarray(header.get_sform(), float)[:3]
    if int(header["qform_code"]) > 0:
        found["qform"] = np.asarray(header.get_qform(), float)[:3]
    return found


def _letters(affine: Array) -> str | None:
    """Our letters count in DICOM's directions (+x left, +y back), NIfTI in +x right, +y front."""
    columns = affine[:, :3].T * (-1, -1, 1)
    if not np.isfinite(affine).all() or not np.linalg.norm(columns, axis=1).all():
        return None
    return letters_of([tuple(column / np.linalg.norm(column)) for column in columns])


def _positive(lengths: Array) -> tuple[float, float, float] | None:
    i, j, k = (float(length) for length in lengths)
    return (i, j, k) if min(i, j, k) > 0 and np.isfinite([i, j, k]).all() else None


def _compare(forms: dict[Form, Array], name: str, scale: float) -> tuple[str, ...]:
    sform, qform = forms["sform"], forms["qform"]
    ours, theirs = _letters(sform), _letters(qform)
    if ours != theirs:
        raise GeometryError(
            f"{name}: its sform says that its axes grow to {ours or 'no clear direction'}, its qform says "
            f"{theirs or 'no clear direction'}: left may be shown as right. If you know which is true, give "
            "read_nifti(path, form='sform') or form='qform'."
        )
    turn = _angle(sform, qform)
    away = float(np.linalg.norm(sform[:, 3] - qform[:, 3])) * scale
    same_size = np.allclose(np.linalg.norm(sform[:, :3], axis=0), np.linalg.norm(qform[:, :3], axis=0), rtol=0.01)
    if turn < 1 and away < 1 and same_size:
        return ()
    return (f"sform and qform differ ({turn:.0f} degrees, {away:.0f} mm at the first voxel): the sform is used",)


def _angle(first: Array, second: Array) -> float:
    cosines = [
        float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))
        for a, b in zip(first[:, :3].T, second[:, :3].T, strict=True)
    ]
    return float(np.degrees(np.arccos(np.clip(min(cosines), -1, 1))))


def _oblique(affine: Array) -> tuple[str, ...]:
    cosines = np.abs(affine[:, :3]).max(axis=0) / np.maximum(np.linalg.norm(affine[:, :3], axis=0), 1e-9)
    angle = float(np.degrees(np.arccos(np.clip(cosines.min(), 0, 1))))
    return (f"oblique: its axes lie up to {angle:.0f} degrees off the patient's",) if angle > 10 else ()
