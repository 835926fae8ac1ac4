"""Recipes, against numbers by hand and properties that any right one has."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from medvlm.intensity import IntensityRecipe, choose_recipe
from medvlm.orientation import as_displayed, letters_of, to_orientation
from medvlm.recipes import DEFAULT_RECIPES, RECIPES, default_recipes
from medvlm.study import GeometryError, Image, RecipeMismatch
from medvlm.windowing import even_slices, window_limits


def _exact(name: str, *size: int, **update: Any) -> IntensityRecipe:
    return RECIPES[name].model_copy(update={"size": size, **update})


def test_three_windows_of_an_hu_ramp_by_hand() -> None:
    ramp = Image(np.array([[-1350, -600, 40, 149]], np.int16), "yx", modality="CT", unit="HU")
    lung, mediastinum, bone = _exact("ct_chest", 1, 4).apply(ramp)[:, 0]
    # PS3.3 C.11.2.1.2.1: (x - (center - 0.5)) / (width - 1) + 0.5
    np.testing.assert_allclose(lung, [0, (-600 + 600.5) / 1499 + 0.5, 1389.5 / 1499.0 + 0.5 / 1499, 1], atol=1e-6)
    np.testing.assert_allclose(mediastinum, [0, 0, 0.5 / 399 + 0.5, 109.5 / 399 + 0.5], atol=1e-6)
    np.testing.assert_allclose(bone, [0, 0, -259.5 / 1499 + 0.5, -150.5 / 1499 + 0.5], atol=1e-6)


def test_a_window_matches_pydicoms() -> None:
    from pydicom import Dataset
    from pydicom.pixels.processing import apply_windowing

    dataset = Dataset()
    dataset.WindowCenter, dataset.WindowWidth, dataset.PhotometricInterpretation = 300, 1200, "MONOCHROME2"
    dataset.BitsStored, dataset.PixelRepresentation = 12, 0
    values = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    image = Image(values, "yx", modality="CR", unit="stored", windows=((300, 1200),))
    expected = apply_windowing(values, dataset) / 4095
    np.testing.assert_allclose(_exact("cxr", 64, 64).apply(image)[2], expected, atol=1e-6)


def test_a_window_of_width_one_is_a_threshold() -> None:
    image = Image(np.array([[9, 10, 11]], np.int16), "yx", modality="CR", unit="stored", windows=((10.5, 1),))
    assert _exact("cxr", 1, 3).apply(image)[0].tolist() == [[0, 0, 1]]


def test_inversion_comes_after_the_window() -> None:
    image = Image(np.array([[0, 100]], np.int16), "yx", modality="CR", unit="stored", windows=((50.5, 101),))
    assert _exact("cxr", 1, 2).apply(image)[0].tolist() == [[0, 1]]
    assert _exact("cxr", 1, 2).apply(replace(image, inverted=True))[0].tolist() == [[1, 0]]


def test_percentiles_are_used_only_without_a_window_and_are_told() -> None:
    values = np.arange(1001, dtype=np.uint16).reshape(7, 143)
    image = Image(values, "yx", modality="DX", unit="stored")
    recipe = _exact("cxr", 7, 143)
    np.testing.assert_allclose(recipe.apply(image)[0], np.clip((values - 5.0) / 990, 0, 1), atol=1e-6)
    assert "percentiles 0.5 and 99.5" in recipe.explain(image)[0]
    assert recipe.explain(replace(image, windows=((500, 1000),))) == ()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_display_values_span_their_type(dtype: Any) -> None:
    top = np.iinfo(dtype).max
    image = Image(np.array([[[0, top // 2, top]]], dtype), "yxc", modality="SM")
    np.testing.assert_allclose(_exact("photo", 1, 1).apply(image)[:, 0, 0], [0, 0.5, 1], atol=0.003)


def test_sixteen_bits_show_what_eight_show() -> None:
    eight = np.random.default_rng(0).integers(0, 256, (9, 9), np.uint8)
    deep = Image(eight.astype(np.uint16) * 257, "yx", modality="US")
    np.testing.assert_allclose(
        _exact("photo", 9, 9).apply(deep), _exact("photo", 9, 9).apply(Image(eight, "yx", "US")), atol=1e-6
    )


@pytest.mark.parametrize("resize", ["squash", "pad"])
@pytest.mark.parametrize("shape", [(64, 64), (100, 40), (30, 200), (7, 5), (1, 1)])
def test_any_shape_comes_to_size_within_bounds(shape: tuple[int, int], resize: str) -> None:
    image = Image(np.random.default_rng(0).integers(0, 256, shape, np.uint8), "yx", "US")
    pixels = _exact("photo", 32, 48, resize=resize).apply(image)
    assert pixels.shape == (3, 32, 48)
    assert pixels.dtype == np.float32
    assert pixels.min() >= 0
    assert pixels.max() <= 1


def test_shrinking_averages_and_so_does_not_alias() -> None:
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, ::2] = 254
    pixels = _exact("photo", 16, 64).apply(Image(stripes, "yx", "US"))
    np.testing.assert_allclose(np.unique(pixels[0]), [0, 254 / 255])  # across the stripes nothing shrank
    np.testing.assert_allclose(_exact("photo", 16, 16).apply(Image(stripes, "yx", "US")), 127 / 255, atol=1e-6)


def test_padding_keeps_millimetres_square() -> None:
    image = Image(np.full((10, 40), 255, np.uint8), "yx", "US", spacing=(2.0, 1.0))  # 20 mm x 40 mm
    pixels = _exact("photo", 40, 40, resize="pad").apply(image)[0]
    assert pixels[10:30].min() == 1
    assert (pixels[:10].max(), pixels[30:].max()) == (0, 0)


def test_crop_keeps_the_centre() -> None:
    image = Image(np.arange(100, dtype=np.uint8).reshape(10, 10), "yx", "US")
    pixels = _exact("photo", 2, 12, resize="crop").apply(image)[0] * 255
    np.testing.assert_allclose(pixels, np.pad(image.array[4:6].astype(float), [(0, 0), (1, 1)]), atol=1e-4)


def _volume(**fields: Any) -> Image:
    array = np.arange(4 * 3 * 2, dtype=np.int16).reshape(4, 3, 2) * 10
    return Image(array, "zyx", **{"modality": "CT", "unit": "HU", "orientation": "SPL", **fields})


def test_a_volume_is_slices_of_three_channels() -> None:
    pixels = _exact("ct_bone", 3, 2, slices=2).apply(_volume())
    assert pixels.shape == (2, 3, 3, 2)
    whole = _exact("ct_bone", 3, 2).apply(_volume())
    np.testing.assert_array_equal(pixels, whole[[1, 3]])


def test_even_slices_repeat_when_there_are_too_few() -> None:
    assert even_slices(3, 6).tolist() == [0, 0, 1, 1, 2, 2]
    assert even_slices(1, 2).tolist() == [0, 0]


@pytest.mark.parametrize("letters", ["IPL", "SAR", "LIP", "AIR", "PSL"])
def test_the_view_does_not_depend_on_how_the_volume_was_stored(letters: str) -> None:
    volume = _volume(spacing=(5.0, 2.0, 1.0))
    recipe = _exact("ct_chest", 6, 6, slices=4)
    np.testing.assert_array_equal(recipe.apply(to_orientation(volume, letters)), recipe.apply(volume))


def test_a_plane_is_shown_in_the_same_view() -> None:
    plane = Image(np.array([[0, 50], [100, 150]], np.int16), "yx", modality="CT", unit="HU", orientation="PL")
    recipe = _exact("ct_chest", 2, 2)
    np.testing.assert_array_equal(recipe.apply(to_orientation(plane, "AR")), recipe.apply(plane))


def test_there_and_back_is_the_same_volume() -> None:
    volume = _volume(spacing=(5.0, 2.0, 1.0))
    back = to_orientation(to_orientation(volume, "AIR"), "SPL")
    np.testing.assert_array_equal(back.array, volume.array)
    assert to_orientation(volume, "AIR").spacing == (2.0, 5.0, 1.0)


def test_usual_views() -> None:
    assert [as_displayed(x) for x in ("IAR", "PSR", "RSA")] == ["SPL", "PIL", "LIP"]


def test_letters_need_three_axes() -> None:
    assert letters_of([(0, 0, 1), (0, 1, 0), (1, 0, 0)]) == "SPL"
    assert letters_of([(0, 0.8, 0.6), (0, 1, 0)]) is None
    with pytest.raises(ValueError, match="one of each pair"):
        to_orientation(_volume(), "SIL")
    with pytest.raises(GeometryError, match="unknown"):
        to_orientation(_volume(orientation=None), "SPL")


def test_resampling_to_millimetres() -> None:
    z = np.broadcast_to(np.arange(8, dtype=np.float32)[:, None, None] * 100, (8, 4, 4))
    volume = Image(z, "zyx", modality="CT", unit="HU", orientation="SPL", spacing=(2.0, 1.0, 1.0))
    recipe = _exact("ct_bone", 4, 4, spacing=(4.0, 1.0, 1.0), resize="crop")
    low, high = window_limits(600, 2800)
    middle = recipe.apply(volume)[1:3, 0, 0, 0] * (high - low) + low
    np.testing.assert_allclose(middle, [200, 400], atol=0.01)  # around slices 2 and 4: the first one stays in place


@pytest.mark.parametrize(
    ("given", "unit", "kept"),
    [((1, 2), "index", [1, 2]), ((0, 0), "index", [0]), ((1.5, 99), "index", [2, 3]), ((5, 10), "mm", [1, 2]),
     ((0, 4.9), "mm", [0]), ((10.1, 15), "mm", [3])],
)  # fmt: skip
def test_slices_by_range(given: Any, unit: Any, kept: list[int]) -> None:
    volume = _volume(spacing=(5.0, 1.0, 1.0))
    pixels = _exact("ct_bone", 3, 2, slice_range=given, slice_range_in=unit).apply(volume)
    np.testing.assert_array_equal(pixels, _exact("ct_bone", 3, 2).apply(volume)[kept])


def test_a_range_is_counted_in_the_view_after_resampling_and_thinned_evenly() -> None:
    volume = _volume(spacing=(6.0, 1.0, 1.0))
    update: dict[str, Any] = {"spacing": (2.0, 1.0, 1.0), "slice_range": (4, 20), "slice_range_in": "mm"}
    whole = _exact("ct_bone", 3, 2, spacing=(2.0, 1.0, 1.0)).apply(volume)
    np.testing.assert_array_equal(_exact("ct_bone", 3, 2, **update).apply(volume), whole[2:11])
    flipped = to_orientation(volume, "IPL")
    np.testing.assert_array_equal(_exact("ct_bone", 3, 2, **update, slices=3).apply(flipped), whole[[3, 6, 8]])


def test_a_range_that_holds_no_slice_or_cannot_be_measured_is_refused() -> None:
    with pytest.raises(RecipeMismatch, match=r"no slice lies between 7 and 9 \(index\), there are 4"):
        _exact("ct_bone", 3, 2, slice_range=(7, 9)).apply(_volume())
    with pytest.raises(RecipeMismatch, match="distances between slices are unknown"):
        _exact("ct_bone", 3, 2, slice_range=(0, 9), slice_range_in="mm").apply(_volume())


def test_every_reason_is_named() -> None:
    image = Image(np.zeros((2, 2, 3), np.uint8), "yxc", modality="MR", unit="stored")
    with pytest.raises(RecipeMismatch) as error:
        RECIPES["ct_chest"].apply(image)
    for reason in ("modality is MR", "axes are yxc", "unit 'stored'"):
        assert reason in str(error.value)


def test_hu_volumes_of_unknown_orientation_are_refused() -> None:
    with pytest.raises(RecipeMismatch, match="orientation in the patient is unknown"):
        RECIPES["ct_chest"].apply(_volume(orientation=None))


def test_resampling_needs_a_spacing() -> None:
    with pytest.raises(RecipeMismatch, match="spacing is unknown"):
        _exact("ct_chest", 4, 4, spacing=(1.0, 1.0, 1.0)).apply(_volume())


@pytest.mark.parametrize(
    ("modality", "unit", "axes", "name"),
    [
        ("CR", "stored", "yx", "cxr"), ("DX", "display", "yx", "cxr"), ("OT", "display", "yx", "cxr"),
        ("CT", "HU", "yx", "ct"), ("CT", "HU", "zyx", "ct"), ("MR", "stored", "zyx", "mr"),
        ("MR", "stored", "yx", "mr"), ("PT", "stored", "zyx", "nuclear"), ("XA", "stored", "tyx", "xray"),
        ("US", "display", "tyxc", "photo"), ("SM", "display", "yxc", "photo"), ("CT", "display", "yxc", "photo"),
    ],
)  # fmt: skip
def test_a_general_model_takes_every_modality(modality: str, unit: Any, axes: str, name: str) -> None:
    shape = {"z": 4, "t": 5, "y": 6, "x": 7, "c": 3}
    orientation = {"zyx": "SPL"}.get(axes)
    image = Image(np.zeros([shape[a] for a in axes], np.uint8), axes, modality, unit, orientation=orientation)
    recipe = choose_recipe(image, DEFAULT_RECIPES)
    assert recipe.name == name
    assert np.isfinite(recipe.apply(image)).all()


def test_no_recipe_fits_names_each_ones_reasons() -> None:
    with pytest.raises(RecipeMismatch) as error:
        choose_recipe(Image(np.zeros((4, 4, 4), np.int16), "zyx", unit="stored"), DEFAULT_RECIPES)
    assert all(f"  {recipe.name}: " in str(error.value) for recipe in DEFAULT_RECIPES)
    assert "modality='CT'" in str(error.value)


def test_recipes_survive_their_json() -> None:
    for recipe in (*RECIPES.values(), *default_recipes((64, 64), None)):
        assert IntensityRecipe.model_validate_json(recipe.model_dump_json()) == recipe


@pytest.mark.parametrize(
    "wrong",
    [
        {"windows": ((0, 1), (0, 1))}, {"windows": ((0, 0.5),)}, {"size": (0, 4)}, {"percentiles": (5, 5)},
        {"slice_range": (3, 2)}, {"levels": 1}, {"zscore": 0}, {"zscore": 2, "percentiles": (1, 99)},
        {"window_function": "sigmoid"}, {"orientation": "SPS"}, {"resize": "stretch"}, {"window": ()}, {"slices": 0},
    ],
)  # fmt: skip
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        IntensityRecipe(name="x", modalities=("CT",), **wrong)


def test_apply_changes_nothing_and_repeats_itself() -> None:
    volume = _volume()
    before = volume.array.copy()
    first, second = (_exact("ct", 5, 5).apply(volume) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(volume.array, before)


def test_importing_stays_light() -> None:
    import subprocess
    import sys

    code = "import sys, medvlm.intensity, medvlm.datamodules.readers; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "cv2", "scipy", "pydicom", "nibabel", "PIL"} & set(loaded)
