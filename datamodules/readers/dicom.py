"""DICOM image files: one object, one frame or many, in any transfer syntax that a decoder is installed for."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.errors import BytesLengthException
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MediaStorageDirectoryStorage,
)

from medvlm.study import Image, ImageError

from .codecs import decode_frames
from .color import as_color
from .common import READ_ERRORS, Array, fill_nan, fingerprint, refuse_size
from .display import apply_modality_lut, apply_voi, is_inverted, unit_of, windows_of
from .frames import stack_frames
from .inflate import refuse_inflated
from .objects import class_of, is_video, note_of, why_no_image
from .packed import decode_by_plugin, refuse_packed
from .reduced import halve, reduction
from .values import plane_letters, spacing_of, whole

_LITTLE = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian)
_UNCOMPRESSED = (*_LITTLE, ExplicitVRBigEndian)
DICOM_ERRORS = (*READ_ERRORS, BytesLengthException)
PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")

HEADER = (
    "SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "Modality", "ImageType", "PatientOrientation", "Rows",
    "Columns", "NumberOfFrames", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing",
    "ImagerPixelSpacing", "NominalScannedPixelSpacing", "SliceThickness", "InstanceNumber",
)  # fmt: skip

_TAGS = (
    *HEADER, *PIXELS, "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "BitsAllocated",
    "BitsStored", "HighBit", "PixelRepresentation", "RescaleIntercept", "RescaleSlope", "RescaleType",
    "ModalityLUTSequence", "WindowCenter", "WindowWidth", "VOILUTFunction", "VOILUTSequence",
    "RedPaletteColorLookupTableDescriptor", "GreenPaletteColorLookupTableDescriptor",
    "BluePaletteColorLookupTableDescriptor", "RedPaletteColorLookupTableData", "GreenPaletteColorLookupTableData",
    "BluePaletteColorLookupTableData", "SegmentedRedPaletteColorLookupTableData",
    "SegmentedGreenPaletteColorLookupTableData", "SegmentedBluePaletteColorLookupTableData",
    "PaletteColorLookupTableUID", "ExtendedOffsetTable", "ExtendedOffsetTableLengths",
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", "PresentationLUTShape",
    "PixelIntensityRelationship", "GridFrameOffsetVector", "DoseGridScaling", "DoseUnits",
)  # fmt: skip


def read_dicom(path: Path, *, modality: str | None = None, size: tuple[int, int] | None = None) -> Image:
    """Read a DICOM file as one image, or as frames.

    Args:
        path: The file.
        modality: What it is, where the file does not say.
        size: Height and width that the caller needs at least; a single plane is then halved as often as it stays no
            smaller, while decoding where its codestream holds smaller images, else by means of pixels. A note says
            so. None gives the whole.

    Raises:
        ImageError: If it holds no image, is broken, or needs a decoder that is not installed.
    """
    refuse_size(str(path), path.stat().st_size, what="content")
    return image_of(open_dicom(path, str(path), _TAGS), path, str(path), modality, size)


def open_dicom(data: bytes | Path, name: str, tags: tuple[str, ...], *, header: bool = False) -> Dataset:
    """Parse a DICOM file, with or without preamble.

    Args:
        data: Its bytes, or its path.
        name: What to call it in errors.
        tags: Attributes to keep: the others, names of patients among them, are never parsed.
        header: Whether to stop before the pixels.

    Raises:
        ImageError: If it is no DICOM data set.
    """
    try:
        source = io.BytesIO(data) if isinstance(data, bytes) else data
        refuse_inflated(data, name)
        dataset = dcmread(source, force=True, stop_before_pixels=header, specific_tags=list(tags))
    except ImageError:
        raise
    except DICOM_ERRORS as error:
        raise ImageError(f"{name}: a broken DICOM file ({_brief(error)}).") from error
    if not len(dataset) and class_of(dataset) != MediaStorageDirectoryStorage:
        raise ImageError(f"{name}: a DICOM file with nothing of an image in it, perhaps cut off after its header.")
    if "TransferSyntaxUID" not in dataset.file_meta:
        implicit, little = dataset.original_encoding
        explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit
    return dataset


def image_of(
    dataset: Dataset, data: bytes | Path, name: str, modality: str | None, size: tuple[int, int] | None = None
) -> Image:
    """Make an image of a parsed DICOM file.

    Args:
        dataset: The attributes and pixels.
        data: The file or its bytes, to name a source that has no UID.
        name: What to call it in errors.
        modality: What it is, where the file does not say.
        size: Height and width that are needed at least; None for all.

    Raises:
        ImageError: If it holds no image, is broken, or needs a decoder that is not installed.
    """
    try:
        return _interpret(dataset, data, name, modality, size)
    except ImageError as error:
        if name in str(error):
            raise
        raise ImageError(f"{name}: {error}.") from error
    except DICOM_ERRORS as error:
        raise ImageError(f"{name}: its pixels cannot be interpreted ({_brief(error)}).") from error


def _interpret(
    dataset: Dataset, data: bytes | Path, name: str, modality: str | None, size: tuple[int, int] | None
) -> Image:
    stored, reduced = stored_values(dataset, name, size)
    photometric = str(dataset.get("PhotometricInterpretation") or "")
    own = str(dataset.get("Modality") or "") or modality or "OT"
    notes = () if modality in (None, own) else (f"the file says modality {own}, not {modality}",)
    uid = dataset.get("SOPInstanceUID")
    spacing, more = spacing_of(dataset)
    if reduced:
        own_size, spacing = _scaled(dataset, spacing, reduced)
        more += (f"read at {own_size[0]} x {own_size[1]}, 1/{2**reduced} of {dataset.Rows} x {dataset.Columns}",)
    frames = "t" if int(dataset.get("NumberOfFrames") or 1) > 1 else ""
    if not frames and stored.ndim > 2 + (dataset.SamplesPerPixel == 3):
        stored = stored[0]
    image = Image(
        array=stored,
        axes=f"{frames}yx",
        modality=own,
        spacing=spacing,
        orientation=plane_letters(dataset),
        source=fingerprint("dicom", str(uid).encode()) if uid else fingerprint("file", _bytes(data)),
        notes=notes + more + note_of(dataset),
    )
    if photometric.startswith("MONOCHROME"):
        image = _gray(image, dataset)
        return stack_frames(image, dataset, name) if frames else image
    if photometric == "PALETTE COLOR" or (stored.shape[-1] == 3 and photometric.startswith(("RGB", "YBR"))):
        return as_color(image, dataset)
    raise ImageError(f"{name}: photometric interpretation {photometric or 'absent'!r} is not supported.")


def _bytes(data: bytes | Path) -> bytes:
    return data.read_bytes() if isinstance(data, Path) else data


def _scaled(
    dataset: Dataset, spacing: tuple[float, float] | None, reduced: int
) -> tuple[tuple[int, int], tuple[float, float] | None]:
    """Size and spacing of an image that was decoded at 1 / 2 ** reduced: the same millimetres in fewer pixels."""
    rows, columns = (-(-side >> reduced) for side in (dataset.Rows, dataset.Columns))
    if spacing is not None:
        spacing = (spacing[0] * dataset.Rows / rows, spacing[1] * dataset.Columns / columns)
    return (rows, columns), spacing


def stored_values(dataset: Dataset, name: str, size: tuple[int, int] | None = None) -> tuple[Array, int]:
    """Decode the pixels of a file, colours as RGB (indices of a palette as they are).

    Args:
        dataset: The parsed file.
        name: What to call it in errors.
        size: Height and width that are needed at least; None for all.

    Returns:
        Stored values, and how many times their size was halved.

    Raises:
        ImageError: If there are none, too few, too many, or no decoder for them.
    """
    syntax = dataset.file_meta.TransferSyntaxUID
    keyword = next((key for key in PIXELS if dataset.get(key)), None)
    if keyword is None or not whole(dataset, "Rows") or not whole(dataset, "Columns"):
        raise ImageError(f"{name}: {why_no_image(dataset)}.")
    if is_video(syntax):
        raise ImageError(f"{name}: a film ({syntax.name}); export its frames as pictures and give those.")
    bits = whole(dataset, "BitsAllocated") or {"FloatPixelData": 32, "DoubleFloatPixelData": 64}.get(keyword, 8)
    samples, frames = whole(dataset, "SamplesPerPixel") or 1, whole(dataset, "NumberOfFrames") or 1
    count = dataset.Rows * dataset.Columns * samples * frames
    refuse_size(name, count * max(bits, 8) // 8)
    if syntax in _UNCOMPRESSED and not _is_subsampled(dataset):
        needed, held = (count * bits + 7) // 8, len(dataset[keyword].value)
        if held < needed:
            raise ImageError(f"{name}: truncated, {held:,} of {needed:,} bytes of pixels are there.")
    elif keyword == "PixelData" and syntax not in _UNCOMPRESSED:
        refuse_packed(dataset, name, frames, (count * bits + 7) // 8)
    reduce = reduction(dataset, size)
    if keyword == "PixelData" and samples == 1 and bits in (8, 16) and syntax in _LITTLE:
        return halve(_native(dataset, count), reduce), reduce
    try:
        array, made = decode_frames(dataset, reduce=reduce) or (decode_by_plugin(dataset), 0)
        return halve(array, reduce - made), reduce
    except DICOM_ERRORS as error:
        raise ImageError(f"{name}: its {syntax.name} pixels cannot be decoded ({_brief(error)}).") from error


def _is_subsampled(dataset: Dataset) -> bool:
    return "422" in str(dataset.get("PhotometricInterpretation"))


def _native(dataset: Dataset, count: int) -> Array:
    """Uncompressed gray values, straight from the bytes; bits beside the stored ones (old overlays) are cleared."""
    size, stored = dataset.BitsAllocated, int(dataset.get("BitsStored") or dataset.BitsAllocated)
    high = int(dataset.get("HighBit") or stored - 1)
    if not 0 < stored <= size or not stored <= high + 1 <= size:
        stored, high = size, size - 1
    signed = dataset.get("PixelRepresentation") == 1
    array = np.frombuffer(dataset.PixelData, f"<{'i' if signed else 'u'}{size // 8}", count)
    if stored < size and (signed or high + 1 != stored or (array.size and array.max() >> stored)):
        array = (array << (size - 1 - high)) >> (size - stored)
    shape: tuple[int, ...] = (dataset.Rows, dataset.Columns)
    frames = int(dataset.get("NumberOfFrames") or 1)
    return array.reshape((frames, *shape) if frames > 1 else shape)


def _gray(image: Image, dataset: Dataset) -> Image:
    """Modality LUT, then VOI; inversion, which comes last, is left to the recipe (PS3.4 N.2)."""
    inverted, odd = is_inverted(dataset)
    array, more = fill_nan(apply_modality_lut(image.array, dataset))
    windows, left = windows_of(dataset)
    unit, assumed = unit_of(dataset, image.modality, windows)
    notes = image.notes + more + odd + left + assumed
    shown = None if unit == "HU" else apply_voi(array, dataset)
    if shown is not None:
        array, windows, unit, notes = shown[0], (), "display", (*notes, shown[1])
    return replace(image, array=array, unit=unit, inverted=inverted, windows=windows, notes=notes)


def _brief(error: BaseException) -> str:
    """The first lines of a decoder's message, on one line."""
    return " ".join(str(error).split())[:300] or type(error).__name__
