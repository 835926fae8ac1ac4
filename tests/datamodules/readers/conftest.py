from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data"

Write = Callable[..., Path]


@pytest.fixture
def data() -> Path:
    """Real files beside the repository."""
    if not DATA.is_dir():
        pytest.skip("no ../shared/data: real files are not on this machine")
    return DATA


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write one uncompressed gray DICOM file of the given pixels and attributes."""

    def _write(name: str, pixels: NDArray[Any], **attributes: Any) -> Path:
        dataset = _dataset(pixels)
        for keyword, value in attributes.items():
            setattr(dataset, keyword, value)
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        dataset.save_as(path, enforce_file_format=True)
        return path

    return _write


def _dataset(pixels: NDArray[Any]) -> Dataset:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    dataset.SeriesInstanceUID, dataset.PatientName, dataset.Modality = "1.2.3", "Canary^Jane", "CT"
    dataset.Rows, dataset.Columns = pixels.shape[-2:]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = pixels.dtype.itemsize * 8
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(np.issubdtype(pixels.dtype, np.signedinteger))
    dataset.PixelData = pixels.tobytes()
    return dataset


@pytest.fixture
def write_series(write: Write, tmp_path: Path) -> Write:
    """Write a series: slice i at ``origin + i * step``; returns its folder."""

    def _write(name: str, volume: NDArray[Any], step: Any, cosines: Any, *, origin: Any = (0, 0, 0),
               pixel: Any = (1.0, 1.0), positions: Any = None, **attributes: Any) -> Path:  # fmt: skip
        if positions is None:
            positions = [np.add(origin, np.multiply(i, step)) for i in range(len(volume))]
        for index, (plane, place) in enumerate(zip(volume, positions, strict=True)):
            write(
                f"{name}/{index:03d}.dcm", plane, ImagePositionPatient=[round(float(v), 6) for v in place],
                ImageOrientationPatient=list(cosines), PixelSpacing=list(pixel), RescaleSlope=1, RescaleIntercept=0,
                **attributes,
            )  # fmt: skip
        return tmp_path / name

    return _write
