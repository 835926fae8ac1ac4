"""Every named recipe: documented, tested on a ramp of Hounsfield units, against MONAI and by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from medvlm.intensity import IntensityRecipe
from medvlm.recipes import ABOUT, RECIPES
from medvlm.study import Image, RecipeMismatch

RAMP = np.arange(-1300, 2100, dtype=np.int16)

LIMITS = {
    # name: (black, white) of red, green, blue in HU
    "medgemma_ct": ((-1024, 1024), (-135, 215), (0, 80)),
    "medgemma_ct_server": ((-1024, 1024), (135, 215), (0, 80)),
    "medgemma_ct_report": ((-1225, 1025), (-135, 215), (0, 80)),
    "ct": ((-1024, 1023), (-160, 239), (0, 79)),
    "ct_chest": ((-1350, 149), (-160, 239), (-450, 1049)),
    "ct_brain": ((0, 79), (-20, 179), (-800, 1999)),
    "ct_lung": ((-1350, 149),) * 3,
    "ct_mediastinum": ((-160, 239),) * 3,
    "ct_bone": ((-800, 1999),) * 3,
    "ct_parenchyma": ((0, 79),) * 3,
    "ct_wide": ((-1000, 1000),) * 3,
}


def ramp(name: str, **update: Any) -> Any:
    image = Image(RAMP[None], "yx", modality="CT", unit="HU")
    return RECIPES[name].model_copy(update={"size": (1, len(RAMP)), **update}).apply(image)[:, 0]


def test_every_recipe_says_what_it_is_for_and_every_ct_recipe_is_tested_here() -> None:
    assert ABOUT.keys() == RECIPES.keys()
    assert min(len(about) for about in ABOUT.values()) > 20
    assert {name for name, recipe in RECIPES.items() if recipe.modalities == ("CT",)} == LIMITS.keys()


@pytest.mark.parametrize("name", LIMITS)
def test_ct_windows_on_a_ramp(name: str) -> None:
    for channel, (black, white) in zip(ramp(name, levels=None), LIMITS[name], strict=True):
        expected = np.clip((RAMP.astype(float) - black) / (white - black), 0, 1)
        np.testing.assert_allclose(channel, expected, atol=1e-6)


@pytest.mark.parametrize("name", ["medgemma_ct", "medgemma_ct_server", "medgemma_ct_report"])
def test_medgemma_goes_through_eight_bits_as_google_does(name: str) -> None:
    for channel, (black, white) in zip(ramp(name), LIMITS[name], strict=True):
        exact = (np.clip(RAMP.astype(np.float64), black, white) - black) / (white - black) * 255.0
        tie = np.abs(exact % 1 - 0.5) < 1e-3  # float32 rounds what lies between two grays either way
        np.testing.assert_allclose(channel[~tie] * 255, np.round(exact)[~tie], atol=1e-3)
        np.testing.assert_allclose(channel * 255, exact, atol=0.501)


def test_the_three_of_medgemma_disagree() -> None:
    notebook, server, report = (ramp(f"medgemma_ct{kind}") for kind in ("", "_server", "_report"))
    fat = np.flatnonzero(RAMP == -100)[0]
    assert notebook[1, fat] == pytest.approx(0.1, abs=0.002)
    assert server[1, fat] == 0
    assert (np.abs(notebook - report).max(axis=1) > 0.01).tolist() == [True, False, False]


def test_the_zscore_is_monais() -> None:
    from monai.transforms import NormalizeIntensity  # type: ignore[attr-defined, unused-ignore]

    values = np.random.default_rng(0).normal(300, 60, (6, 40, 40)).astype(np.float32)
    values[:, :20] = 0
    image = Image(values, "zyx", modality="MR", unit="stored")
    ours = RECIPES["mr_zscore"].model_copy(update={"size": (40, 40)}).apply(image)[:, 0]
    theirs = np.clip((np.asarray(NormalizeIntensity(nonzero=True)(values[None]))[0] + 3) / 6, 0, 1)
    np.testing.assert_allclose(ours[values > 0], theirs[values > 0], atol=1e-5)
    assert ours[values == 0].max() == 0
    assert "3 deviations" in RECIPES["mr_zscore"].explain(image)[0]


def test_a_scanners_unit_does_not_matter_to_mr_recipes() -> None:
    values = np.random.default_rng(0).gamma(3, 50, (5, 30, 30)).astype(np.float32)
    for name in ("mr", "mr_zscore", "mr_minmax"):
        once, twice = (RECIPES[name].apply(Image(values * k, "zyx", "MR", "stored")) for k in (1, 7))
        np.testing.assert_allclose(once, twice, atol=1e-5)


def test_an_empty_mr_is_black_not_an_error() -> None:
    empty = Image(np.zeros((2, 8, 8), np.uint16), "zyx", modality="MR", unit="stored")
    assert all(RECIPES[name].apply(empty).max() == 0 for name in ("mr", "mr_zscore", "mr_minmax"))


def test_radiographs_by_window_or_by_percentile() -> None:
    values = np.arange(10000, dtype=np.uint16).reshape(100, 100)
    image = Image(values, "yx", modality="DX", unit="stored", windows=((5000, 2000),))
    update = {"size": (100, 100)}
    window, percentile = (RECIPES[n].model_copy(update=update).apply(image)[0] for n in ("cxr_voi", "cxr_percentile"))
    np.testing.assert_array_equal(window, RECIPES["cxr"].model_copy(update=update).apply(image)[0])
    np.testing.assert_allclose(percentile, np.clip((values - 49.995) / (9949.005 - 49.995), 0, 1), atol=1e-5)
    with pytest.raises(RecipeMismatch, match="come with no window"):
        RECIPES["cxr_voi"].apply(Image(values, "yx", modality="DX", unit="stored"))


def test_pathology_changes_no_colour_and_refuses_what_is_no_tile() -> None:
    tile = np.random.default_rng(0).integers(0, 256, (224, 224, 3), np.uint8)
    pixels = RECIPES["pathology"].apply(Image(tile, "yxc", modality="SM"))
    np.testing.assert_array_equal(np.round(pixels * 255).astype(np.uint8), np.moveaxis(tile, -1, 0))
    with pytest.raises(RecipeMismatch, match="modality is CT, expected SM or GM"):
        RECIPES["pathology"].apply(Image(tile, "yxc", modality="CT"))


def test_a_recipe_saved_before_a_field_was_there_still_loads() -> None:
    saved = (
        '{"name":"ct_chest","modalities":["CT"],"units":["HU"],"axes":["yx","zyx","tyx"],"windows":[[-600.0,1500.0],'
        '[40.0,400.0],[300.0,1500.0]],"use_file_window":false,"percentiles":null,"size":[224,224],"resize":"squash",'
        '"slices":null,"spacing":null,"orientation":"SPL","version":1}'
    )
    assert IntensityRecipe.model_validate_json(saved) == RECIPES["ct_chest"]
