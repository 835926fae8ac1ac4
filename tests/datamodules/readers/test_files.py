"""NIfTI, PNG, JPEG, arrays, and files that are no image."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import zlib
from pathlib import Path
from typing import Any

import cv2
import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Pil

from medvlm.datamodules import readers
from medvlm.datamodules.readers.common import narrow, rescale
from medvlm.study import Image, ImageError

read_image: Any = readers.read_image  # tests look into the pixels of any type
nib: Any = nibabel


@pytest.mark.parametrize("name", ["example_ct_sm", "example_mr_sm", "example_seg_mr", "example_ct"])
def test_nifti_equals_nibabels_canonical(data: Path, name: str) -> None:
    path = data / "nifti_totalseg" / f"{name}.nii.gz"
    image, canonical = read_image(path), nib.as_closest_canonical(nib.load(path))
    np.testing.assert_array_equal(image.array.transpose(2, 1, 0), np.asarray(canonical.dataobj))
    assert (image.orientation, image.spacing, image.array.dtype.itemsize <= 2) == ("SAR", (3.0, 3.0, 3.0), True)


def test_nifti_scaling_is_applied_once_and_never_doubles(tmp_path: Path) -> None:
    nifti = nib.Nifti1Image(np.arange(8, dtype=np.int16).reshape(2, 2, 2), np.eye(4))
    nifti.header.set_slope_inter(0.5, -3)
    nib.save(nifti, tmp_path / "a.nii")
    image = read_image(tmp_path / "a.nii")
    np.testing.assert_array_equal(image.array.T, nib.load(tmp_path / "a.nii").get_fdata())
    assert image.array.dtype == np.float32


def test_nifti_modality_comes_from_the_sidecar(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Image(np.full((2, 2, 2), -5, np.int16), np.eye(4)), tmp_path / "a.nii.gz")
    assert (read_image(tmp_path / "a.nii.gz").modality, read_image(tmp_path / "a.nii.gz").unit) == ("OT", "stored")
    (tmp_path / "a.json").write_text(json.dumps({"Modality": "CT"}))
    assert (read_image(tmp_path / "a.nii.gz").modality, read_image(tmp_path / "a.nii.gz").unit) == ("CT", "HU")


def test_nifti_that_does_not_say_how_it_lies(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Image(np.zeros((2, 2, 2), np.int16), None), tmp_path / "a.nii")
    image = read_image(tmp_path / "a.nii")
    assert image.orientation is None
    assert "does not say how it lies" in image.notes[0]


def test_nan_is_replaced_and_told(tmp_path: Path) -> None:
    voxels = np.array([[[np.nan, 1.0], [2.0, -7.0]]], np.float32)
    nib.save(nib.Nifti1Image(voxels, np.eye(4)), tmp_path / "a.nii")
    image = read_image(tmp_path / "a.nii")
    assert image.array.min() == -7
    assert "1 pixels were NaN" in image.notes[0]


def test_four_dimensions_are_refused(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Image(np.zeros((2, 2, 2, 5), np.int16), np.eye(4)), tmp_path / "a.nii")
    with pytest.raises(ImageError, match="shape 2x2x2x5"):
        read_image(tmp_path / "a.nii")


@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
def test_truncated_nifti(data: Path, tmp_path: Path, share: float) -> None:
    whole = (data / "nifti_totalseg" / "example_mr_sm.nii.gz").read_bytes()
    (tmp_path / "a.nii.gz").write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(ImageError, match=r"a\.nii\.gz"):
        read_image(tmp_path / "a.nii.gz")


def test_a_nifti_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    header = nib.Nifti1Header()
    header.set_data_shape((30000, 30000, 30000))
    header["vox_offset"], header["magic"] = 352, b"n+1"
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(header.binaryblock + bytes(1000)))
    with pytest.raises(ImageError, match="the limit is"):
        read_image(tmp_path / "a.nii.gz")


def _gradient(channels: int, dtype: Any) -> NDArray[Any]:
    shape = (7, 5) if channels == 1 else (7, 5, channels)
    return (np.arange(np.prod(shape)).reshape(shape) * (np.iinfo(dtype).max // np.prod(shape))).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
def test_png_comes_through_exactly(tmp_path: Path, channels: int, dtype: Any) -> None:
    pixels = _gradient(channels, dtype)
    cv2.imwrite(str(tmp_path / "a.png"), pixels if channels == 1 else pixels[..., ::-1])
    image = read_image(tmp_path / "a.png")
    np.testing.assert_array_equal(image.array, pixels)
    assert image.unit == ("stored" if channels == 1 and dtype == np.uint16 else "display")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_alpha_shows_white_where_it_is_clear(tmp_path: Path, dtype: Any) -> None:
    pixels = np.zeros((1, 2, 4), dtype)
    pixels[0, 0, 3] = np.iinfo(dtype).max
    cv2.imwrite(str(tmp_path / "a.png"), pixels)
    assert read_image(tmp_path / "a.png").array[0, :, 0].tolist() == [0, np.iinfo(dtype).max]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "F", "HSV"])
def test_every_pil_mode_is_gray_or_rgb(mode: str) -> None:
    picture = Pil.new("L", (6, 4), 255).convert(mode) if mode != "I;16" else Pil.new(mode, (6, 4), 255)
    image = read_image(picture)
    assert image.axes == ("yxc" if mode in ("P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV") else "yx")
    assert image.array.shape[:2] == (4, 6)
    assert image.array.min() == 255


def test_exif_orientation_is_followed(tmp_path: Path) -> None:
    exif = Pil.Exif()
    exif[0x0112] = 6
    Pil.fromarray(_gradient(1, np.uint8)).save(tmp_path / "a.jpg", exif=exif, quality=100)
    image = read_image(tmp_path / "a.jpg")
    assert image.array.shape == (5, 7)
    assert np.abs(image.array.astype(int) - np.rot90(_gradient(1, np.uint8), -1)).max() < 12


def test_the_suffix_does_not_matter(data: Path) -> None:
    image = read_image(data / "cxr_covid" / "images" / "000001-12.jpg")  # a PNG with alpha
    assert image.array.shape == (361, 373, 3)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_truncated_pictures(tmp_path: Path, kind: str, share: float) -> None:
    stream = io.BytesIO()
    Pil.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(stream, kind)
    (tmp_path / "a.bin").write_bytes(stream.getvalue()[: int(len(stream.getvalue()) * share)])
    with pytest.raises(ImageError, match=r"a\.bin"):
        read_image(tmp_path / "a.bin")


def test_a_picture_bomb_is_refused_by_its_header(tmp_path: Path) -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")

    size = (60000).to_bytes(4, "big")
    head = chunk(b"IHDR", size + size + bytes([8, 2, 0, 0, 0]))
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", b"") + chunk(b"IEND", b""))
    with pytest.raises(ImageError, match=r"a\.png.*(limit|oversized)"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"", "an empty file"),
        ("Röntgenbefund: unauffällig.\n".encode() * 80, r"plain text \(UTF-8\)"),
        (b"%PDF-1.7\n", "a PDF"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(40), "a 7-Zip archive; give the unpacked folder"),
        (bytes(257) + b"ustar" + bytes(400), "a tar archive; give the unpacked folder"),
        (b"\n<!doctype HTML><title>Sign in</title>", "a web page: probably a failed download"),
        (b'<?xml version="1.0"?><eCitation/>', "an XML file"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
        (gzip.compress(b"hello"), "a gzip file that holds no NIfTI"),
        (bytes(2000), "nothing but zeros"),
        (b"\xfe\xed\xfa\xce" + bytes(range(128, 228)), "unknown binary data"),
    ],
)
def test_what_is_no_image_is_named_in_one_line(tmp_path: Path, content: bytes, name: str) -> None:
    (tmp_path / "x.dcm").write_bytes(content)
    with pytest.raises(ImageError, match=rf"x\.dcm is no image: it looks like {name}.*expected DICOM") as error:
        read_image(tmp_path / "x.dcm")
    assert "\n" not in str(error.value)


def test_missing_paths_and_foreign_objects() -> None:
    with pytest.raises(ImageError, match="does not exist"):
        read_image("no/such/file.png")
    with pytest.raises(ImageError, match="Got a dict; expected a path"):
        read_image({})


@pytest.mark.parametrize(
    ("array", "modality", "axes", "unit"),
    [
        (np.zeros((4, 5), np.uint8), None, "yx", "display"),
        (np.zeros((4, 5, 3), np.uint8), None, "yxc", "display"),
        (np.zeros((9, 4, 5), np.int16), "CT", "zyx", "HU"),
        (np.full((4, 5), 700.0), "MR", "yx", "stored"),
        (np.full((4, 5), 0.7), None, "yx", "display"),
        (np.ones((4, 5), bool), None, "yx", "display"),
    ],
)
def test_arrays(array: NDArray[Any], modality: str | None, axes: str, unit: str) -> None:
    image = read_image(array, modality=modality)
    assert (image.axes, image.unit) == (axes, unit)
    assert image.array.dtype != np.float64


@pytest.mark.parametrize(
    "array",
    [np.zeros((0, 4)), np.zeros(4), np.zeros((2, 2, 2, 2)), np.zeros((3, 64, 64), np.uint8), np.array([["a"]]),
     np.full((2, 2), np.nan), np.ones((2, 2), complex), np.full((2, 2, 3), 99.0), np.full((2, 2, 3), 255),
     np.array([[None]]), np.array([["2026-01-01"]], "datetime64[D]"), np.zeros((2, 2, 3), np.int16)],
)  # fmt: skip
def test_arrays_that_mean_nothing_clear(array: NDArray[Any]) -> None:
    with pytest.raises(ImageError):
        read_image(array)


def test_an_image_is_returned_as_it_is() -> None:
    image = Image(np.zeros((2, 2), np.uint8), "yx")
    assert read_image(image) is image


def test_the_source_of_a_file_is_its_content(tmp_path: Path) -> None:
    for name in ("Canary.png", "b.png"):
        Pil.new("L", (2, 2)).save(tmp_path / name)
    first, second = read_image(tmp_path / "Canary.png"), read_image(tmp_path / "b.png")
    assert first.source == second.source
    assert "Canary" not in repr(first)


@pytest.mark.parametrize("dtype", ["u1", ">u2", "<i2", "<i4", "<u4", "<i8", "<f4", ">f8"])
def test_narrow_keeps_values(dtype: str) -> None:
    values = np.array([0, 5, 120], dtype)
    assert narrow(values).dtype in (np.uint8, np.uint16, np.int16, np.float32)
    assert narrow(values).tolist() == [0, 5, 120]


def test_rescale_that_leaves_int16_is_float() -> None:
    assert rescale(np.array([65535], np.uint16), 1, -1024).tolist() == [64511]
    assert rescale(np.array([-32768], np.int16), 1, -1024).dtype == np.float32


@pytest.mark.parametrize(
    "name",
    ["dicom_pydicom_data/color-pl.dcm", "dicom_pydicom_data/emri_small_jpeg_2k_lossless.dcm",
     "dicom_pydicom_data/vlut_04.dcm", "dicom_highdicom/dx_image.dcm", "cxr_covid/images/000001-2.jpg",
     "cxr_covid/images/000001-12.jpg", "nifti_totalseg/example_mr_sm.nii.gz"],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore")
def test_damaged_bytes_are_an_image_or_an_image_error(data: Path, tmp_path: Path, name: str) -> None:
    random = np.random.default_rng(7)
    whole = (data / name).read_bytes()
    whole = gzip.decompress(whole) if name.endswith(".gz") else whole
    for _ in range(25):
        damaged = np.frombuffer(whole, np.uint8).copy()
        places = random.integers(0, min(2000, len(damaged)), 6)
        damaged[places] = random.integers(0, 256, 6)
        (tmp_path / "a").write_bytes(damaged.tobytes())
        with contextlib.suppress(ImageError):
            assert read_image(tmp_path / "a").array.size > 0
