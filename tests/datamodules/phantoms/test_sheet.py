"""The contact sheet: pictures where they belong, a caption, errors as a command gives them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pil

from medvlm.datamodules.phantoms.findings import sample_patient
from medvlm.datamodules.phantoms.render import render_radiograph
from medvlm.datamodules.phantoms.sheet import displayed, main
from medvlm.datamodules.phantoms.specimen import sample_specimen
from medvlm.datamodules.phantoms.stain import render_tissue


def test_a_sheet_holds_the_pictures_that_are_rendered(tmp_path: Path) -> None:
    options = ["--phantom", "tissue", "--first", "4", "--count", "3", "--columns", "2", "--size", "64"]
    assert main([*options, "--out", str(tmp_path / "a.png")]) == 0
    page = np.asarray(Pil.open(tmp_path / "a.png"))
    assert page.shape == (2 * 85 + 21, 2 * 70 + 6, 3)
    np.testing.assert_array_equal(page[6:70, 76:140], render_tissue(sample_specimen(0, 5), 64).pixels)


def test_a_thorax_is_shown_in_its_window() -> None:
    image = render_radiograph(sample_patient(0, 0)[0], 64)
    shown = displayed(image)
    assert shown[image.pixels <= 450].max() == 0
    assert shown[image.pixels >= 3749].min() == 255
    order = np.argsort(image.pixels.ravel())
    assert (np.diff(shown[..., 0].ravel()[order].astype(int)) >= 0).all()


def test_boxes_and_knobs_change_the_sheet(tmp_path: Path) -> None:
    pages = []
    for number, more in enumerate(([], ["--boxes"], ["--noise", "3"])):
        main(["--count", "4", "--size", "64", "--out", str(tmp_path / f"{number}.png"), *more])
        pages.append(np.asarray(Pil.open(tmp_path / f"{number}.png")))
    assert (pages[1] == (255, 200, 0)).all(axis=-1).sum() > 40
    assert not np.array_equal(pages[0], pages[2])


@pytest.mark.parametrize("wrong", [["--contrast", "7"], ["--count", "0"], ["--phantom", "brain"], ["--size", "8"]])
def test_wrong_options_end_the_command(tmp_path: Path, wrong: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--out", str(tmp_path / "a.png"), *wrong])
    assert not (tmp_path / "a.png").exists()
