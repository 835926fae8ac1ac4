"""Pictures: every form that PIL and OpenCV write, against what they read; what is lost is said."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Pil
from PIL import ImageOps

from medvlm.datamodules import readers
from medvlm.study import ImageError

read_image: Any = readers.read_image  # tests look into the pixels of any type


@pytest.fixture
def colors() -> NDArray[np.uint8]:
    return np.random.default_rng(3).integers(0, 256, (7, 5, 3), np.uint8)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "WEBP"])
def test_lossless_formats_come_through_exactly(tmp_path: Path, colors: Any, kind: str) -> None:
    Pil.fromarray(colors).save(tmp_path / "a", kind, **({"lossless": True} if kind == "WEBP" else {}))
    image = read_image(tmp_path / "a")
    np.testing.assert_array_equal(image.array, colors)
    assert (image.axes, image.unit, image.notes) == ("yxc", "display", ())


@pytest.mark.parametrize("white", [0, 1])
def test_tiff_of_16_bits(tmp_path: Path, white: int) -> None:
    values = (np.arange(12, dtype=np.uint16).reshape(3, 4) * 5000).astype(np.uint16)
    Pil.fromarray(values).save(tmp_path / "a.tif", tiffinfo={262: white})  # 0: the smallest value is white
    image = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.array, values if white else 65535 - values)
    assert image.unit == "stored"


def test_tiff_of_many_pages_says_so(tmp_path: Path, colors: Any) -> None:
    pages = [Pil.fromarray(colors), Pil.fromarray(255 - colors)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    image = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.array, colors)
    assert image.notes == ("the first of 2 frames or pages",)


def test_tiff_of_16_bits_a_colour_is_cut_and_says_so(tmp_path: Path, colors: Any) -> None:
    cv2.imwrite(str(tmp_path / "a.tif"), colors[..., ::-1].astype(np.uint16) * 257)
    image = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.array, colors)
    assert image.notes == ("colours of more than 8 bits, read as 8",)


def test_a_tiff_that_no_decoder_takes_is_refused(tmp_path: Path, colors: Any) -> None:
    Pil.fromarray(colors).save(tmp_path / "a.tif", tiffinfo={})
    whole = (tmp_path / "a.tif").read_bytes()
    compression = b"\x03\x01\x03\x00\x01\x00\x00\x00"
    assert compression in whole
    (tmp_path / "a.tif").write_bytes(whole.replace(compression + b"\x01", compression + b"\x7b"))
    with pytest.raises(ImageError, match=r"a\.tif.*save it as PNG"):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_of_an_animation_the_first_frame_is_read(tmp_path: Path, kind: str) -> None:
    frames = [Pil.new("RGB", (6, 4), shade) for shade in ((250, 0, 0), (0, 250, 0), (0, 0, 250))]
    frames[0].save(tmp_path / "a", kind, save_all=True, append_images=frames[1:])
    image = read_image(tmp_path / "a")
    assert image.array[0, 0].tolist() == pytest.approx([250, 0, 0], abs=6)
    assert image.notes == ("the first of 3 frames or pages",)


def test_a_cmyk_jpeg_is_rgb_and_says_so(tmp_path: Path) -> None:
    Pil.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=100)  # full magenta and yellow: red
    image = read_image(tmp_path / "a.jpg")
    assert np.abs(image.array.astype(int) - [255, 0, 0]).max() <= 4
    assert "CMYK" in image.notes[0]


def test_a_palette_png_is_looked_up(tmp_path: Path) -> None:
    picture = Pil.fromarray(np.array([[0, 1], [2, 1]], np.uint8), "P")
    picture.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    picture.save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png").array.tolist() == [
        [[10, 20, 30], [40, 50, 60]],
        [[70, 80, 90], [40, 50, 60]],
    ]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_exif_orientation(tmp_path: Path, orientation: int, dtype: Any) -> None:
    exif = Pil.Exif()
    exif[0x0112] = orientation
    values = np.arange(12, dtype=dtype).reshape(3, 4)
    Pil.fromarray(values).save(tmp_path / "a.png", exif=exif)
    image = read_image(tmp_path / "a.png")
    np.testing.assert_array_equal(image.array, np.asarray(ImageOps.exif_transpose(Pil.open(tmp_path / "a.png"))))
    assert any("EXIF" in note for note in image.notes) == (orientation > 1)


def test_clear_parts_of_16_bits_are_white(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.array([[[1, 2, 3, 65535], [1, 2, 3, 0]]], np.uint16))
    image = read_image(tmp_path / "a.png")
    assert image.array.tolist() == [[[3, 2, 1], [65535] * 3]]
    assert image.notes == ("transparent parts are shown on white",)


@pytest.mark.parametrize("kind", ["TIFF", "BMP", "GIF", "WEBP", "PNG", "JPEG"])
@pytest.mark.parametrize("share", [0.05, 0.3, 0.6])
def test_every_truncated_picture_is_an_image_error(tmp_path: Path, kind: str, share: float) -> None:
    stream = io.BytesIO()
    Pil.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(stream, kind)
    (tmp_path / "a.bin").write_bytes(stream.getvalue()[: int(len(stream.getvalue()) * share)])
    with pytest.raises(ImageError, match=r"a\.bin"):
        read_image(tmp_path / "a.bin")


@pytest.mark.parametrize(
    "head",
    [
        b"BM" + bytes(8) + (54).to_bytes(4, "little") + (40).to_bytes(4, "little")
        + (60000).to_bytes(4, "little") * 2 + b"\x01\x00\x18\x00" + bytes(24),
        b"GIF89a" + b"\xff\xff\xff\xff" + bytes(3) + b"," + bytes(4) + b"\xff\xff\xff\xff" + bytes(9),
        b"\xff\xd8\xff\xc0\x00\x11\x08\xff\xff\xff\xff\x03\x01\x22\x00\x02\x11\x01\x03\x11\x01\xff\xd9",
    ],
    ids=["BMP", "GIF", "JPEG"],
)  # fmt: skip
def test_a_gigapixel_header_is_refused_before_decoding(tmp_path: Path, head: bytes) -> None:
    (tmp_path / "a.bin").write_bytes(head)
    with pytest.raises(ImageError, match=r"a\.bin.*(limit|oversized)"):
        read_image(tmp_path / "a.bin")


def test_a_dicom_file_that_is_a_tiff_as_well_is_dicom(data: Path) -> None:
    path = data / "dicom_pydicom_data" / "MR2_UNCR.dcm"
    assert path.read_bytes()[:4] == b"II*\0"
    assert read_image(path).modality == "MR"


def test_a_chunk_that_claims_gigabytes_makes_no_room_for_them(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((9, 9, 3), np.uint16))
    whole = bytearray((tmp_path / "a.png").read_bytes())
    place = whole.index(b"IDAT") - 4
    whole[place : place + 4] = (2**31 - 9).to_bytes(4, "big")
    (tmp_path / "a.png").write_bytes(bytes(whole))
    with pytest.raises(ImageError, match=r"a\.png: a broken or oversized picture \(it is cut off"):
        read_image(tmp_path / "a.png")
