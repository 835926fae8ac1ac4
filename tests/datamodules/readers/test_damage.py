"""Files that were cut off, and headers that claim more than there is: refused, at once, and never half an image."""

from __future__ import annotations

import contextlib
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from medvlm.datamodules import readers
from medvlm.datamodules.readers.packed import refuse_packed
from medvlm.study import ImageError

read_image: Any = readers.read_image  # tests look into the pixels of any type

TESTS = Path(pydicom.__file__).parent / "data" / "test_files"
SHARES = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999)
OWN = (
    "JPEG-lossy.dcm", "SC_rgb_jpeg_dcmtk.dcm", "image_dfl.dcm", "examples_ybr_color.dcm", "SC_rgb_jpeg_dcmd.dcm",
    "rtdose.dcm", "zipMR.gz", "SC_rgb_jpeg_lossy_gdcm.dcm", "MR_small_jp2klossless.dcm", "MR_small_bigendian.dcm",
)  # fmt: skip
SHARED = (
    "dicom_pydicom_data/693_UNCR.dcm", "dicom_pydicom_data/693_J2KR.dcm", "dicom_pydicom_data/HTJ2K_08_RGB.dcm",
    "dicom_pydicom_data/JLSL_16_15_1_1F.dcm", "dicom_pydicom_data/OBXXXX1A_rle.dcm", "dicom_pydicom_data/JPEG-LL.dcm",
    "dicom_pydicom_data/emri_small_jpeg_ls_lossless.dcm", "dicom_pydicom_data/eCT_Supplemental.dcm",
    "dicom_pydicom_data/liver_deflate.dcm", "dicom_pydicom_data/vlut_04.dcm", "dicom_pydicom_data/color-pl.dcm",
    "cxr_covid/images/000001-12.jpg", "nifti_totalseg/example_ct_sm.nii.gz",
)  # fmt: skip


def _cut(path: Path, tmp_path: Path) -> None:
    """At every share, the whole image (only padding was lost) or an error of ours; never a part of it."""
    whole, image = path.read_bytes(), read_image(path)
    for share in SHARES:
        (tmp_path / "cut").write_bytes(whole[: int(len(whole) * share)])
        with contextlib.suppress(ImageError):
            np.testing.assert_array_equal(read_image(tmp_path / "cut").array, image.array)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", OWN)
def test_pydicoms_files_cut_at_many_places(tmp_path: Path, name: str) -> None:
    _cut(TESTS / name, tmp_path)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SHARED)
def test_real_files_cut_at_many_places(data: Path, tmp_path: Path, name: str) -> None:
    _cut(data / name, tmp_path)


BOMBS = ("MR_small_RLE", "MR_small_jp2klossless", "MR_small_jpeg_ls_lossless", "SC_rgb_small_odd_jpeg", "JPEG-lossy")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.parametrize("what", ["Rows", "NumberOfFrames"])
def test_a_header_that_claims_gigabytes_makes_no_room_for_them(tmp_path: Path, name: str, what: str) -> None:
    dataset = pydicom.dcmread(TESTS / f"{name}.dcm")
    size = dataset.SamplesPerPixel * dataset.BitsAllocated // 8
    if what == "Rows":
        dataset.Rows = dataset.Columns = int((1.9e9 / size) ** 0.5)  # below the limit: nothing but the bytes says no
    else:
        dataset.NumberOfFrames = int(1.9e9 / size / dataset.Rows / dataset.Columns)
    dataset.save_as(tmp_path / "a.dcm")
    tracemalloc.start()
    try:
        with pytest.raises(ImageError, match=r"a\.dcm: (truncated|.*(header claims|attributes say))"):
            read_image(tmp_path / "a.dcm")
        assert tracemalloc.get_traced_memory()[1] < 2**25
    finally:
        tracemalloc.stop()


def test_deflated_frames_that_cannot_hold_what_they_claim() -> None:
    dataset = Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.UID("1.2.840.10008.1.2.8.1")
    dataset.PixelData = pydicom.encaps.encapsulate([bytes(100)])
    refuse_packed(dataset, "a", 1, 100_000)
    with pytest.raises(ImageError, match="compressed bytes cannot hold the 1,000,000"):
        refuse_packed(dataset, "a", 1, 1_000_000)


@pytest.mark.parametrize("depth", [10, 100_000])
def test_sequences_in_sequences_without_end(tmp_path: Path, depth: int) -> None:
    opened = struct.pack("<HHIHHI", 0x0028, 0x9110, 0xFFFFFFFF, 0xFFFE, 0xE000, 0xFFFFFFFF)
    closed = struct.pack("<HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
    modality = struct.pack("<HHI2s", 0x0008, 0x0060, 2, b"MR")
    (tmp_path / "a.dcm").write_bytes(modality + opened * depth + closed * depth)
    with pytest.raises(ImageError, match=r"a\.dcm: (a broken DICOM file|a DICOM object without pixels)"):
        read_image(tmp_path / "a.dcm")


@pytest.mark.filterwarnings("ignore")
def test_a_jpeg_that_would_end_the_process_is_an_image_error(tmp_path: Path) -> None:
    whole = bytearray((TESTS / "SC_rgb_small_odd_jpeg.dcm").read_bytes())
    whole[whole.index(b"\xff\xc0") + 4] = 60  # bits of a sample; GDCM crashes on it
    (tmp_path / "a.dcm").write_bytes(bytes(whole))
    with pytest.raises(ImageError, match=r"a\.dcm: its JPEG Baseline"):
        read_image(tmp_path / "a.dcm")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("offset", [0, 65, 7000, 2**31, 2**32 - 1])
def test_rle_segments_beside_the_frame_are_an_image_error(tmp_path: Path, offset: int) -> None:
    whole = (TESTS / "MR_small_RLE.dcm").read_bytes()
    header = (2).to_bytes(4, "little") + (64).to_bytes(4, "little")
    assert whole.count(header) == 1
    place = whole.index(header) + 8
    (tmp_path / "a.dcm").write_bytes(whole[:place] + offset.to_bytes(4, "little") + whole[place + 4 :])
    with pytest.raises(ImageError, match=r"a\.dcm"):
        read_image(tmp_path / "a.dcm")
