"""Hardness knobs: the default changes nothing, each knob moves what it says, in one direction."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from medvlm.datamodules.phantoms.anatomy import FIELD_MM
from medvlm.datamodules.phantoms.cells import build_cells
from medvlm.datamodules.phantoms.findings import KINDS, Study, sample_patient, sample_patients
from medvlm.datamodules.phantoms.hardness import Hardness
from medvlm.datamodules.phantoms.render import MU_WATER, OPAQUE, render_radiograph, render_volume
from medvlm.datamodules.phantoms.specimen import Specimen, sample_specimen, sample_specimens
from medvlm.datamodules.phantoms.stain import render_tissue
from medvlm.datamodules.phantoms.thorax_files import make_thorax

STUDIES = [study for patient in sample_patients(0, 60) for study in patient]
SEEN = ("effusion", "pneumothorax", "consolidation", "nodule")


def _study(kind: str) -> Study:
    return next(study for study in STUDIES if study.find(kind) is not None)


def _visibility(study: Study, kind: str) -> float:
    """Contrast-to-noise ratio of a finding in a radiograph: mean change of its mask over the noise there."""
    ill, mask = render_radiograph(study, 128).pixels.astype(float), render_radiograph(study, 128).masks[kind]
    clean, clear = (
        render_radiograph(replace(study, findings=()), 128, noise=False).pixels.astype(float),
        render_radiograph(study, 128, noise=False).pixels.astype(float),
    )
    return float(abs((ill - clean)[mask].mean()) / (ill - clear)[mask].std())


@pytest.mark.parametrize("kind", SEEN)
def test_contrast_to_noise_falls_with_every_step_of_contrast(kind: str) -> None:
    seen = [_visibility(replace(_study(kind), hardness=Hardness(contrast=c)), kind) for c in (1, 0.75, 0.5, 0.25, 0.1)]
    assert all(more > 1.1 * less for more, less in pairwise(seen))


@pytest.mark.parametrize("kind", SEEN)
def test_contrast_to_noise_falls_with_the_noise(kind: str) -> None:
    seen = [_visibility(replace(_study(kind), hardness=Hardness(noise=n)), kind) for n in (0.5, 1, 2, 4)]
    assert all(more > 1.5 * less for more, less in pairwise(seen))


def test_the_default_is_the_phantom_as_it_was() -> None:
    """Means of the phantom before it had knobs; they were equal to the bit on the machine that wrote them."""
    studies = [study for index in range(20) for study in sample_patient(0, index)]
    radiographs = np.array([render_radiograph(study, 64).pixels.mean() for study in studies])
    volumes = np.array([render_volume(study, (12, 24, 24)).array.mean() for study in studies])
    weights = np.arange(1, len(studies) + 1)
    assert len(studies) == 24
    assert (radiographs @ weights, volumes @ weights) == pytest.approx((572059.72, -176455.21), abs=0.5)


def test_easy_roots_keep_their_recipe_and_hard_ones_say_their_knobs(tmp_path: Path) -> None:
    easy = json.loads((make_thorax(tmp_path / "easy", patients=1, size=32) / "phantom.json").read_text())
    hard = make_thorax(tmp_path / "hard", patients=1, size=32, hardness={"contrast": 0.5})
    assert easy == {"version": 2, "patients": 1, "seed": 0, "size": 32, "modality": "cr", "shape": None}
    assert json.loads((hard / "phantom.json").read_text()) == easy | {"hardness": {"contrast": 0.5}}
    with pytest.raises(FileExistsError, match="hardness"):
        make_thorax(tmp_path / "hard", patients=1, size=32)


@pytest.mark.parametrize("kind", [*KINDS, None])
def test_hard_radiographs_still_obey_beer_lambert(kind: str | None) -> None:
    study = _study(kind) if kind else next(study for study in STUDIES if not study.findings)
    study = replace(study, hardness=Hardness(contrast=0.4, confounders=4))
    volume = render_volume(study, (48, 360, 48), noise=0)
    density = np.maximum(volume.array[::-1].astype(float) / 1000 + 1, 0)
    numeric = density.sum(axis=1) * (FIELD_MM / 360) * MU_WATER
    analytic = render_radiograph(study, 48, noise=False).pixels * (OPAQUE / 4095)
    inside = numeric < OPAQUE
    assert np.abs(analytic - numeric)[inside].max() < 0.08
    assert np.abs(analytic - numeric)[inside].mean() < 0.01


def test_extent_shrinks_findings_and_boxes_stay() -> None:
    for index in range(60):
        for easy, hard in zip(
            sample_patient(2, index), sample_patient(2, index, Hardness(extent=0.5, contrast=0.5)), strict=True
        ):
            assert [finding.kind for finding in easy.findings] == [finding.kind for finding in hard.findings]
            for large, small in zip(easy.findings, hard.findings, strict=True):
                base = 0.5 if large.kind == "cardiomegaly" else 0.0
                assert small.mm - base == pytest.approx((large.mm - base) / 2)
            boxes = render_radiograph(hard, 64).boxes
            assert set(boxes) == {finding.kind for finding in hard.findings}


def test_confounders_are_dense_and_are_no_findings() -> None:
    normal = next(study for study in STUDIES if not study.findings)
    shown = render_radiograph(replace(normal, hardness=Hardness(confounders=5)), 128, noise=False)
    change = shown.pixels.astype(int) - render_radiograph(normal, 128, noise=False).pixels
    assert shown.boxes == {}
    assert change.min() == 0
    assert 60 < (change > 50).sum() < 1200  # five discs of 16 to 26 mm are 130 to 340 pixels


def _specimen(kind: str, hardness: Hardness) -> Specimen:
    return next(replace(s, hardness=hardness) for s in sample_specimens(0, 40) if s.find(kind))


@pytest.mark.parametrize("kind", ["tumour", "necrosis", "infiltrate"])
def test_tissue_contrast_to_noise_falls_with_every_step(kind: str) -> None:
    def visibility(hardness: Hardness) -> float:
        specimen = _specimen(kind, hardness)
        tissue = render_tissue(specimen, 128)
        clear = render_tissue(replace(specimen, hardness=replace(hardness, noise=0.0)), 128).pixels.astype(float)
        faint = render_tissue(replace(specimen, hardness=Hardness(noise=0.0, contrast=1e-3)), 128).pixels.astype(float)
        mask = tissue.masks[kind]
        return float(np.abs(clear - faint)[mask].mean() / (tissue.pixels - clear)[mask].std())

    for knobs in ([Hardness(contrast=c) for c in (1, 0.7, 0.4, 0.1)], [Hardness(noise=n) for n in (0.5, 1, 2, 4)]):
        seen = [visibility(knob) for knob in knobs]
        assert all(more > 1.2 * less for more, less in pairwise(seen))


def test_tissue_confounders_are_not_counted() -> None:
    plain = next(s for s in sample_specimens(0, 60) if (a := s.find("tumour")) and a.mitoses > 1 and a.size == "large")
    hard = replace(plain, hardness=Hardness(confounders=4))
    one, two = render_tissue(plain, 224), render_tissue(hard, 224)
    assert len(one.mitoses) == len(two.mitoses) == plain.find("tumour").mitoses  # type: ignore[union-attr]
    assert not np.array_equal(one.pixels, two.pixels)


@pytest.mark.parametrize("extent", [0.5, 1.0])
def test_every_mitosis_finds_room_in_its_nest(extent: float) -> None:
    for index in range(150):
        specimen = sample_specimen(5, index, Hardness(extent=extent, confounders=3))
        area = specimen.find("tumour")
        if area is not None:
            assert len(build_cells(specimen).mitoses) == area.mitoses


def test_tissue_extent_scales_the_radius() -> None:
    for index in range(30):
        easy, hard = sample_specimen(1, index), sample_specimen(1, index, Hardness(extent=0.5))
        assert [area.um / 2 for area in easy.areas] == pytest.approx([area.um for area in hard.areas])


@pytest.mark.parametrize("knob", [{"noise": -1}, {"contrast": 0}, {"extent": 0.1}, {"confounders": 99}, {"speed": 2}])
def test_knobs_out_of_range_are_refused(knob: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"expected|unknown knobs"):
        Hardness.of(knob)
