"""Reading at the size that is needed: what the image says of itself then, and when the whole is read after all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch

from medvlm.datamodules.cache import PixelCache
from medvlm.datamodules.readers.dicom import read_dicom
from medvlm.datamodules.readers.picture import read_picture
from medvlm.models.image_processing import MedVLMImageProcessor
from medvlm.recipes import RECIPES
from medvlm.study import Image, ImageRef

from .conftest import Write


def test_a_radiograph_is_read_at_a_quarter_and_says_so(data: Path) -> None:
    path = data / "dicom_pydicom_data" / "RG3_J2KR.dcm"
    whole, small = read_dicom(path), read_dicom(path, size=(440, 400))
    assert whole.array.shape == (1760, 1760)
    assert small.array.shape == (440, 440)
    assert any("1/4 of 1760 x 1760" in note for note in small.notes)
    assert (small.source, small.unit, small.inverted, small.windows) == (
        whole.source, whole.unit, whole.inverted, whole.windows
    )  # fmt: skip


def test_spacing_grows_as_pixels_do(data: Path) -> None:
    path = data / "dicom_pydicom_data" / "693_J2KR.dcm"
    whole, small = read_dicom(path), read_dicom(path, size=(100, 100))
    assert whole.spacing is not None
    assert small.array.shape == (128, 128)
    assert small.spacing == pytest.approx([4 * length for length in whole.spacing])


@pytest.mark.parametrize("name", ["RG3_J2KR", "emri_small_jpeg_2k_lossless", "OBXXXX1A_rle", "liver_j2k"])
def test_the_whole_is_read_where_nothing_smaller_is_enough_or_right(data: Path, name: str) -> None:
    path = data / "dicom_pydicom_data" / f"{name}.dcm"
    size = (881, 1) if name == "RG3_J2KR" else (8, 8)
    whole: Any = read_dicom(path)
    some: Any = read_dicom(path, size=size)
    np.testing.assert_array_equal(some.array, whole.array)
    assert some.notes == whole.notes


@pytest.mark.parametrize(("shape", "pixels"), [((200, 300), np.uint16), ((199, 301), np.int16), ((50, 70), np.uint8)])
def test_an_uncompressed_plane_is_halved_in_place(write: Write, shape: tuple[int, int], pixels: Any) -> None:
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    ramp = (rows * 0.5 + columns * 0.25 - (30 if pixels is np.int16 else 0)).astype(pixels)
    image: Any = read_dicom(write("a.dcm", ramp, PixelSpacing=[0.2, 0.2]), size=(shape[0] // 4, shape[1] // 4))
    side = [-(-n // 4) for n in shape]
    assert list(image.array.shape) == side
    assert image.array.dtype == (np.int16 if pixels is np.int16 else pixels)
    y, x = np.mgrid[: side[0], : side[1]]
    expected = ((y + 0.5) * shape[0] / side[0] - 0.5) * 0.5 + ((x + 0.5) * shape[1] / side[1] - 0.5) * 0.25
    shown = image.array.astype(float) + (30 if pixels is np.int16 else 0)
    assert np.abs(shown - expected)[1:-1, 1:-1].max() < 1.5
    assert image.spacing == pytest.approx([0.2 * shape[0] / side[0], 0.2 * shape[1] / side[1]])


def picture(path: Path, **options: Any) -> Path:
    rows, columns = np.mgrid[:301, :451]
    PIL.Image.fromarray((rows * 0.4 + columns * 0.2).astype(np.uint8)).save(path, quality=98, **options)
    return path


def test_a_jpeg_picture_is_read_at_a_half(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.jpg")
    whole: Any = read_picture(path).array
    small = read_picture(path, size=(151, 150))
    shown: Any = small.array
    assert shown.shape == (151, 226)
    assert "read at 151 x 226, 1/2 of 301 x 451" in small.notes
    assert np.abs(shown[5:-5, 5:-5].astype(int) - whole[10:-10:2, 10:-10:2][: shown.shape[0] - 10]).max() < 3


def test_a_turned_jpeg_is_never_smaller_than_needed(tmp_path: Path) -> None:
    exif = PIL.Image.Exif()
    exif[274] = 6
    path = picture(tmp_path / "b.jpg", exif=exif)
    assert read_picture(path, size=(220, 150)).array.shape == (226, 151)
    assert read_picture(path, size=(150, 220)).array.shape == (451, 301)


def test_a_png_is_always_read_whole(tmp_path: Path) -> None:
    PIL.Image.fromarray(np.zeros((64, 64), np.uint8)).save(tmp_path / "c.png")
    assert read_picture(tmp_path / "c.png", size=(8, 8)).array.shape == (64, 64)


def test_read_image_and_the_cache_pass_the_size_on(data: Path) -> None:
    path, seen = data / "dicom_pydicom_data" / "RG3_J2KR.dcm", []

    def mean(image: Image) -> torch.Tensor:
        seen.append(image.array.shape)
        return torch.tensor(np.asarray(image.array, np.float32).mean())

    means = [PixelCache(mean, size=size)(ImageRef(path)) for size in (None, (440, 440))]
    assert seen == [(1760, 1760), (440, 440)]
    assert means[0] == pytest.approx(means[1].item(), rel=1e-2)
    assert PixelCache(mean).key(ImageRef(path)) != PixelCache(mean, size=(440, 440)).key(ImageRef(path))


def test_the_processor_says_what_it_needs() -> None:
    recipe = RECIPES["cxr"].model_copy(update={"size": (448, 384)})
    assert MedVLMImageProcessor([recipe]).needed == (448, 448)
    assert MedVLMImageProcessor([recipe, recipe.model_copy(update={"resize": "crop"})]).needed is None
