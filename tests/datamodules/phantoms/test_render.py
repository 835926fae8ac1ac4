"""Radiograph and volume: Beer-Lambert against summed voxels, HU against tables, sides, boxes, masks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from medvlm.datamodules.phantoms.anatomy import FIELD_MM
from medvlm.datamodules.phantoms.findings import KINDS, SIDED, Study, sample_patient, sample_patients
from medvlm.datamodules.phantoms.render import MU_WATER, OPAQUE, box_of, render_radiograph, render_volume

STUDIES = [study for patient in sample_patients(0, 60) for study in patient]


def _study(kind: str) -> Study:
    return next(study for study in STUDIES if study.find(kind) is not None)


@pytest.mark.parametrize("kind", [*KINDS, None])
def test_radiograph_equals_beer_lambert_through_the_voxels(kind: str | None) -> None:
    study = _study(kind) if kind else next(study for study in STUDIES if not study.findings)
    volume = render_volume(study, (64, 360, 64), noise=0)
    density = np.maximum(volume.array[::-1].astype(float) / 1000 + 1, 0)
    numeric = density.sum(axis=1) * (FIELD_MM / 360) * MU_WATER
    analytic = render_radiograph(study, 64, noise=False).pixels * (OPAQUE / 4095)
    inside = numeric < OPAQUE
    assert np.abs(analytic - numeric)[inside].max() < 0.06
    assert np.abs(analytic - numeric)[inside].mean() < 0.01


def test_projection_is_independent_of_the_voxel_count() -> None:
    study = _study("nodule")
    coarse, fine = (render_volume(study, (32, count, 32), noise=0).array.mean(axis=1) for count in (90, 360))
    assert np.corrcoef(coarse.ravel(), fine.ravel())[0, 1] > 0.999


def test_same_study_gives_the_same_pixels_and_noise_is_seeded() -> None:
    one, two = render_radiograph(STUDIES[0], 64), render_radiograph(STUDIES[0], 64)
    assert np.array_equal(one.pixels, two.pixels)
    other = render_radiograph(replace(STUDIES[0], seed=99), 64)
    assert not np.array_equal(one.pixels, other.pixels)
    assert np.array_equal(render_volume(STUDIES[0]).array, render_volume(STUDIES[0]).array)


def test_pixels_are_twelve_bit() -> None:
    pixels = render_radiograph(STUDIES[0], 96).pixels
    assert pixels.dtype == np.uint16
    assert pixels.shape == (96, 96)
    assert pixels.max() <= 4095


def test_a_finding_on_the_patients_left_lies_in_the_right_half_of_the_image() -> None:
    for study in STUDIES:
        boxes = render_radiograph(study, 64).boxes
        for finding in study.findings:
            if finding.kind in SIDED:
                x0, _, x1, _ = boxes[finding.kind]
                assert ((x0 + x1) / 2 > 0.5) == (finding.side == "left")


def test_upper_findings_lie_above_lower_ones() -> None:
    rows: dict[str, list[float]] = {"upper": [], "lower": []}
    for study in STUDIES:
        boxes = render_radiograph(study, 64).boxes
        for finding in study.findings:
            if finding.zone:
                rows[finding.zone].append(boxes[finding.kind][1])
    assert max(rows["upper"]) < min(rows["lower"])


def test_boxes_are_the_bounds_of_the_masks() -> None:
    for study in STUDIES:
        image = render_radiograph(study, 64)
        assert set(image.boxes) == set(image.masks) == {finding.kind for finding in study.findings}
        for kind, (x0, y0, x1, y1) in image.boxes.items():
            rows, columns = np.nonzero(image.masks[kind])
            assert (x0 * 64, y0 * 64) == (columns.min(), rows.min())
            assert (x1 * 64, y1 * 64) == (columns.max() + 1, rows.max() + 1)


@pytest.mark.parametrize("kind", ["effusion", "consolidation", "nodule", "cardiomegaly"])
def test_a_dense_finding_brightens_its_mask(kind: str) -> None:
    study = _study(kind)
    image = render_radiograph(study, 64, noise=False)
    clean = render_radiograph(replace(study, findings=()), 64, noise=False)
    change = image.pixels.astype(int) - clean.pixels
    assert change[image.masks[kind]].mean() > 150


def test_a_pneumothorax_darkens_its_mask() -> None:
    study = _study("pneumothorax")
    image = render_radiograph(study, 64, noise=False)
    clean = render_radiograph(replace(study, findings=()), 64, noise=False)
    change = image.pixels.astype(int) - clean.pixels
    assert change[image.masks["pneumothorax"]].mean() < -150


def test_heart_width_is_the_cardiothoracic_ratio() -> None:
    for study in STUDIES:
        finding = study.find("cardiomegaly")
        if finding is not None:
            x0, _, x1, _ = render_radiograph(study, 256).boxes["cardiomegaly"]
            ratio = (x1 - x0) * FIELD_MM / (2 * study.body.cage)
            assert ratio > 0.5
            assert ratio == pytest.approx(finding.mm, abs=0.03)


def test_nodule_is_as_wide_as_it_says() -> None:
    study = _study("nodule")
    finding = study.find("nodule")
    assert finding is not None
    x0, _, x1, _ = render_radiograph(study, 360).boxes["nodule"]
    assert (x1 - x0) * FIELD_MM == pytest.approx(finding.mm, abs=3)


def test_hounsfield_units_are_those_of_air_lung_and_tissue() -> None:
    normal = next(study for study in STUDIES if not study.findings)
    array = render_volume(normal, (32, 64, 64), noise=0).array
    assert array[0, 0, 0] == -1000
    assert array[4, 32, 20] == pytest.approx(40, abs=5)
    assert -850 < np.median(array[(array > -950) & (array < -300)]) < -700
    assert array.max() <= 1200


def test_volume_masks_show_the_findings_densities() -> None:
    for kind, low, high in (("pneumothorax", -1000, -1000), ("effusion", 25, 35), ("nodule", 1190, 1210)):
        volume = render_volume(_study(kind), (48, 96, 96), noise=0)
        values = volume.array[volume.masks[kind]]
        assert values.size > 20
        assert low <= np.median(values) <= high


def test_volume_masks_cast_the_radiographs_boxes() -> None:
    for study in STUDIES[:20]:
        volume, image = render_volume(study, (64, 128, 64), noise=0), render_radiograph(study, 64)
        for kind, mask in volume.masks.items():
            shadow = box_of(np.any(mask, axis=1)[::-1])
            assert shadow == pytest.approx(image.boxes[kind], abs=0.07)


def test_left_of_the_patient_is_at_high_x() -> None:
    study = next(study for study in STUDIES if (finding := study.find("effusion")) and finding.side == "left")
    mask = render_volume(study, (32, 32, 32), noise=0).masks["effusion"]
    assert np.nonzero(mask)[2].mean() > 15.5


def test_bad_sizes_are_refused() -> None:
    study = sample_patient(0, 0)[0]
    with pytest.raises(ValueError, match="32 or more"):
        render_radiograph(study, 16)
    with pytest.raises(ValueError, match="three axes"):
        render_volume(study, (32, 64))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="8 or more"):
        render_volume(study, (32, 64, 4))
    with pytest.raises(ValueError, match="at least one pixel"):
        box_of(np.zeros((4, 4), dtype=bool))
