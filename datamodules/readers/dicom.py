"""DICOM image files: one object, one frame or many, in any transfer syntax that a decoder is installed for."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.errors import BytesLengthException
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import pixel_array
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from medvlm.study import Image, ImageError

from .common import READ_ERRORS, Array, fill_nan, fingerprint, narrow, refuse_size
from .values import apply_modality_lut, apply_voi, plane_letters, spacing_of, unit_of, windows_of

_LITTLE = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1")
_UNCOMPRESSED = (*_LITTLE, "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99")
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
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
)  # fmt: skip


def read_dicom(path: Path, *, modality: str | None = None) -> Image:
    """Read a DICOM file as one image, or as frames.

    Args:
        path: The file.
        modality: What it is, where the file does not say.

    Raises:
        ImageError: If it holds no image, is broken, or needs a decoder that is not installed.
    """
    refuse_size(str(path), path.stat().st_size, what="content")
    data = path.read_bytes()
    return image_of(open_dicom(data, str(path), _TAGS), data, str(path), modality)


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
        dataset = dcmread(source, force=True, stop_before_pixels=header, specific_tags=list(tags))
    except DICOM_ERRORS as error:
        raise ImageError(f"{name}: a broken DICOM file ({_brief(error)}).") from error
    if not len(dataset):
        raise ImageError(f"{name}: a DICOM file without content, probably cut off after its header.")
    if "TransferSyntaxUID" not in dataset.file_meta:
        implicit, little = dataset.original_encoding
        explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit
    return dataset


def image_of(dataset: Dataset, data: bytes, name: str, modality: str | None) -> Image:
    """Make an image of a parsed DICOM file.

    Args:
        dataset: The attributes and pixels.
        data: The bytes of the file, to name a source that has no UID.
        name: What to call it in errors.
        modality: What it is, where the file does not say.

    Raises:
        ImageError: If it holds no image, is broken, or needs a decoder that is not installed.
    """
    try:
        return _interpret(dataset, data, name, modality)
    except ImageError:
        raise
    except DICOM_ERRORS as error:
        raise ImageError(f"{name}: its pixels cannot be interpreted ({_brief(error)}).") from error


def _interpret(dataset: Dataset, data: bytes, name: str, modality: str | None) -> Image:
    stored = stored_values(dataset, name)
    photometric = str(dataset.get("PhotometricInterpretation") or "")
    own = str(dataset.get("Modality") or "") or modality or "OT"
    notes = () if modality in (None, own) else (f"the file says modality {own}, not {modality}",)
    uid = dataset.get("SOPInstanceUID")
    spacing, more = spacing_of(dataset)
    frames = "t" if int(dataset.get("NumberOfFrames") or 1) > 1 else ""
    if not frames and stored.ndim > 2 + (dataset.SamplesPerPixel == 3):
        stored = stored[0]
    image = Image(
        array=stored,
        axes=f"{frames}yx",
        modality=own,
        spacing=spacing,
        orientation=plane_letters(dataset),
        source=fingerprint("dicom", str(uid).encode()) if uid else fingerprint("file", data),
        notes=notes + more,
    )
    if photometric.startswith("MONOCHROME"):
        return _gray(image, dataset, photometric)
    if photometric == "PALETTE COLOR" or (stored.shape[-1] == 3 and photometric.startswith(("RGB", "YBR"))):
        return _color(image, dataset, photometric)
    raise ImageError(f"{name}: photometric interpretation {photometric or 'absent'!r} is not supported.")


def stored_values(dataset: Dataset, name: str) -> Array:
    """Decode the pixels of a file, colours as RGB (indices of a palette as they are).

    Args:
        dataset: The parsed file.
        name: What to call it in errors.

    Raises:
        ImageError: If there are none, too few, too many, or no decoder for them.
    """
    syntax = dataset.file_meta.TransferSyntaxUID
    keyword = next((key for key in PIXELS if dataset.get(key)), None)
    if keyword is None or not dataset.get("Rows") or not dataset.get("Columns"):
        kind = getattr(dataset.get("SOPClassUID"), "name", "of no known class")
        raise ImageError(f"{name}: a DICOM object without pixels ({kind}); expected an image.")
    bits = int(dataset.get("BitsAllocated") or {"FloatPixelData": 32, "DoubleFloatPixelData": 64}.get(keyword, 8))
    samples, frames = int(dataset.get("SamplesPerPixel") or 1), int(dataset.get("NumberOfFrames") or 1)
    count = dataset.Rows * dataset.Columns * samples * frames
    refuse_size(name, count * max(bits, 8) // 8)
    if syntax in _UNCOMPRESSED and not _is_subsampled(dataset):
        needed, held = (count * bits + 7) // 8, len(dataset[keyword].value)
        if held < needed:
            raise ImageError(f"{name}: truncated, {held:,} of {needed:,} bytes of pixels are there.")
    if keyword == "PixelData" and samples == 1 and bits in (8, 16) and syntax in _LITTLE:
        return _native(dataset, count)
    try:
        return np.asarray(pixel_array(dataset))
    except DICOM_ERRORS as error:
        raise ImageError(f"{name}: its {syntax.name} pixels cannot be decoded ({_brief(error)}).") from error


def _is_subsampled(dataset: Dataset) -> bool:
    return "422" in str(dataset.get("PhotometricInterpretation"))


def _native(dataset: Dataset, count: int) -> Array:
    """Uncompressed gray values, straight from the bytes; bits above the stored ones (old overlays) are cleared."""
    size, stored = dataset.BitsAllocated, int(dataset.get("BitsStored") or dataset.BitsAllocated)
    signed = dataset.get("PixelRepresentation") == 1
    array = np.frombuffer(dataset.PixelData, f"<{'i' if signed else 'u'}{size // 8}", count)
    if stored < size:
        array = (array << (size - stored)) >> (size - stored)
    shape: tuple[int, ...] = (dataset.Rows, dataset.Columns)
    frames = int(dataset.get("NumberOfFrames") or 1)
    return array.reshape((frames, *shape) if frames > 1 else shape)


def _gray(image: Image, dataset: Dataset, photometric: str) -> Image:
    inverted = photometric == "MONOCHROME1"
    array, more = fill_nan(apply_modality_lut(image.array, dataset))
    windows, odd = windows_of(dataset)
    unit, assumed = unit_of(dataset, image.modality, windows)
    notes = image.notes + more + odd + assumed
    shown = None if unit == "HU" else apply_voi(array, dataset)
    if shown is not None:
        array, windows, unit, notes = shown[0], (), "display", (*notes, shown[1])
    return replace(image, array=array, unit=unit, inverted=inverted, windows=windows, notes=notes)


def _color(image: Image, dataset: Dataset, photometric: str) -> Image:
    array: Array = image.array
    if photometric == "PALETTE COLOR":
        array = _look_up(array, dataset)
    else:
        array = _stretch(array, int(dataset.get("BitsStored") or dataset.BitsAllocated))
    if array.dtype.itemsize > 2:  # 32 bits a colour: no screen shows more than 16
        array = (array >> 16).astype(np.uint16)
    return replace(image, array=narrow(array), axes=image.axes + "c", unit="display")


def _look_up(array: Array, dataset: Dataset) -> Array:
    """Colours of a palette; pydicom leaves the byte order of its tables to us (of segmented ones it does not)."""
    if not dataset.original_encoding[1]:
        for color in ("Red", "Green", "Blue"):
            if table := dataset.get(f"{color}PaletteColorLookupTableData"):
                swapped = np.frombuffer(table, ">u2").astype("<u2").tobytes()
                setattr(dataset, f"{color}PaletteColorLookupTableData", swapped)
    return _stretch(apply_color_lut(array, dataset), int(dataset.RedPaletteColorLookupTableDescriptor[2]))


def _stretch(array: Array, bits: int) -> Array:
    """Make the largest value of ``bits`` the largest of the type, as display values are."""
    top = int(np.iinfo(array.dtype).max)
    if top == 2**bits - 1 or array.max() > 2**bits - 1:
        return array
    stretched: Array = array.astype(np.float32) * np.float32(top / (2**bits - 1))
    return np.rint(stretched).astype(array.dtype)


def _brief(error: BaseException) -> str:
    """The first lines of a decoder's message, on one line."""
    return " ".join(str(error).split())[:300] or type(error).__name__
