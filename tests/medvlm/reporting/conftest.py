"""Studies on disk, written by pydicom itself, with what identifies a patient planted wherever it fits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medvlm.predictor import Predictor, load

CANARY = "Zebedee^Quux"
Writer = Callable[..., Path]


@pytest.fixture
def write_dicom() -> Writer:
    """Write one valid DICOM image; keywords set or replace its attributes."""
    from pydicom import Dataset
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import UID, ExplicitVRLittleEndian

    def write(path: Path, study: str = "1.2.3", series: str = "1", number: int = 1, **more: Any) -> Path:
        data = Dataset()
        data.file_meta = FileMetaDataset()
        data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.1.1")
        data.StudyInstanceUID, data.SeriesInstanceUID = study, f"{study}.{series}"
        data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = UID(f"{study}.{series}.{number}")
        data.SeriesNumber, data.InstanceNumber, data.Modality = series, number, "DX"
        for keyword in ("PatientName", "PatientID", "StudyDescription", "SeriesDescription", "InstitutionName"):
            setattr(data, keyword, CANARY)
        data.PatientComments, data.ImageComments = CANARY, CANARY
        data.Rows, data.Columns, data.SamplesPerPixel, data.PixelRepresentation = 16, 16, 1, 0
        data.BitsAllocated, data.BitsStored, data.HighBit = 16, 12, 11
        data.PhotometricInterpretation = "MONOCHROME2"
        data.PixelData = np.random.default_rng(number).integers(0, 4095, (16, 16), np.uint16).tobytes()
        for keyword, value in more.items():
            setattr(data, keyword, value)
        path.parent.mkdir(parents=True, exist_ok=True)
        data.save_as(path, enforce_file_format=True)
        return path

    return write


@pytest.fixture
def write_slices(write_dicom: Writer) -> Writer:
    """Write the slices of a CT series at the given heights."""

    def write(folder: Path, heights: list[float], study: str = "1.2.3", series: str = "2", **more: Any) -> Path:
        for index, height in enumerate(heights, start=1):
            write_dicom(
                folder / f"{series}-{index}.dcm",
                study,
                series,
                index,
                **{"Modality": "CT", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2"},
                RescaleIntercept=-1024,
                RescaleSlope=1,
                PixelSpacing=[1, 1],
                ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
                ImagePositionPatient=[0, 0, height],
                **more,
            )
        return folder

    return write


@pytest.fixture(scope="session")
def predictor(model_folder: Path) -> Predictor:
    return load(model_folder, device="cpu")


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a model that never learned to stop say only a few words."""
    monkeypatch.setattr("medvlm.predictor.token_limit", lambda samples, *, reasoning: 3)
