"""Bytes that hold more than pixels: text goes, every pixel stays."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from PIL import ImageCms
from pydicom import Dataset, dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, JPEGBaseline8Bit

from medvlm.deidentify_pixels import clean_frame, clean_frames, clean_pixels, clean_profile
from medvlm.study import ImageError

SECRET = b"CANARY"


def picture(**options: Any) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 56, 3), np.uint8)
    file = io.BytesIO()
    exif = PIL.Image.Exif()
    exif[0x010E] = SECRET.decode()
    PIL.Image.fromarray(pixels).save(file, "JPEG", comment=SECRET * 3, exif=exif, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"quality": 100, "subsampling": 0}, {"restart_marker_rows": 1}]
)
def test_jpeg_comments_go_and_pixels_stay(options: Any) -> None:
    frame = picture(**options) + SECRET
    assert frame.count(SECRET) == 5
    clean = clean_frame(frame)
    assert len(clean) == len(frame)
    assert SECRET not in clean
    before, after = (np.asarray(PIL.Image.open(io.BytesIO(data))) for data in (frame, clean))
    np.testing.assert_array_equal(before, after)


def test_jpeg_2000_comments_go_and_pixels_stay() -> None:
    file = io.BytesIO()
    PIL.Image.fromarray(np.arange(4096, dtype=np.uint8).reshape(64, 64)).save(file, "JPEG2000", no_jp2=True)
    plain = file.getvalue()
    at = 4 + struct.unpack_from(">H", plain, 4)[0]  # behind SIZ
    frame = plain[:at] + b"\xff\x64" + struct.pack(">HH", 4 + len(SECRET), 1) + SECRET + plain[at:] + SECRET
    clean = clean_frame(frame)
    assert SECRET not in clean
    assert len(clean) == len(frame)
    before, after = (np.asarray(PIL.Image.open(io.BytesIO(data))) for data in (plain, clean))
    np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("size", [1, 3, 50])
def test_frames_in_several_fragments(size: int) -> None:
    data = encapsulate([picture(), picture()], fragments_per_frame=size)
    clean = clean_frames(data)
    assert SECRET not in clean
    assert len(clean) == len(data)


@pytest.mark.parametrize(
    "name", ["SC_rgb_dcmtk_ebcys4_dcmd", "JPEG-LL", "JLSN_RGB_ILV0", "693_J2KR", "HTJ2K_08_RGB", "emri_small_RLE"]
)
def test_real_files_of_every_codec_decode_to_the_same(name: str, shared_data: Path) -> None:
    dataset = dcmread(shared_data / "dicom_pydicom_data" / f"{name}.dcm", force=True)
    before = dataset.pixel_array
    dataset["PixelData"].value = clean_frames(dataset.PixelData)
    dataset.convert_pixel_data()
    np.testing.assert_array_equal(dataset.pixel_array, before)


@pytest.mark.parametrize(
    "frame", [b"\xff\xd8\xff\xe1\x00", picture()[:-400], b"\xff\x4f\xff\x51\x00\x04", b"\x00\x00\x00\x0cjP  "]
)
def test_frames_that_cannot_be_gone_through_are_refused(frame: bytes) -> None:
    with pytest.raises(ImageError, match=r"breaks off|JP2"):
        clean_frame(frame)


def _native(values: np.ndarray[Any, Any]) -> Dataset:
    dataset = Dataset()
    dataset.Rows, dataset.Columns = values.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PixelRepresentation = 1, "MONOCHROME2", 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.file_meta = Dataset()  # type: ignore[assignment]
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.PixelData = values.tobytes()
    dataset["PixelData"].VR = "OW"
    return dataset


def test_bytes_behind_native_pixels_go() -> None:
    values = np.arange(12, dtype=np.uint16).reshape(3, 4)
    dataset = _native(values)
    dataset.PixelData += SECRET
    clean_pixels(dataset, dataset)
    assert dataset.PixelData == values.tobytes()


def test_an_overlay_in_spare_bits_goes_and_other_spare_bits_are_left() -> None:
    values = np.arange(12, dtype=np.uint16).reshape(3, 4)
    marked = values | 0x8000
    dataset = _native(marked)
    clean_pixels(dataset, dataset)
    assert dataset.PixelData == marked.tobytes()
    dataset.add_new(0x60000102, "US", 15)
    clean_pixels(dataset, dataset)
    assert dataset.PixelData == values.tobytes()


def test_an_overlay_in_compressed_pixels_is_refused() -> None:
    dataset = _native(np.zeros((2, 2), np.uint16))
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset.add_new(0x60000102, "US", 15)
    with pytest.raises(ImageError, match="overlay"):
        clean_pixels(dataset, dataset)


@pytest.mark.parametrize("kind", ["sRGB", "LAB"])
def test_a_profile_keeps_its_colours_and_no_text(kind: Any) -> None:
    data = ImageCms.ImageCmsProfile(ImageCms.createProfile(kind)).tobytes()
    clean = clean_profile(data)
    assert clean is not None
    assert len(clean) == len(data)
    assert "built-in" in ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(data)))
    profile = ImageCms.ImageCmsProfile(io.BytesIO(clean))
    assert ImageCms.getProfileDescription(profile).strip() == ""
    if kind == "sRGB":
        old = ImageCms.ImageCmsProfile(io.BytesIO(data))
        picture = PIL.Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8))
        lab = ImageCms.createProfile("LAB")
        one, two = (ImageCms.profileToProfile(picture, own, lab, outputMode="LAB") for own in (old, profile))
        np.testing.assert_array_equal(np.asarray(one), np.asarray(two))


def test_a_profile_with_unknown_parts_goes() -> None:
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    at = struct.unpack_from(">I", data, 136)[0]
    data[at : at + 4] = b"XYZZ"
    assert clean_profile(bytes(data)) is None
    assert clean_profile(b"CANARY") is None
