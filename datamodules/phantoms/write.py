"""Phantom studies as files: Computed Radiography and CT Image Storage by DICOM PS3.3, NIfTI by nibabel.

Everything is derived from the study's seed, so the same study is the same bytes. PHANTOM - NOT A PATIENT.
"""

from __future__ import annotations

import copy
import hashlib
from functools import cache
from pathlib import Path

import nibabel as nib
import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    CTImageStorage,
    ExplicitVRLittleEndian,
)

from .anatomy import FIELD_MM
from .findings import Study
from .render import WINDOW, Radiograph, Volume
from .slab import DEPTH_MM, THICK_MM, Slab

NOTICE = "PHANTOM - NOT A PATIENT"
_STAGES = ("20240102", "20240702")


def uid_of(study: Study, *parts: str | int) -> str:
    """A UID under 2.25 that depends on the study and the named parts only.

    Args:
        study: The virtual patient at one time.
        parts: What the UID stands for (``"series"``, ``"ct"``, slice number).
    """
    text = "|".join(map(str, ("medvlm phantom", study.seed, study.index, *parts)))
    return f"2.25.{int.from_bytes(hashlib.sha256(text.encode()).digest()[:15], 'big') + 1}"


def _common() -> Dataset:
    """Attributes of types 1 and 2 that every image of ours shares."""
    file = Dataset()
    file.SpecificCharacterSet = "ISO_IR 192"
    file.Manufacturer = "medvlm"
    file.ManufacturerModelName = "thorax phantom"
    file.SoftwareVersions = "1"
    file.InstitutionName = "Phantom"
    file.StudyTime = file.SeriesTime = file.ContentTime = "080000"
    file.AccessionNumber = file.ReferringPhysicianName = ""
    file.PatientBirthDate, file.PatientSex = "", "O"
    file.PatientIdentityRemoved = "YES"
    file.DeidentificationMethod = "Synthetic, there is no patient"
    file.StudyID = "1"
    file.ImageComments = NOTICE
    file.BodyPartExamined = "CHEST"
    file.BurnedInAnnotation = "NO"
    file.LossyImageCompression = "00"
    file.SamplesPerPixel = 1
    file.PhotometricInterpretation = "MONOCHROME2"
    file.BitsAllocated = 16
    file.RescaleType = "US"
    return file


@cache
def _radiograph_template() -> Dataset:
    file = _common()
    file.SOPClassUID = ComputedRadiographyImageStorage
    file.Modality = "CR"
    file.SeriesDescription = f"Chest PA ({NOTICE})"
    file.StudyDescription = "Chest radiograph"
    file.ImageType = ["ORIGINAL", "PRIMARY"]
    file.ViewPosition = "PA"
    file.PatientOrientation = ["L", "F"]
    file.BitsStored, file.HighBit, file.PixelRepresentation = 12, 11, 0
    file.RescaleIntercept, file.RescaleSlope = "0", "1"
    file.WindowCenter, file.WindowWidth = str(WINDOW[0]), str(WINDOW[1])
    file.SeriesNumber, file.InstanceNumber = "1", "1"
    return file


@cache
def _slice_template() -> Dataset:
    file = _common()
    file.SOPClassUID = CTImageStorage
    file.Modality = "CT"
    file.SeriesDescription = f"Chest CT ({NOTICE})"
    file.StudyDescription = "Chest CT"
    file.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    file.PatientPosition = "HFS"
    file.PositionReferenceIndicator = ""
    file.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    file.BitsStored, file.HighBit, file.PixelRepresentation = 16, 15, 1
    file.RescaleIntercept, file.RescaleSlope, file.RescaleType = "0", "1", "HU"
    file.WindowCenter, file.WindowWidth = ["-600", "40"], ["1500", "400"]
    file.KVP, file.AcquisitionNumber = "120", "1"
    file.SeriesNumber = "2"
    return file


def _identify(file: Dataset, study: Study, kind: str, number: int) -> None:
    file.PatientID = study.patient
    file.PatientName = study.patient.replace("-", "^")
    file.StudyDate = file.SeriesDate = file.ContentDate = _STAGES[study.number]
    file.StudyInstanceUID = uid_of(study, study.number, "study")
    file.SeriesInstanceUID = uid_of(study, study.number, "series", kind)
    file.SOPInstanceUID = uid_of(study, study.number, "image", kind, number)


def _save(file: Dataset, path: Path) -> None:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = file.SOPClassUID, file.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    whole = FileDataset(str(path), file, preamble=b"\0" * 128, file_meta=meta)
    whole.save_as(path, enforce_file_format=True)


def write_radiograph(study: Study, image: Radiograph, path: Path) -> None:
    """Write a radiograph as one Computed Radiography file.

    Args:
        study: Who is shown.
        image: Its pixels.
        path: File to write.
    """
    file = copy.copy(_radiograph_template())
    _identify(file, study, "cr", 1)
    file.Rows, file.Columns = image.pixels.shape
    pitch = f"{FIELD_MM / image.pixels.shape[0]:.6f}"
    file.PixelSpacing = file.ImagerPixelSpacing = [pitch, pitch]
    file.PixelData = image.pixels.astype("<u2").tobytes()
    _save(file, path)


def write_series(study: Study, volume: Volume, folder: Path) -> None:
    """Write a volume as a series of CT Image Storage files, feet first (``0001.dcm`` ...).

    Args:
        study: Who is shown.
        volume: Its voxels.
        folder: Folder to write to; made if it is absent.
    """
    folder.mkdir(parents=True, exist_ok=True)
    dz, dy, dx = volume.spacing
    for number, plane in enumerate(volume.array):
        file = copy.copy(_slice_template())
        _identify(file, study, "ct", number + 1)
        file.FrameOfReferenceUID = uid_of(study, study.number, "frame")
        file.InstanceNumber = str(number + 1)
        file.Rows, file.Columns = plane.shape
        x, y, z = _corner(volume)
        file.PixelSpacing, file.SliceThickness = [f"{dy:.6f}", f"{dx:.6f}"], f"{dz:.6f}"
        file.ImagePositionPatient = [f"{x:.4f}", f"{y:.4f}", f"{z + number * dz:.4f}"]
        file.SliceLocation = f"{z + number * dz:.4f}"
        file.PixelData = plane.astype("<i2").tobytes()
        _save(file, folder / f"{number + 1:04d}.dcm")


def write_slab(study: Study, slab: Slab, path: Path) -> None:
    """Write a coronal slice as one CT Image Storage file.

    Args:
        study: Who is shown.
        slab: Its pixels.
        path: File to write.
    """
    file = copy.deepcopy(_slice_template())  # it turns and renames what the slices of a series share
    _identify(file, study, "slab", 1)
    file.SeriesDescription = f"Chest CT coronal ({NOTICE})"
    file.ImageType = ["DERIVED", "SECONDARY", "REFORMATTED", "AVERAGE"]
    file.ImageOrientationPatient = ["1", "0", "0", "0", "0", "-1"]  # rows to the left, columns to the feet
    file.FrameOfReferenceUID = uid_of(study, study.number, "frame")
    file.Rows, file.Columns = slab.pixels.shape
    pitch = FIELD_MM / slab.pixels.shape[0]
    file.PixelSpacing, file.SliceThickness = [f"{pitch:.6f}"] * 2, f"{THICK_MM:g}"
    edge = (FIELD_MM - pitch) / 2
    file.ImagePositionPatient = [f"{-edge:.4f}", f"{DEPTH_MM:g}", f"{edge:.4f}"]
    file.SeriesNumber, file.InstanceNumber = "3", "1"
    file.PixelData = slab.pixels.astype("<i2").tobytes()
    _save(file, path)


def _corner(volume: Volume) -> tuple[float, float, float]:
    """Patient coordinates (x left, y back, z head) of the first voxel's centre."""
    dz, dy, dx = volume.spacing
    return (dx - FIELD_MM) / 2, (dy - FIELD_MM) / 2, (dz - FIELD_MM) / 2


def write_nifti(volume: Volume, path: Path) -> None:
    """Write a volume as NIfTI in RAS+ (x to the right, y to the front, z to the head).

    Args:
        volume: Its voxels.
        path: ``.nii`` or ``.nii.gz`` file to write.
    """
    dz, dy, dx = volume.spacing
    x, y, z = _corner(volume)
    array = np.ascontiguousarray(volume.array.transpose(2, 1, 0)[::-1, ::-1])
    count_x, count_y = array.shape[:2]
    affine = np.diag([dx, dy, dz, 1.0])
    affine[:3, 3] = [-(x + (count_x - 1) * dx), -(y + (count_y - 1) * dy), z]
    image = nib.Nifti1Image(array, affine)  # type: ignore[no-untyped-call]
    image.header["descrip"] = NOTICE.encode()
    image.header.set_xyzt_units("mm")  # type: ignore[no-untyped-call]
    nib.save(image, path)
