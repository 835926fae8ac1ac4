"""NRRD and MetaImage volumes (.nrrd, .nhdr, .mha, .mhd), read by SimpleITK, told by content."""

from __future__ import annotations

import hashlib
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from medvlm.orientation import letters_of
from medvlm.study import Image, ImageError, need

from .common import READ_ERRORS, Array, fill_nan, narrow, refuse_size
from .nifti import sidecar_modality

_HEAD = 2**16
_PLACED = {"left-posterior-superior", "lps", "right-anterior-superior", "ras", "left-anterior-superior", "las"}
"""NRRD spaces that are a patient's; SimpleITK turns each into DICOM's (left, posterior, superior)."""
_MODALITIES = {"MET_MOD_CT": "CT", "MET_MOD_MR": "MR", "MET_MOD_US": "US", "MET_MOD_NM": "NM"}
_FLIP = str.maketrans("RLAPIS", "LRPASI")


def read_itk(path: Path, *, modality: str | None = None) -> Image:
    """Read an NRRD or MetaImage volume.

    What the header does not say is not made up, though SimpleITK would: without spacings the spacing is unknown,
    without a patient's space (NRRD) or a matrix (MetaImage) the orientation is.

    Args:
        path: The file that holds the header.
        modality: What it is; else what a MetaImage says, or a sidecar ``NAME.json`` (``{"Modality": "CT"}``).

    Raises:
        ImageError: If it is broken, too large, has several components a voxel, or is neither plane nor volume.
        ImportError: If SimpleITK is absent; the message says how to install it.
    """
    sitk = need("SimpleITK", "itk")
    try:
        fields = _fields(path)
        return _image(path, sitk, fields, modality or _MODALITIES.get(fields.get("modality", "")))
    except ImageError:
        raise
    except READ_ERRORS as error:
        reason = " ".join(str(error).split("ITK ERROR:")[-1].split())[:300]
        raise ImageError(f"{path}: a broken {'NRRD' if _is_nrrd(path) else 'MetaImage'} file ({reason}).") from error


def _image(path: Path, sitk: Any, fields: dict[str, str], modality: str | None) -> Image:
    reader = sitk.ImageFileReader()
    reader.SetImageIO("NrrdImageIO" if _is_nrrd(path) else "MetaImageIO")
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    size, components = reader.GetSize(), reader.GetNumberOfComponents()
    if components > 1:
        raise ImageError(
            f"{path}: {components} components a voxel (colours, vectors, or several volumes); expected one number."
        )
    if len(size) not in (2, 3):
        raise ImageError(f"{path}: an image of shape {'x'.join(map(str, size))}; expected one 3-D volume.")
    refuse_size(str(path), int(np.prod(size)) * 8, what="voxels")
    array, notes = fill_nan(narrow(sitk.GetArrayFromImage(reader.Execute())))
    letters, more = _letters(fields, reader.GetDirection(), len(size))
    modality = modality or sidecar_modality(path)
    if modality == "CT" and array.min() >= 0:
        notes += ("no value below 0: check that these are HU",)
    spaced = any(fields.get(name) for name in ("spacings", "space directions", "elementspacing", "elementsize"))
    return Image(
        array=array,
        axes="zyx"[-len(size) :],
        modality=modality or "OT",
        unit="HU" if modality == "CT" else "stored",
        spacing=tuple(float(step) for step in reversed(reader.GetSpacing())) if spaced else None,
        orientation=letters,
        source=f"file:{hashlib.sha256(_voxel_bytes(array)).hexdigest()[:16]}",
        notes=notes + more,
    )


def _voxel_bytes(array: Array) -> memoryview:
    return np.ascontiguousarray(array).data.cast("B")


def _is_nrrd(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"NRRD"


def _fields(path: Path) -> dict[str, str]:
    """The header as text, names in lower case; data files elsewhere on the machine are refused."""
    with path.open("rb") as file:
        lines = file.read(_HEAD).split(b"\n")
    fields: dict[str, str] = {}
    for line in lines:
        if not line.strip():  # ends the header of an NRRD
            break
        name, _, value = line.decode("latin-1").replace(":=", "=").replace(":", "=", 1).partition("=")
        fields[name.strip().lower()] = value.strip()
        if name.strip().lower() == "elementdatafile":  # ends that of a MetaImage
            break
    place = fields.get("data file") or fields.get("datafile") or fields.get("elementdatafile") or "LOCAL"
    if place.startswith("LIST") or "%" in place:
        raise ImageError(f"{path}: its voxels lie in many files ({place}); convert it to one.")
    if PurePosixPath(place.replace("\\", "/")).is_absolute() or ".." in place.replace("\\", "/").split("/"):
        raise ImageError(f"{path}: its voxels lie in another folder ({place}); expected a file beside it.")
    return fields


def _letters(fields: dict[str, str], direction: tuple[float, ...], count: int) -> tuple[str | None, tuple[str, ...]]:
    placed = fields.get("space", "").lower().removesuffix("-time") in _PLACED or any(
        name in fields for name in ("transformmatrix", "orientation", "rotation")
    )
    if count != 3 or not placed:
        return None, () if count != 3 else ("the file does not say how it lies in the patient",)
    columns = np.asarray(direction, float).reshape(3, 3).T
    letters = letters_of([tuple(column) for column in columns])
    if letters is None:
        return None, ("the file does not say how it lies in the patient: its axes are degenerate or at 45 degrees",)
    named = fields.get("anatomicalorientation", "")
    notes: tuple[str, ...] = ()
    if named and set(named) <= set("RLAPIS") and named not in (letters, letters.translate(_FLIP)):
        notes = (f"AnatomicalOrientation says {named}, the matrix says {letters}: the matrix is used",)
    angle = float(np.degrees(np.arccos(np.clip(np.abs(columns).max(axis=1).min(), 0, 1))))
    if angle > 10:
        notes += (f"oblique: its axes lie up to {angle:.0f} degrees off the patient's",)
    return letters[::-1], notes
