"""Other scanners and coronal slices: defaults change nothing, each knob does what it says, findings stay in boxes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest

from medvlm.datamodules.phantoms.findings import Study, sample_patients
from medvlm.datamodules.phantoms.render import render_radiograph, render_volume
from medvlm.datamodules.phantoms.scanner import PLAIN, Scanner
from medvlm.datamodules.phantoms.slab import render_slab
from medvlm.datamodules.phantoms.thorax_files import make_thorax
from medvlm.datamodules.phantoms.thorax_set import load_thorax
from medvlm.datamodules.readers import read_image
from medvlm.study import SampleError

STUDIES = [study for patient in sample_patients(0, 60) for study in patient]
OTHER = Scanner(exposure=0.3, blur=2.0, gamma=1.4, collimation=0.05, rotation=8, magnification=1.1)


def _shown(scanner: Scanner, *, noise: bool = False) -> np.ndarray:
    return render_radiograph(STUDIES[3], 96, noise=noise, scanner=scanner).pixels.astype(float)


def test_the_plain_scanner_is_the_phantom_as_it_was() -> None:
    study = STUDIES[0]
    assert np.array_equal(render_radiograph(study, 64).pixels, render_radiograph(study, 64, scanner=Scanner()).pixels)
    assert Scanner.of({}) == PLAIN


def test_a_quarter_of_the_photons_is_twice_the_noise() -> None:
    """In the logarithm, noise has a standard deviation of one over the root of the photons."""
    trunk = np.s_[70:90, 40:56]
    plain, dim = ((_shown(Scanner(exposure=e), noise=True) - _shown(PLAIN))[trunk].std() for e in (1.0, 0.25))
    assert dim / plain == pytest.approx(2, rel=0.15)


def test_blur_softens_edges_and_keeps_the_dose() -> None:
    sharp, soft = np.exp(-_shown(PLAIN) * 5.2 / 4095), np.exp(-_shown(Scanner(blur=4.0)) * 5.2 / 4095)
    assert np.abs(np.diff(soft)).max() < 0.6 * np.abs(np.diff(sharp)).max()
    assert soft.mean() == pytest.approx(sharp.mean(), rel=0.02)


def test_gamma_is_a_table_of_stored_values() -> None:
    assert _shown(Scanner(gamma=2.0)) == pytest.approx(_shown(PLAIN) ** 2 / 4095, abs=2.5)


def test_shutters_are_white_and_stay_at_the_edge() -> None:
    shut = (_shown(Scanner(collimation=0.1)) == 4095) & (_shown(PLAIN) < 4095)
    assert shut.any()
    assert not shut[10:-10, 10:-10].any()


def test_magnification_widens_what_is_seen() -> None:
    study = next(study for study in STUDIES if study.find("nodule"))
    (x0, _, x1, _), (u0, _, u1, _) = (
        render_radiograph(study, 256, scanner=Scanner(magnification=m)).boxes["nodule"] for m in (1.0, 1.15)
    )
    assert (u1 - u0) / (x1 - x0) == pytest.approx(1.15, abs=0.05)
    assert (u0 + u1 - 1) / (x0 + x1 - 1) == pytest.approx(1.15, abs=0.1)


def test_boxes_follow_a_turned_patient() -> None:
    """What a nodule adds to the same picture without it lies in its box."""
    study = next(study for study in STUDIES if study.find("nodule") and len(study.findings) == 1)
    image = render_radiograph(study, 128, noise=False, scanner=OTHER)
    clean = render_radiograph(replace(study, findings=()), 128, noise=False, scanner=OTHER)
    rows, columns = np.nonzero(image.pixels.astype(int) - clean.pixels > 60)
    found = (columns.min() / 128, rows.min() / 128, columns.max() / 128, rows.max() / 128)
    assert found == pytest.approx(image.boxes["nodule"], abs=0.05)
    assert image.boxes["nodule"] != render_radiograph(study, 128).boxes["nodule"]


@pytest.mark.parametrize("knobs", [{"blur": -1}, {"rotation": 40}, {"exposure": 0}, {"gamma": 9}, {"sharpness": 1}])
def test_a_wrong_knob_is_named(knobs: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(knobs))):
        Scanner.of(knobs)


def test_a_slice_shows_every_finding_where_the_volume_has_it() -> None:
    for study in STUDIES[:40]:
        slab, volume = render_slab(study, 64), render_volume(study, (64, 64, 64))
        assert set(slab.masks) == {finding.kind for finding in study.findings}
        for kind, mask in slab.masks.items():
            plane = volume.masks[kind][::-1, 33]  # 8.4 mm behind the middle
            assert (mask & plane).sum() > 0.6 * max(mask.sum(), plane.sum()), kind


def test_a_slice_has_the_volumes_densities() -> None:
    slab, volume = render_slab(STUDIES[0], 64, noise=0), render_volume(STUDIES[0], (64, 64, 64), noise=0)
    planes = volume.array[::-1, 33:35].mean(axis=1)
    assert np.median(np.abs(slab.pixels - planes)) < 10
    assert slab.pixels[0, 0] == -1000


def test_a_root_of_slices_asks_the_questions_of_the_radiographs(tmp_path: Path) -> None:
    radiographs = make_thorax(tmp_path / "cr", patients=30, size=32)
    slices = make_thorax(tmp_path / "slice", patients=30, size=32, modality="slice")
    one, two = list(load_thorax(radiographs, "test")), list(load_thorax(slices, "test", modality="slice"))
    same = [(a.id, a.question, a.answer) for a in one if a.kind != "box"]
    assert same == [(b.id, b.question, b.answer) for b in two if b.kind != "box"]
    assert same
    (ref,) = two[0].images
    image = read_image(ref.path)
    assert (image.modality, image.unit, image.axes, ref.volume) == ("CT", "HU", "yx", False)
    assert list(pydicom.dcmread(ref.path).ImageOrientationPatient) == [1, 0, 0, 0, 0, -1]
    with pytest.raises(SampleError, match="modality='slice'"):
        next(load_thorax(radiographs, "test", modality="slice"))


def test_a_root_says_how_it_was_taken(tmp_path: Path) -> None:
    root = make_thorax(tmp_path / "dim", patients=2, size=32, scanner={"exposure": 0.5})
    assert json.loads((root / "phantom.json").read_text())["scanner"] == {"exposure": 0.5}
    with pytest.raises(FileExistsError, match="scanner"):
        make_thorax(tmp_path / "dim", patients=2, size=32)
    with pytest.raises(ValueError, match="has none"):
        make_thorax(tmp_path / "ct", patients=2, modality="slice", scanner={"exposure": 0.5})


def _seen(study: Study) -> set[str]:
    return {finding.kind for finding in study.findings}


def test_every_finding_stays_in_the_field_of_every_scanner() -> None:
    extreme = Scanner(rotation=15, magnification=1.15, collimation=0.15)
    for study in STUDIES:
        assert set(render_radiograph(study, 48, scanner=extreme).boxes) == _seen(study)
