"""Resampling against MONAI, SimpleITK, torch's antialiasing and hand numbers; memory as promised."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from medvlm.resampling import resample, resample_window, resampled_shape
from medvlm.study import Image, RecipeMismatch


def volume(shape: tuple[int, int, int] = (7, 9, 8), spacing: Any = (1.5, 0.7, 0.6)) -> Image:
    values = np.random.default_rng(0).integers(-1024, 3071, shape).astype(np.int16)
    return Image(values, "zyx", modality="CT", unit="HU", spacing=spacing, orientation="SPL")


def numbers(image: Image) -> NDArray[Any]:
    return np.asarray(image.array)


@pytest.mark.parametrize("spacing", [(2.0, 1.0, 1.0), (0.4, 0.7, 0.35), (1.5, 1.3, 0.6), (2.9, 0.5, 1.19)])
def test_it_is_monais_spacing_on_the_same_grid(spacing: Any) -> None:
    import torch
    from monai.data.meta_tensor import MetaTensor
    from monai.transforms import Spacing  # type: ignore[attr-defined]

    image = volume()
    affine = torch.diag(torch.tensor([1.5, 0.7, 0.6, 1.0], dtype=torch.float64))
    theirs = Spacing(pixdim=spacing, mode="bilinear", padding_mode="border")(
        MetaTensor(torch.from_numpy(numbers(image)[None].astype(np.float32)), affine=affine)
    )
    np.testing.assert_allclose(numbers(resample(image, spacing)), theirs[0].numpy(), atol=2e-3, rtol=0)


def test_it_is_simpleitks_linear_on_the_same_grid() -> None:
    import SimpleITK as sitk  # noqa: N813

    image, spacing = volume((20, 24, 30)), (2.0, 1.0, 1.0)
    theirs: Any = sitk.GetImageFromArray(numbers(image).astype(np.float32))
    theirs.SetSpacing((0.6, 0.7, 1.5))
    ours = numbers(resample(image, spacing))
    theirs = sitk.Resample(theirs, ours.shape[::-1], sitk.Transform(), sitk.sitkLinear, (0, 0, 0), (1, 1, 2))
    inner = (slice(None, 14), slice(None, 16), slice(None, 17))  # SimpleITK makes 0 of what lies beyond the end
    np.testing.assert_allclose(ours[inner], sitk.GetArrayFromImage(theirs)[inner], atol=2e-3, rtol=0)


@pytest.mark.parametrize("factor", [2, 3, 5])
def test_a_large_factor_averages_as_torch_does(factor: int) -> None:
    import torch

    ramp = np.random.default_rng(1).normal(size=(1, 1, 1, 12 * factor)).astype(np.float32)
    padded = torch.from_numpy(np.pad(ramp, [(0, 0)] * 3 + [(factor, factor)]))
    image = Image(padded[0].numpy(), "zyx", spacing=(1.0, 1.0, 1.0))
    ours = numbers(resample(image, (1.0, 1.0, float(factor))))[0, 0]
    count = padded.shape[-1]  # torch's grid: centres at (i + 0.5) * factor - 0.5; moved by padding for odd factors
    shift = (factor - 1) // 2
    if factor % 2:
        moved = torch.nn.functional.pad(padded, (shift, 0))[..., :count]
        theirs = torch.nn.functional.interpolate(moved, (1, count // factor), mode="bilinear", antialias=True)
        np.testing.assert_allclose(ours[2:-2], theirs[0, 0, 0, 2 : len(ours) - 2], atol=1e-5)
    else:
        values = padded[0, 0, 0].numpy()
        by_hand = [(values[2 * i - 1] + 2 * values[2 * i] + values[2 * i + 1]) / 4 for i in range(2, len(ours) - 2)]
        np.testing.assert_allclose(ours[2:-2], by_hand, atol=1e-5)


def test_the_first_voxel_stays_and_steps_are_exact() -> None:
    x = np.arange(11, dtype=np.float32) * 0.7
    image = Image(np.broadcast_to(x, (1, 2, 11)), "zyx", spacing=(1.0, 1.0, 0.7))
    result = resample(image, (1.0, 1.0, 1.0))
    np.testing.assert_allclose(numbers(result)[0, 0], np.arange(8), atol=1e-6)
    assert result.spacing == (1.0, 1.0, 1.0)


def test_a_window_on_the_way_is_the_window_afterwards() -> None:
    image = volume((6, 12, 10))
    whole = numbers(resample(image, (1.0, 1.0, 1.0)))
    shown = resample_window(image, (1.0, 1.0, 1.0), (-160.0, 239.0))
    np.testing.assert_allclose(shown, np.clip((whole + 160) / 399, 0, 1), atol=1e-5)
    assert shown.min() == 0
    assert shown.max() == 1


def test_single_planes_are_those_of_the_whole() -> None:
    image = volume()
    whole, some = numbers(resample(image, (0.5, 1.0, 1.0))), [17, 2, 3]
    np.testing.assert_array_equal(resample(image, (0.5, 1.0, 1.0), planes=some).array, whole[some])


def test_views_and_small_volumes() -> None:
    image = volume()
    turned = Image(numbers(image).transpose(2, 0, 1)[:, ::-1], "zyx", spacing=(0.6, 1.5, 0.7))
    result = numbers(resample(turned, (1.0, 1.5, 1.0)))
    straight = numbers(resample(image, (1.5, 1.0, 1.0)))
    np.testing.assert_allclose(result[:, ::-1].transpose(1, 2, 0), straight, atol=2e-3)
    one = Image(np.full((1, 1, 1), 7, np.int16), "zyx", spacing=(5.0, 1.0, 1.0))
    assert numbers(resample(one, (1.0, 0.2, 3.0))).tolist() == [[[7.0]]]
    assert resample(image, (1.5, 0.7, 0.6)) is image
    assert numbers(resample(image, (1.5, 0.7, 0.6), planes=[4, 4])).shape == (2, 9, 8)


def test_memory_is_the_result_and_one_slab() -> None:
    image = Image(np.zeros((60, 256, 256), np.int16), "zyx", spacing=(1.5, 0.7, 0.7))
    resample_window(image, (2.0, 1.0, 1.0), (0, 1))  # imports
    tracemalloc.start()
    result = resample_window(image, (2.0, 1.0, 1.0), (-1024, 1024))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.3 * result.nbytes + 4 * 256 * 256


@pytest.mark.parametrize(
    ("image", "spacing", "words"),
    [
        (Image(np.zeros((2, 2, 2)), "zyx"), (1.0, 1.0, 1.0), "Spacing is unknown"),
        (Image(np.zeros((2, 2)), "yx", spacing=(1.0, 1.0)), (1.0, 1.0, 1.0), "expected a zyx volume"),
        (volume(), (1.0, 0.0, 1.0), "above 0"),
    ],
)
def test_what_cannot_be_resampled(image: Image, spacing: Any, words: str) -> None:
    with pytest.raises(RecipeMismatch, match=words):
        resampled_shape(image, spacing)
    with pytest.raises(RecipeMismatch, match="expected a value for white"):
        resample_window(volume(), (1.0, 1.0, 1.0), (5, 5))
