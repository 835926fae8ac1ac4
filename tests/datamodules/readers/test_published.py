"""A published rescale is applied exactly once, from the table of a set to the pixels of a model."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from torch import Tensor

from medvlm.datamodules.cache import PixelCache
from medvlm.datamodules.readers import read_image
from medvlm.datamodules.readers.published import published_rescale
from medvlm.study import Image, ImageError, ImageRef


def chest(padding: int = -1024) -> np.ndarray:
    """HU of a box of soft tissue with two lungs in air; the corner is outside the field of view."""
    hu = np.full((20, 32, 32), -1000, np.int16)
    hu[:, 6:26, 4:28] = 40
    hu[:, 10:22, 6:14] = hu[:, 10:22, 18:26] = -850
    hu[:, :4, :4] = padding
    return hu


@pytest.mark.parametrize("intercept", [-8192, -1024])
@pytest.mark.parametrize("padding", [-1024, -2000, 0])
def test_stored_numbers_and_hu_both_end_in_hu(intercept: int, padding: int) -> None:
    hu = chest(padding)
    for array in (hu, hu - intercept, (hu - intercept).astype(np.float32)):
        for _ in range(2):  # the second time must change nothing
            image = published_rescale(Image(array, "zyx", "CT", "HU"), 1, intercept)
            np.testing.assert_array_equal(image.array, hu)
            array = image.array


def test_a_slope_other_than_one() -> None:
    hu = chest()
    image = published_rescale(Image((hu + 1024) / 2, "zyx"), 2, -1024)
    np.testing.assert_allclose(image.array.astype(float), hu)
    assert (image.modality, image.unit) == ("CT", "HU")


def test_without_air_the_minimum_decides() -> None:
    tissue = np.array([[[30, 50]]], np.int16)
    assert published_rescale(Image(tissue + 8192, "zyx"), 1, -8192).array.tolist() == tissue.tolist()
    assert published_rescale(Image(tissue - 100, "zyx"), 1, -8192).array.tolist() == [[[-70, -50]]]


def test_what_was_done_is_said() -> None:
    stored = Image(chest() + 8192, "zyx", "CT", "HU", notes=("no value below 0: check that these are HU",))
    assert published_rescale(stored, 1, -8192).notes == (
        "stored numbers: slope 1, intercept -8192 of the set's table applied",
    )
    assert "not applied" in published_rescale(Image(chest(), "zyx"), 1, -8192).notes[0]


@pytest.mark.parametrize(("slope", "intercept"), [(0, -1024), (float("nan"), 0), (1, float("inf"))])
def test_numbers_that_are_no_rescale_are_refused(slope: float, intercept: float) -> None:
    with pytest.raises(ImageError, match="expected numbers"):
        published_rescale(Image(chest(), "zyx"), slope, intercept)
    with pytest.raises(ImageError, match="is MR"):
        published_rescale(Image(chest(), "zyx", "MR"), 1, -1024)


@pytest.mark.parametrize("stored", [True, False])
def test_a_reference_brings_the_rescale_to_the_pixels_once(tmp_path: Path, stored: bool) -> None:
    array = chest() + (8192 if stored else 0)
    path = tmp_path / "valid_1_a_1.nii.gz"
    nib.save(nib.Nifti1Image(array.transpose(2, 1, 0), np.eye(4)), path)
    seen: list[Image] = []

    def pixels(image: Image) -> Tensor:
        seen.append(image)
        return torch.from_numpy(image.array.astype(np.float32))

    cache = PixelCache(pixels, modality="CT")
    tensor = cache(ImageRef(path, volume=True, rescale=(1.0, -8192.0)))
    cache(ImageRef(path, volume=True, rescale=(1.0, -8192.0)))
    assert len(seen) == 1
    np.testing.assert_array_equal(np.sort(tensor.numpy().ravel()), np.sort(chest().ravel()))
    assert (seen[0].notes[-1].endswith("not applied")) is not stored


def test_two_rescales_of_one_file_are_two_entries(tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    nib.save(nib.Nifti1Image(chest().transpose(2, 1, 0) + 8192, np.eye(4)), path)
    cache = PixelCache(lambda image: torch.from_numpy(image.array.astype(np.float32)), modality="CT")
    assert cache.key(ImageRef(path, True, rescale=(1, -8192))) != cache.key(ImageRef(path, True))
    assert read_image(path, modality="CT").array.min() == 8192 - 1024
