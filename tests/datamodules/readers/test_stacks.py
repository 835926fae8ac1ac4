"""Volumes as NumPy files and as folders of numbered pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pil

from medvlm.datamodules.readers import read_image
from medvlm.datamodules.readers.stacks import is_stack, read_numpy, read_stack
from medvlm.study import GeometryError, ImageError


def stack(folder: Path, numbers: list[int], *, suffix: str = "png", size: tuple[int, int] = (4, 6)) -> Path:
    folder.mkdir(exist_ok=True)
    for number in numbers:
        Pil.fromarray(np.full(size, number, np.uint8)).save(folder / f"{number}.{suffix}")
    return folder


def test_slices_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    folder = stack(tmp_path / "s", list(range(8, 12)))
    assert is_stack(folder)
    image = read_stack(folder)
    assert (image.axes, image.unit, image.spacing, image.array.shape) == ("zyx", "display", None, (4, 4, 6))
    assert image.array[:, 0, 0].tolist() == [8, 9, 10, 11]
    assert "not known" in image.notes[0]


def test_pictures_of_three_equal_channels_are_gray_and_colour_is_refused(tmp_path: Path) -> None:
    folder = stack(tmp_path / "s", [0, 1])
    Pil.open(folder / "1.png").convert("RGB").save(folder / "1.png")
    assert read_stack(folder).array.shape == (2, 4, 6)
    Pil.new("RGB", (6, 4), (200, 0, 0)).save(folder / "1.png")
    with pytest.raises(ImageError, match=r"1\.png is in colour"):
        read_stack(folder)


def test_missing_and_double_slices_and_other_sizes_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(GeometryError, match=r"slices 2, 3 are missing \(2 in all\)"):
        read_stack(stack(tmp_path / "gap", [0, 1, 4]))
    stack(tmp_path / "twice", [0, 1])
    with pytest.raises(GeometryError, match="number 1"):
        read_stack(stack(tmp_path / "twice", [1], suffix="jpg"))
    stack(tmp_path / "sizes", [0])
    with pytest.raises(ImageError, match=r"1\.png is \(2, 2\)"):
        read_stack(stack(tmp_path / "sizes", [1], size=(2, 2)))


def test_a_folder_with_anything_else_is_no_stack(tmp_path: Path) -> None:
    folder = stack(tmp_path / "s", [0, 1])
    (folder / ".hidden").touch()
    assert is_stack(folder)
    (folder / "notes.txt").touch()
    assert not is_stack(folder)
    assert not is_stack(stack(tmp_path / "one", [0]))
    (tmp_path / "none").mkdir()
    assert not is_stack(tmp_path / "none")


def test_a_numpy_volume_behind_one_channel(tmp_path: Path) -> None:
    array = np.random.default_rng(0).random((1, 3, 4, 5), dtype=np.float32)
    np.save(tmp_path / "v.npy", array)
    image = read_numpy(tmp_path / "v.npy")
    assert (image.axes, image.unit, image.orientation) == ("zyx", "display", None)
    np.testing.assert_array_equal(image.array, array[0])


@pytest.mark.parametrize("data", [b"", b"\x93NUMPY", b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'shape'"])
def test_a_broken_numpy_file_is_refused_by_name(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "v.npy").write_bytes(data)
    with pytest.raises(ImageError, match=r"v\.npy"):
        read_numpy(tmp_path / "v.npy")


def test_objects_cut_files_and_odd_shapes_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "o.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ImageError, match="no NumPy file of numbers"):
        read_numpy(tmp_path / "o.npy")
    np.save(tmp_path / "c.npy", np.zeros((4, 4, 4)))
    (tmp_path / "c.npy").write_bytes((tmp_path / "c.npy").read_bytes()[:-9])
    with pytest.raises(ImageError, match=r"c\.npy"):
        read_numpy(tmp_path / "c.npy")
    np.save(tmp_path / "d.npy", np.zeros((2, 2, 2, 2, 2)))
    with pytest.raises(ImageError, match="Shape"):
        read_numpy(tmp_path / "d.npy")


def test_read_image_takes_both(tmp_path: Path) -> None:
    assert read_image(stack(tmp_path / "s", [0, 1])).is_volume
    np.save(tmp_path / "v.bin", np.zeros((3, 5, 5), np.float32))
    (tmp_path / "v.bin.npy").rename(tmp_path / "v")
    assert read_image(tmp_path / "v").is_volume
