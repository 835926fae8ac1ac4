"""What a model will see, drawn and in numbers: right sides, right limits, right reasons."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from medvlm.cli import main
from medvlm.orientation import to_orientation
from medvlm.recipes import DEFAULT_RECIPES, RECIPES
from medvlm.show import MOST, histogram, lines, named_recipe, recipes_of_model, see
from medvlm.show_picture import COLOURS, WIDTH, draw
from medvlm.study import Image, RecipeMismatch, WeightsError


def ct(slices: int = 4, letters: str = "SPL") -> Image:
    """A volume whose patient's left is bright bone and whose right is air."""
    array = np.full((slices, 16, 24), -1000, np.int16)
    array[..., 12:] = 1000
    volume = Image(array, "zyx", "CT", "HU", spacing=(5.0, 1.0, 1.0), orientation="SPL", source="test:1")
    return to_orientation(volume, letters)


@pytest.mark.parametrize("letters", ["SPL", "IAR", "LSP", "AIR"])
def test_left_is_left_however_it_was_stored(letters: str) -> None:
    seen = see(ct(letters=letters), RECIPES["ct_chest"])
    assert seen.markers == ("R", "L", "A", "P")
    assert seen.pixels[..., 200].min() > seen.pixels[..., 20].max()


def test_numbers_by_hand() -> None:
    said = "\n".join(lines(see(ct(), RECIPES["ct_chest"])))
    assert "test:1: CT, 4 z x 16 y x 24 x, int16, HU" in said
    assert "-1000 to 1000, mean 0, no window in the file" in said
    assert "z 5, y 1, x 1 mm; z to the head, y to the back, x to the left (SPL)" in said
    assert "red -1350 to 149: 0.0% black, 50.0% white" in said
    assert "green -160 to 239: 50.0% black, 50.0% white" in said
    assert "heights are shown 1.50 times as long as widths" in said


def test_what_must_be_known_is_said() -> None:
    image = Image(
        np.arange(256, dtype=np.uint16).reshape(16, 16), "yx", "DX", "stored", notes=("repaired",), inverted=True
    )
    said = lines(see(image))
    assert "note     repaired" in said
    assert any("percentiles 0.5 and 99.5" in line for line in said)
    assert any("low values shown white" in line for line in said)
    assert any("orientation in the patient unknown" in line for line in said)


def test_the_sheet_shows_what_the_model_gets() -> None:
    seen = see(ct(1), RECIPES["ct_bone"])
    sheet = np.asarray(draw(seen))
    assert sheet.shape[1] == WIDTH
    expected = np.round(seen.pixels[0].transpose(1, 2, 0) * 255).astype(np.uint8)
    wanted = np.asarray(PIL.Image.fromarray(expected).resize((520, 520), PIL.Image.Resampling.NEAREST))
    band = wanted[100:200, 100:420]
    rows = [row for row in range(len(sheet) - 100) if np.array_equal(sheet[row : row + 100, 116:436], band)]
    assert rows


def test_windows_are_marked_where_they_lie() -> None:
    sheet = np.asarray(draw(see(ct(), RECIPES["ct_brain"])))
    red = np.array([int(COLOURS[0][i : i + 2], 16) for i in (1, 3, 5)])
    columns = np.flatnonzero((sheet[-170:, :590] == red).all(-1).any(0))
    place = (np.array([columns.min(), columns.max()]) - 16) / 575 * 2000 - 1000  # back to HU
    np.testing.assert_allclose(place, [0, 79], atol=8)


def test_of_many_slices_those_that_are_drawn_are_the_models() -> None:
    ramp = np.arange(MOST + 9, dtype=np.int16)[:, None, None]
    volume = replace(ct(MOST + 9), array=np.broadcast_to(ramp, (MOST + 9, 16, 24)))
    seen = see(volume, RECIPES["ct_wide"])
    assert seen.shape == (MOST + 9, 3, 224, 224)
    np.testing.assert_array_equal(seen.pixels, RECIPES["ct_wide"].apply(volume)[list(seen.places)])


def test_of_many_slices_some_are_drawn_and_the_sheet_is_no_larger() -> None:
    assert draw(see(ct(200), RECIPES["ct"])).height == draw(see(ct(MOST), RECIPES["ct"])).height


@pytest.mark.parametrize(
    ("shape", "axes", "modality", "unit"),
    [((9, 7), "yx", "CR", "stored"), ((9, 7, 3), "yxc", "SM", "display"), ((3, 9, 7, 3), "tyxc", "US", "display"),
     ((5, 9, 7), "tyx", "XA", "stored"), ((1, 1), "yx", "OT", "display"), ((3, 8, 8), "zyx", "MR", "stored")],
)  # fmt: skip
@pytest.mark.parametrize("value", [0, 7])
def test_every_shape_is_drawn_and_so_is_a_flat_image(
    shape: Any, axes: str, modality: str, unit: Any, value: int
) -> None:
    seen = see(Image(np.full(shape, value, np.uint8), axes, modality, unit))
    assert draw(seen).width == WIDTH
    assert all(lines(seen))


def test_a_histogram_counts() -> None:
    heights = histogram(np.array([0.0, 0.1, 0.9, 5.0]), 0.0, 1.0, bins=2)
    np.testing.assert_allclose(heights, [1, np.log(2) / np.log(3)], atol=1e-6)


def test_recipes_come_from_a_model_without_its_weights(model_folder: Path, tmp_path: Path) -> None:
    for file in model_folder.glob("*.json"):
        shutil.copy(file, tmp_path)
    (tmp_path / "model.safetensors").touch()  # whoever reads them finds nothing
    seen = see(ct(), recipes=recipes_of_model(tmp_path))
    assert (seen.recipe.name, seen.recipe.size) == ("ct", (32, 32))
    assert seen.pixels.shape == seen.shape == (seen.recipe.slices, 3, 32, 32)


def test_what_does_not_fit_or_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeMismatch, match="modality is CT, expected MR"):
        see(ct(), RECIPES["mr"])
    with pytest.raises(ValueError, match="There is no recipe 'lungs'; there are cxr"):
        named_recipe("lungs")
    with pytest.raises(WeightsError):
        recipes_of_model(tmp_path / "none")
    assert see(ct()).recipe == next(recipe for recipe in DEFAULT_RECIPES if recipe.name == "ct")


def test_the_command_draws_and_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    PIL.Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(tmp_path / "a.png")
    assert main(["convert", "show", str(tmp_path / "a.png"), "--out", str(tmp_path / "seen.png")]) == 0
    assert PIL.Image.open(tmp_path / "seen.png").width == WIDTH
    assert "recipe   cxr" in capsys.readouterr().out
    assert main(["convert", "show", str(tmp_path / "a.png"), "--recipe", "ct"]) == 1
    assert "modality is OT, expected CT" in capsys.readouterr().err


def test_a_real_head_ct_is_drawn_repaired_and_says_so(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    series = shared_data / "ct_dicom_dcm_qa_ct" / "GE"
    out = tmp_path / "head.png"
    assert main(["convert", "show", str(series), "--repair", "--recipe", "ct_brain", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "gantry tilt" in said
    assert "left R, right L, top A, bottom P" in said
    assert main(["convert", "show", str(series), "--out", str(out)]) == 1  # without repair
