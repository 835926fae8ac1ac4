"""NRRD and MetaImage: what SimpleITK wrote, headers by hand, what they do not say, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medvlm.datamodules import readers
from medvlm.study import ImageError

sitk: Any = pytest.importorskip("SimpleITK")
read_itk: Any = readers.read_image  # tests look into the pixels of any type
VOXELS = np.arange(24, dtype=np.int16).reshape(2, 3, 4) - 5


def save(path: Path, voxels: Any = VOXELS, direction: Any = (-1, 0, 0, 0, 0, 1, 0, 1, 0), **options: Any) -> Path:
    picture = sitk.GetImageFromArray(voxels, **options)
    if voxels.ndim == 3 and not options:
        picture.SetSpacing((1.0, 2.0, 3.0))
        picture.SetDirection(direction)
    sitk.WriteImage(picture, str(path))
    return path


def by_hand(path: Path, *lines: str) -> Path:
    head = ("type: short", "dimension: 3", "sizes: 4 3 2", "endian: little", "encoding: raw", *lines)
    path.write_bytes("\n".join(("NRRD0004", *head, "", "")).encode() + VOXELS.tobytes())
    return path


@pytest.mark.parametrize("name", ["a.nrrd", "a.nhdr", "a.mha", "a.mhd"])
@pytest.mark.parametrize("kind", [np.int16, np.uint8, np.float32, np.int32, np.float64])
def test_what_simpleitk_wrote_comes_back(tmp_path: Path, name: str, kind: Any) -> None:
    path = save(tmp_path / name, VOXELS.clip(0).astype(kind))
    image = read_itk(path.rename(tmp_path / "no_suffix"), modality="MR")
    np.testing.assert_array_equal(image.array, VOXELS.clip(0))
    assert (image.orientation, image.spacing, image.unit) == ("PSR", (3.0, 2.0, 1.0), "stored")
    assert image.array.dtype.itemsize <= 4


@pytest.mark.parametrize(
    ("space", "letters"),
    [("left-posterior-superior", "SPL"), ("right-anterior-superior", "SAR"), ("LAS", "SAL"), ("scanner-xyz", None)],
)
def test_spaces_of_nrrd(tmp_path: Path, space: str, letters: str | None) -> None:
    image = read_itk(by_hand(tmp_path / "a", f"space: {space}", "space directions: (1,0,0) (0,1,0) (0,0,2)"))
    assert (image.orientation, image.spacing) == (letters, (2.0, 1.0, 1.0))


def test_what_a_header_does_not_say_is_not_made_up(tmp_path: Path) -> None:
    image = read_itk(by_hand(tmp_path / "a"))
    assert (image.orientation, image.spacing) == (None, None)
    assert "does not say how it lies" in image.notes[0]


def test_a_code_that_contradicts_the_matrix_is_noted(tmp_path: Path) -> None:
    path = save(tmp_path / "a.mha", direction=(1, 0, 0, 0, 1, 0, 0, 0, 1))
    path.write_bytes(path.read_bytes().replace(b"Orientation = RAI", b"Orientation = LAI"))
    image = read_itk(path)
    assert image.orientation == "SPL"
    assert image.notes == ("AnatomicalOrientation says LAI, the matrix says LPS: the matrix is used",)


def test_components_and_four_dimensions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="3 components a voxel"):
        read_itk(save(tmp_path / "a.mha", np.zeros((2, 4, 4, 3), np.uint8), isVector=True))
    with pytest.raises(ImageError, match="shape 2x2x2x3; expected one 3-D volume"):
        read_itk(save(tmp_path / "b.nrrd", np.zeros((3, 2, 2, 2), np.uint8), isVector=False))


def test_truncated_and_oversized(tmp_path: Path) -> None:
    path = save(tmp_path / "a.mha")
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(ImageError, match=r"a\.mha: a broken MetaImage file"):
        read_itk(path)
    bomb = by_hand(tmp_path / "b")
    bomb.write_bytes(bomb.read_bytes().replace(b"sizes: 4 3 2", b"sizes: 40000 30000 20000"))
    with pytest.raises(ImageError, match="the limit is"):
        read_itk(bomb)


@pytest.mark.parametrize("place", ["/etc/passwd", "../a.raw", "LIST", "slice%03d.raw"])
def test_voxels_elsewhere_are_not_fetched(tmp_path: Path, place: str) -> None:
    with pytest.raises(ImageError, match="its voxels lie in"):
        read_itk(by_hand(tmp_path / "a", f"data file: {place}"))


def test_ct_by_the_header_of_a_metaimage_or_a_sidecar(tmp_path: Path) -> None:
    path = save(tmp_path / "a.mha")
    path.write_bytes(path.read_bytes().replace(b"NDims = 3", b"NDims = 3\nModality = MET_MOD_CT"))
    assert (read_itk(path).modality, read_itk(path).unit) == ("CT", "HU")
    (tmp_path / "b.json").write_text('{"Modality": "CT"}')
    assert read_itk(save(tmp_path / "b.nrrd")).unit == "HU"
