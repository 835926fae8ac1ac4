"""NIfTI volumes: NIfTI-1 and -2, one file or a pair, plain or gzipped; laid out as z, y, x that grow to S, A, R."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from nibabel.nifti1 import Nifti1Header, Nifti1PairHeader
from nibabel.nifti2 import Nifti2Header, Nifti2PairHeader
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray
from zlib_ng import gzip_ng

from medvlm.orientation import to_orientation
from medvlm.study import Image, ImageError

from .affine import Form, place_of
from .common import READ_ERRORS, Array, fill_nan, refuse_size, rescale

_HEAD = 544
_STEP = 2**22


def read_nifti(
    path: Path,
    *,
    modality: str | None = None,
    part: int | None = None,
    form: Form | None = None,
) -> Image:
    """Read a NIfTI volume (``.nii``, gzipped or not, whatever its name; or the ``.hdr`` of a pair).

    A NIfTI file says neither modality nor unit. They come from ``modality``, else from a BIDS sidecar
    (``NAME.json`` beside ``NAME.nii.gz`` with ``{"Modality": "CT"}``), else they stay unknown (``OT``). CT is in HU.

    Args:
        path: The file.
        modality: What it is.
        part: Which volume of a 4-D file, from 0.
        form: Which of sform and qform to believe where they name different directions (see ``affine.py``).

    Raises:
        ImageError: If it is broken, too large, in colours, or 4-D and ``part`` names none of its volumes.
        GeometryError: If its sform and qform name different directions of the patient and ``form`` chooses neither.
    """
    try:
        header, paired = _header(path)
        return _image(path, header, paired, part, form, modality or sidecar_modality(path))
    except ImageError:
        raise
    except (*READ_ERRORS, HeaderDataError) as error:
        raise ImageError(f"{path}: a broken NIfTI file ({' '.join(str(error).split())[:300]}).") from error


def _image(path: Path, header: Any, paired: bool, part: int | None, form: Form | None, modality: str | None) -> Image:
    shape, skipped = _volume(path, header, part)
    voxels = _pair_of(path) if paired else path
    stored = _voxels(voxels, header, shape, skipped)
    array, notes = fill_nan(rescale(stored, *_scaling(header)))
    place = place_of(header, str(path), form)
    notes += place.notes
    if modality == "CT" and array.min() >= 0:
        notes += ("no value below 0: check that these are HU",)
    if part is not None:
        notes += (f"volume {part} of a 4-D file",)
    image = Image(
        array=array,
        axes="zyx",
        modality=modality or "OT",
        unit="HU" if modality == "CT" else "stored",
        spacing=place.spacing and place.spacing[::-1],
        orientation=place.letters and place.letters[::-1],
        source=_hash(voxels),
        notes=notes,
    )
    return to_orientation(image, "SAR") if place.letters else image


def _header(path: Path) -> tuple[Any, bool]:
    """The header, by content (nibabel itself goes by the suffix), and whether its voxels lie in another file."""
    with _open(path) as stream:
        head = stream.read(_HEAD)
    second = head[4:6] == b"n+" or head[4:6] == b"ni"
    size, start = (540, 4) if second else (348, 344)
    paired = head[start : start + 2] == b"ni"
    kinds: tuple[Any, Any] = (Nifti2Header, Nifti2PairHeader) if second else (Nifti1Header, Nifti1PairHeader)
    return kinds[paired].from_fileobj(io.BytesIO(head[:size] + bytes(4))), paired


def _pair_of(path: Path) -> Path:
    stem = path.name.removesuffix(".gz").removesuffix(".hdr")
    for name in (f"{stem}.img", f"{stem}.img.gz"):
        if path.with_name(name).is_file():
            return path.with_name(name)
    raise ImageError(f"{path}: a NIfTI header whose voxels lie in another file; there is no {stem}.img beside it.")


def _volume(path: Path, header: Any, part: int | None) -> tuple[tuple[int, int, int], int]:
    """Voxels along k, j, i, and how many bytes of other volumes come first."""
    kind, shape = header.get_data_dtype(), [int(n) for n in header.get_data_shape()]
    if kind.names or kind.kind not in "iuf" or kind.itemsize > 8:
        raise ImageError(f"{path}: a NIfTI of {kind} (colours, complex or 128-bit); expected one number per voxel.")
    while len(shape) > 3 and shape[-1] == 1:
        shape.pop()
    if not 2 <= len(shape) <= 4 or min(shape) < 1:
        raise ImageError(f"{path}: a NIfTI of shape {_times(header.get_data_shape())}; expected one 3-D volume.")
    volumes = shape.pop() if len(shape) == 4 else 1
    if not 0 <= (part or 0) < volumes or (volumes > 1 and part is None):
        given = "" if part is None else f", there is no volume {part}"
        raise ImageError(
            f"{path}: a NIfTI of shape {_times((*shape, volumes))}, {volumes} volumes (time points, directions or "
            f"echoes){given}; part=0 to part={volumes - 1} reads one of them."
        )
    k, j, i = (*shape, 1)[:3][::-1]
    refuse_size(str(path), k * j * i * max(2, kind.itemsize), what="voxels")
    return (k, j, i), (part or 0) * k * j * i * kind.itemsize


def _times(shape: Any) -> str:
    return "x".join(map(str, shape))


def _voxels(path: Path, header: Any, shape: tuple[int, int, int], skipped: int) -> Array:
    """Unpack one volume straight into memory of its own; what comes before it is never kept."""
    kind = header.get_data_dtype()
    buffer: NDArray[np.uint8] = np.empty(int(np.prod(shape)) * kind.itemsize, np.uint8)
    with _open(path) as stream:
        _skip(stream, path, int(header["vox_offset"]) + skipped)
        view, filled = buffer.data, 0
        while filled < len(view):
            count = stream.readinto(view[filled:])
            if not count:
                raise ImageError(f"{path}: truncated, {filled:,} of {len(view):,} bytes of voxels are there.")
            filled += count
        stream.read(1)  # lets gzip compare its checksum where this is the end
    voxels: Array = buffer.view(kind).reshape(shape)
    return voxels


def _skip(stream: Any, path: Path, count: int) -> None:
    while count:
        got = len(stream.read(min(count, _STEP)))
        if not got:
            raise ImageError(f"{path}: truncated before its voxels.")
        count -= got


def _open(path: Path) -> Any:
    """The bytes of a file, unpacked on the way if they are packed."""
    gunzip: Any = gzip_ng.open

    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return gunzip(path) if packed else path.open("rb")


def _scaling(header: Any) -> tuple[float, float]:
    slope, inter = float(header["scl_slope"]), float(header["scl_inter"])
    if not np.isfinite(slope) or slope == 0:  # the standard's way to say: no scaling
        return 1.0, 0.0
    return slope, inter if np.isfinite(inter) else 0.0


def sidecar_modality(path: Path) -> str | None:
    """The modality that a BIDS sidecar (``NAME.json`` beside ``NAME.nii.gz``) gives, or None.

    Args:
        path: The volume.

    Raises:
        ImageError: If the sidecar is no JSON.
    """
    stem = path.name.removesuffix(".gz")
    side = path.with_name(f"{stem.rpartition('.')[0] or stem}.json")
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
