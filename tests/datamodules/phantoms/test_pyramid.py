"""The TIFF pyramid: read back by Pillow, tifffile and OpenSlide."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pil

from medvlm.datamodules.phantoms.pyramid import half, write_pyramid

PICTURE = np.random.default_rng(0).integers(0, 255, (511, 770, 3), dtype=np.uint8)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_pyramid(tmp_path / "a.tif", PICTURE, 0.25, comment="a phantom")
    return tmp_path / "a.tif"


def test_pillow_reads_every_level(path: Path) -> None:
    picture, wanted = Pil.open(path), PICTURE
    for level in range(3):
        picture.seek(level)
        np.testing.assert_array_equal(np.asarray(picture), wanted)
        wanted = half(wanted)


def test_tifffile_reads_every_level(path: Path) -> None:
    tifffile = pytest.importorskip("tifffile", reason="no tifffile: pip install tifffile")
    with tifffile.TiffFile(path) as file:
        assert [page.shape for page in file.pages] == [(511, 770, 3), (256, 385, 3), (128, 193, 3)]
        np.testing.assert_array_equal(file.pages[1].asarray(), half(PICTURE))
        assert file.pages[0].description == "a phantom"


def test_openslide_takes_it_for_a_slide(path: Path) -> None:
    openslide = pytest.importorskip("openslide", reason="no openslide: pip install 'medvlm[wsi]'")
    slide = openslide.OpenSlide(path)
    assert slide.level_dimensions == ((770, 511), (385, 256), (193, 128))
    assert float(slide.properties["openslide.mpp-x"]) == pytest.approx(0.25)
    np.testing.assert_array_equal(np.asarray(slide.read_region((0, 0), 0, (770, 511)))[..., :3], PICTURE)


def test_half_is_the_mean_of_four() -> None:
    small = np.arange(16, dtype=np.uint8).reshape(2, 8, 1).repeat(3, axis=2)
    assert half(small)[0, :, 0].tolist() == [5, 7, 9, 11]  # (0 + 1 + 8 + 9 + 2) // 4, ...


@pytest.mark.parametrize("picture", [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3), np.float32)])
def test_what_is_no_rgb_is_refused(tmp_path: Path, picture: np.ndarray) -> None:
    with pytest.raises(ValueError, match="RGB of 8 bits"):
        write_pyramid(tmp_path / "a.tif", picture, 0.5)
