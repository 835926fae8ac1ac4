"""NIfTI volumes, brought to the closest canonical axes (RAS) and laid out as z, y, x."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import nibabel as nib
import nibabel.orientations
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError

from medvlm.study import Image, ImageError

from .common import READ_ERRORS, Array, fill_nan, refuse_size, rescale


def read_nifti(path: Path, *, modality: str | None = None) -> Image:
    """Read a NIfTI volume (``.nii`` or gzipped, whatever its name).

    A NIfTI file says neither modality nor unit. They come from ``modality``, else from a BIDS sidecar
    (``NAME.json`` beside ``NAME.nii.gz`` with ``{"Modality": "CT"}``), else they stay unknown (``OT``). CT is in HU.

    Args:
        path: The file.
        modality: What it is.

    Raises:
        ImageError: If it is broken, 4-D, or too large.
    """
    try:
        return _read(path, modality or _sidecar(path))
    except ImageError:
        raise
    except (*READ_ERRORS, HeaderDataError, ImageFileError) as error:
        raise ImageError(f"{path}: a broken NIfTI file ({' '.join(str(error).split())[:300]}).") from error


def _read(path: Path, modality: str | None) -> Image:
    with _stream(path) as stream:
        return _image(path, _open(path, stream), modality)


def _image(path: Path, found: Any, modality: str | None) -> Image:
    if found.get_data_dtype().names:
        raise ImageError(f"{path}: a NIfTI of colours ({found.get_data_dtype()}); expected one number per voxel.")
    shape = [int(n) for n in found.shape]
    while len(shape) > 3 and shape[-1] == 1:
        shape.pop()
    if len(shape) not in (2, 3) or min(shape) < 1:
        raise ImageError(f"{path}: a NIfTI of shape {'x'.join(map(str, found.shape))}; expected one 3-D volume.")
    refuse_size(str(path), int(np.prod(shape)) * max(2, found.get_data_dtype().itemsize), what="voxels")
    array, affine, known = _canonical(found, (*shape, 1)[:3])
    array, notes = fill_nan(array)
    if not known:
        notes += ("the file does not say how it lies in the patient",)
    if modality == "CT" and array.min() >= 0:
        notes += ("no value below 0: check that these are HU",)
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    return Image(
        array=np.ascontiguousarray(array.transpose(2, 1, 0)),
        axes="zyx",
        modality=modality or "OT",
        unit="HU" if modality == "CT" else "stored",
        spacing=(float(lengths[2]), float(lengths[1]), float(lengths[0])) if min(lengths) > 0 else None,
        orientation="SAR" if known else None,
        source=_hash(path),
        notes=notes + _oblique(affine),
    )


def _open(path: Path, stream: io.BufferedIOBase) -> Any:
    """Open by content: nibabel itself goes by the suffix."""
    head = stream.read(540)
    stream.seek(0)
    if head[344:347] == b"ni1" or head[4:7] == b"ni2":
        raise ImageError(f"{path}: a NIfTI header whose voxels lie in another file; convert it to one .nii.")
    kind: Any = nib.Nifti2Image if head[4:7] == b"n+2" else nib.Nifti1Image
    return kind.from_file_map({"image": nib.FileHolder(fileobj=stream)})


def _stream(path: Path) -> io.BufferedIOBase:
    """The bytes of a file, unpacked on the way if they are packed."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return gzip.open(path) if packed else path.open("rb")


def _canonical(found: Any, shape: tuple[int, ...]) -> tuple[Array, Array, bool]:
    turns: Any = nib.orientations
    slope, inter = float(found.dataobj.slope), float(found.dataobj.inter)
    if not np.isfinite(slope) or slope == 0:  # the standard's way to say: no scaling
        slope, inter = 1.0, 0.0
    array = rescale(np.asarray(found.dataobj.get_unscaled()).reshape(shape), slope, inter)
    known = int(found.header["qform_code"]) > 0 or int(found.header["sform_code"]) > 0
    turn = turns.io_orientation(found.affine)
    if not known or np.isnan(turn).any():
        return array, found.affine, False
    return turns.apply_orientation(array, turn), found.affine @ turns.inv_ornt_aff(turn, shape), True


def _oblique(affine: Array) -> tuple[str, ...]:
    cosines = np.abs(affine[:3, :3]).max(axis=0) / np.maximum(np.linalg.norm(affine[:3, :3], axis=0), 1e-9)
    angle = float(np.degrees(np.arccos(np.clip(cosines.min(), 0, 1))))
    return (f"oblique: its axes lie up to {angle:.0f} degrees off the patient's",) if angle > 10 else ()


def _sidecar(path: Path) -> str | None:
    side = path.with_name(path.name.removesuffix(".gz").removesuffix(".nii") + ".json")
    if not side.is_file():
        return None
    try:
        value = json.loads(side.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ImageError(f"{side}: the sidecar of {path.name} is no JSON ({error}).") from error
    modality = value.get("Modality") if isinstance(value, dict) else None
    return modality if isinstance(modality, str) else None


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return f"file:{hashlib.file_digest(file, 'sha256').hexdigest()[:16]}"
