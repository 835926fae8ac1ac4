"""Whole slides: against OpenSlide, Pillow and hand numbers, on the real slide and on written ones."""

from __future__ import annotations

import os
import resource
import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image as Pil
from PIL import ImageCms

from medvlm.datamodules.cache import PixelCache
from medvlm.datamodules.phantoms.pyramid import TILE, _directory, _entries, _tiles, write_pyramid
from medvlm.datamodules.readers import read_image, slide_file
from medvlm.datamodules.readers.slide import read_slide, read_thumbnail, slide_refs
from medvlm.datamodules.readers.slide_file import read_region
from medvlm.study import ImageError, ImageRef, Region

openslide: Any = pytest.importorskip("openslide", reason="no openslide: pip install 'medvlm[wsi]'")


@pytest.fixture
def real(data: Path) -> Path:
    return data / "pathology" / "cmu_small_region.svs"


def _picture(height: int = 700, width: int = 1000) -> NDArray[np.uint8]:
    """Pink tissue on the left, glass on the right; every pixel of the tissue tells where it is."""
    picture = np.full((height, width, 3), 245, np.uint8)
    rows, columns = np.mgrid[:height, : width // 2]
    picture[:, : width // 2] = np.stack([200 + 0 * rows, 80 + rows % 60, 140 + columns % 90], axis=-1)
    return picture


@pytest.fixture
def written(tmp_path: Path) -> Path:
    write_pyramid(tmp_path / "a.tif", _picture(), 0.5)
    return tmp_path / "a.tif"


def test_level_0_region_is_what_openslide_reads(real: Path) -> None:
    image = read_region(real, Region((100, 2000, 612, 2256), (256, 512)))
    wanted = np.asarray(openslide.OpenSlide(real).read_region((100, 2000), 0, (512, 256)).convert("RGB"))
    np.testing.assert_array_equal(image.array, wanted)
    assert (image.modality, image.axes, image.unit) == ("SM", "yxc", "display")
    assert image.spacing == pytest.approx((0.000499, 0.000499))


def test_thumbnail_says_its_resolution_and_how_to_get_tiles(real: Path) -> None:
    image = read_image(real)
    assert max(image.array.shape) == 1024
    assert image.spacing == pytest.approx((0.000499 * 2967 / 1024,) * 2, rel=1e-3)
    assert "1.45 microns per pixel" in image.notes[0]
    assert "35 tiles" in image.notes[0]  # 1107.8 by 1480.5 microns: 5 by 7 tiles of 224
    assert "read_slide" in image.notes[0]


def test_thumbnail_is_pillows_reduction_of_level_0(real: Path) -> None:
    whole = openslide.OpenSlide(real).read_region((0, 0), 0, (2220, 2967)).convert("RGB")
    wanted = np.asarray(whole.resize((766, 1024), Pil.Resampling.BOX)).astype(float)
    assert np.abs(read_thumbnail(real).array - wanted).mean() < 3


def test_tiles_lie_where_their_boxes_say(real: Path) -> None:
    slide = read_slide(real, tiles=6, mpp=1.0, size=224)
    handle = openslide.OpenSlide(real)
    assert len(slide.tiles) == 6
    for tile in slide.tiles:
        x0, y0, x1, y1 = tile.box
        assert x1 - x0 == y1 - y0 == round(224 / 0.499)
        assert tile.tissue >= 0.5
        level0 = handle.read_region((x0, y0), 0, (x1 - x0, y1 - y0)).convert("RGB")
        wanted = np.asarray(level0.resize((224, 224), Pil.Resampling.BICUBIC))
        np.testing.assert_array_equal(tile.image.array, wanted)
        assert tile.image.spacing == pytest.approx((0.001, 0.001), rel=2e-3)


def test_the_same_seed_gives_the_same_tiles(real: Path) -> None:
    one, two, other = (
        [ref.region for ref in slide_refs(real, tiles=5, mpp=1, size=100, seed=seed)] for seed in (1, 1, 2)
    )
    assert one == two
    assert one != other


def test_tiles_hold_tissue_and_no_glass(written: Path) -> None:
    slide = read_slide(written, tiles=100, size=100)
    assert {tile.box[0] for tile in slide.tiles} <= {0, 100, 200, 300, 400}
    assert len(slide.tiles) == 5 * 7
    assert slide.notes[-1] == "35 tiles hold tissue, 100 were asked for"


def test_colours_of_a_pyramid_are_exact(written: Path) -> None:
    image = read_region(written, Region((300, 200, 364, 264), (64, 64)))
    np.testing.assert_array_equal(image.array, _picture()[200:264, 300:364])


def test_a_coarse_level_is_read_and_not_the_finest(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slide_file, "MAX_PIXELS", 500 * 350)
    assert read_thumbnail(written, longest=500).array.shape == (350, 500, 3)
    with pytest.raises(ImageError, match=r"the limit is 175,000.*more levels"):
        read_thumbnail(written, longest=1000)


def test_a_slide_without_resolution_is_refused_until_it_is_given(tmp_path: Path) -> None:
    write_pyramid(tmp_path / "a.tif", _picture(), None)
    with pytest.raises(ImageError, match=r"does not say its microns per pixel.*slide_mpp=0\.25"):
        read_image(tmp_path / "a.tif")
    slide = read_slide(tmp_path / "a.tif", tiles=1, size=100, mpp=1, slide_mpp=0.5)
    x0, _, x1, _ = slide.tiles[0].box
    assert (x1 - x0, slide.slide_mpp) == (200, (0.5, 0.5))
    assert slide.tiles[0].image.spacing == pytest.approx((0.001, 0.001))


def test_what_lies_beside_the_slide_is_white(written: Path) -> None:
    image = read_region(written, Region((-100, -100, 100, 100), (200, 200)))
    assert (image.array[:100] == 255).all()
    np.testing.assert_array_equal(image.array[100:, 100:], _picture()[:100, :100])


def test_icc_colours_become_srgb(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))  # not for RGB: it cannot be used
    write_pyramid(tmp_path / "lab.tif", _picture(), 0.5, icc=profile.tobytes())
    assert "cannot be used" in read_thumbnail(tmp_path / "lab.tif").notes[1]


def test_icc_colours_equal_pillows(data: Path) -> None:
    path = data / "dicom_highdicom" / "sm_image_numbers.dcm"
    slide = openslide.OpenSlide(path)
    raw = slide.read_region((0, 0), 0, (50, 50)).convert("RGB")
    wanted: Any = ImageCms.profileToProfile(raw, slide.color_profile, ImageCms.createProfile("sRGB"))
    image = read_image(path)
    np.testing.assert_array_equal(image.array, np.asarray(wanted))
    assert image.notes[1] == "colours are sRGB by the slide's ICC profile"


def test_a_profile_with_red_and_green_exchanged_exchanges_them(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    turned = profile.replace(b"rXYZ", b"????").replace(b"gXYZ", b"rXYZ").replace(b"????", b"gXYZ")
    write_pyramid(tmp_path / "a.tif", np.full((64, 64, 3), (200, 40, 90), np.uint8), 0.5, icc=turned)
    image = read_region(tmp_path / "a.tif", Region((0, 0, 64, 64), (64, 64)))
    assert np.abs(image.array.astype(int) - (40, 200, 90)).max() <= 2


def test_a_dicom_slide_that_openslide_cannot_read_is_given_as_frames(data: Path) -> None:
    image = read_image(data / "dicom_highdicom" / "sm_image_jpegls.dcm")
    assert image.array.shape == (25, 10, 10, 3)
    assert "not put together: " in image.notes[-1]


def test_a_label_photograph_of_a_dicom_slide_is_refused(data: Path, tmp_path: Path) -> None:
    from pydicom import dcmread

    file = dcmread(data / "dicom_highdicom" / "sm_image.dcm")
    file.ImageType = ["ORIGINAL", "PRIMARY", "LABEL", "NONE"]
    file.save_as(tmp_path / "label.dcm")
    with pytest.raises(ImageError, match="may show"):
        read_image(tmp_path / "label.dcm")


def test_label_and_overview_are_never_read(real: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: object) -> None:
        raise AssertionError("a photograph of the label was asked for")

    monkeypatch.setattr(openslide.OpenSlide, "associated_images", property(refuse))
    slide = read_slide(real, tiles=3, size=64)
    assert len(slide.tiles) == 3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"mpp": 0.25}, "finer than that is not in it; give mpp=0.499"),
        ({"tiles": 0}, "expected 1 or more"),
        ({"min_tissue": 2}, "0 to 1"),
        ({"slide_mpp": -1}, "expected microns per pixel"),
    ],
)
def test_bad_wishes_are_refused(real: Path, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ImageError, match=words):
        read_slide(real, **options)


def test_a_blank_slide_is_refused(tmp_path: Path) -> None:
    write_pyramid(tmp_path / "a.tif", np.full((600, 600, 3), 244, np.uint8), 0.5)
    with pytest.raises(ImageError, match="is the slide blank"):
        read_slide(tmp_path / "a.tif")


def test_a_tiff_picture_is_no_slide(tmp_path: Path) -> None:
    Pil.new("RGB", (64, 64)).save(tmp_path / "a.tif")
    assert read_image(tmp_path / "a.tif").modality == "OT"


def test_a_slide_that_was_cut_off_names_its_file(real: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.svs").write_bytes(real.read_bytes()[:900_000])
    with pytest.raises(ImageError, match=r"cut\.svs"):
        read_slide(tmp_path / "cut.svs")


def test_regions_are_of_slides_only(tmp_path: Path) -> None:
    Pil.new("L", (64, 64)).save(tmp_path / "a.png")
    with pytest.raises(ImageError, match="only whole slides have regions"):
        read_image(tmp_path / "a.png", region=Region((0, 0, 8, 8), (8, 8)))


def test_a_sample_shows_thumbnail_and_tiles_through_the_cache(written: Path) -> None:
    refs = slide_refs(written, tiles=3, size=64)
    cache = PixelCache(lambda image: torch.from_numpy(np.array(image.array)))
    pixels = [cache(ref) for ref in refs]
    slide = read_slide(written, tiles=3, size=64)
    np.testing.assert_array_equal(pixels[0], slide.thumbnail.array)
    for tensor, tile in zip(pixels[1:], slide.tiles, strict=True):
        np.testing.assert_array_equal(tensor, tile.image.array)
    assert len({cache.key(ref) for ref in (*refs, ImageRef(written))}) == 5


def test_a_forked_worker_opens_the_slide_itself(real: Path) -> None:
    parent = read_region(real, Region((886, 2098, 950, 2162), (64, 64))).array
    child = os.fork()
    if child == 0:
        before = slide_file._handle.cache_info().misses
        same = np.array_equal(read_region(real, Region((886, 2098, 950, 2162), (64, 64))).array, parent)
        os._exit(0 if same and slide_file._handle.cache_info().misses == before + 1 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_folder_of_a_dicom_slide_is_read(data: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("none")
    shutil.copy(data / "dicom_highdicom" / "sm_image_numbers.dcm", tmp_path / "one.dcm")
    assert read_thumbnail(tmp_path).array.shape == (50, 50, 3)
    assert "a slide of 50 x 50 pixels" in read_image(tmp_path).notes[0]
    shutil.copy(data / "dicom_highdicom" / "sm_image_dots.dcm", tmp_path / "two.dcm")
    with pytest.raises(ImageError, match="holds 2 slides"):
        read_thumbnail(tmp_path)
    (tmp_path / "two.dcm").unlink()
    (tmp_path / "one.dcm").unlink()
    with pytest.raises(ImageError, match="no file in it is a whole slide"):
        read_thumbnail(tmp_path)


def _write_huge(path: Path, sides: list[tuple[int, int]]) -> None:
    """A pyramid of any size in a small file: all tiles of a level are one and the same."""
    tile = next(_tiles(np.tile(np.array([[[205, 120, 170]]], np.uint8), (TILE, TILE, 1))))
    picture = np.zeros((1, 1, 3), np.uint8)
    with path.open("wb") as file:
        file.write(b"II*\0" + struct.pack("<L", 8 + len(tile)) + tile)
        for level, (width, height) in enumerate(sides):
            count = -(-width // TILE) * -(-height // TILE)
            entries = _entries(picture, [8] * count, [len(tile)] * count, 0, 0.25, "", b"")
            entries |= {254: (4, [int(level > 0)]), 256: (4, [width]), 257: (4, [height])}
            start = file.tell()
            directory, end = _directory(start, entries)
            place = start + len(directory) if level < len(sides) - 1 else 0
            file.write(directory[: end - start] + struct.pack("<L", place) + directory[end - start + 4 :])


def test_a_gigapixel_slide_takes_little_memory(tmp_path: Path) -> None:
    """Ten gigapixels are 40 GB as RGBA; what is read is a few levels' tiles."""
    _write_huge(tmp_path / "huge.tif", [(120_000, 84_000), (30_000, 21_000), (7_500, 5_250), (1_875, 1_313)])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    slide = read_slide(tmp_path / "huge.tif", tiles=8)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert slide.size == (120_000, 84_000)
    assert slide.thumbnail.array.shape == (717, 1024, 3)
    assert all(tile.image.array.shape == (448, 448, 3) for tile in slide.tiles)
    assert grown < 400_000  # kilobytes


def test_a_gigapixel_slide_without_levels_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    _write_huge(tmp_path / "flat.tif", [(120_000, 84_000)])
    with pytest.raises(ImageError, match="write it with more levels"):
        read_slide(tmp_path / "flat.tif")
    tile = read_region(tmp_path / "flat.tif", Region((90_000, 50_000, 90_896, 50_896), (448, 448)))
    assert np.abs(tile.array.astype(int) - (205, 120, 170)).max() <= 1
