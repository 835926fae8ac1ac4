"""The tissue phantom: stains against deconvolution, areas against masks, counts, the slide at another resolution."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage  # type: ignore[import-untyped, unused-ignore]

from medvlm.datamodules.phantoms.cells import build_cells
from medvlm.datamodules.phantoms.hardness import Hardness
from medvlm.datamodules.phantoms.specimen import AREAS, FIELD_UM, Specimen, sample_specimen, sample_specimens, slide_of
from medvlm.datamodules.phantoms.stain import EOSIN, HEMATOXYLIN, Tissue, render_tissue

COHORT = list(sample_specimens(3, 1200))


def _quiet(specimen: Specimen, size: int = 224) -> Tissue:
    return render_tissue(replace(specimen, hardness=Hardness(noise=0.0)), size)


def _with(kind: str, **wanted: object) -> Specimen:
    return next(
        s for s in COHORT if (a := s.find(kind)) and all(getattr(a, name) == value for name, value in wanted.items())
    )


def _stains(specimen: Specimen, pixels: np.ndarray) -> np.ndarray:
    """Hematoxylin and eosin by deconvolution (Ruifrok and Johnston 2001): least squares on optical density."""
    density = -np.log(np.maximum(pixels, 1) / specimen.white)
    amounts: np.ndarray = density @ np.linalg.pinv(np.array([HEMATOXYLIN, EOSIN]))
    return amounts


def test_every_colour_is_a_mixture_of_two_stains() -> None:
    specimen = _with("tumour")
    pixels = _quiet(specimen).pixels
    amounts = _stains(specimen, pixels)
    again = specimen.white * np.exp(-amounts @ np.array([HEMATOXYLIN, EOSIN]))
    assert np.abs(again - pixels).max() < 2.5
    assert amounts.min() > -0.05


def test_same_seed_gives_the_same_tissue_in_any_order() -> None:
    assert sample_specimen(1, 17) == list(sample_specimens(1, 20))[17]
    one, two = render_tissue(sample_specimen(1, 17)), render_tissue(sample_specimen(1, 17))
    assert np.array_equal(one.pixels, two.pixels)
    assert not np.array_equal(one.pixels, render_tissue(sample_specimen(2, 17)).pixels)


def test_shares_of_kinds_places_grades_and_sizes() -> None:
    counts = Counter(len(specimen.areas) for specimen in COHORT)
    assert 0.21 < counts[0] / len(COHORT) < 0.29
    areas = [area for specimen in COHORT for area in specimen.areas]
    for values in (
        [area.kind for area in areas],
        [(area.side, area.zone) for area in areas],
        [area.size for area in areas],
        [area.grade for area in areas if area.kind == "tumour"],
    ):
        seen = Counter(values)
        assert max(seen.values()) < 1.25 * min(seen.values())


def test_areas_share_no_quadrant_and_lie_where_they_are_said_to() -> None:
    for specimen in COHORT[:80]:
        assert len({(area.side, area.zone) for area in specimen.areas}) == len(specimen.areas)
        tissue = render_tissue(specimen, 64)
        for area in specimen.areas:
            x0, y0, x1, y1 = tissue.boxes[area.kind]
            assert ((x0 + x1) / 2 > 0.5) == (area.side == "right")
            assert ((y0 + y1) / 2 > 0.5) == (area.zone == "lower")


def test_boxes_are_the_bounds_of_the_masks() -> None:
    for specimen in COHORT[:30]:
        tissue = render_tissue(specimen, 64)
        assert set(tissue.boxes) == {area.kind for area in specimen.areas}
        for kind, (x0, y0, x1, y1) in tissue.boxes.items():
            rows, columns = np.nonzero(tissue.masks[kind])
            assert (x0 * 64, y0 * 64) == (columns.min(), rows.min())
            assert (x1 * 64, y1 * 64) == (columns.max() + 1, rows.max() + 1)


def test_an_area_is_as_large_as_it_says() -> None:
    specimen = _with("infiltrate", size="small")
    area = specimen.find("infiltrate")
    assert area is not None
    mask = render_tissue(specimen, 448).masks["infiltrate"]
    assert np.sqrt(mask.sum() / np.pi) * 0.5 == pytest.approx(area.um, rel=0.06)


def test_lymphocytes_are_dark_and_necrosis_has_no_nuclei() -> None:
    for kind, more in (("infiltrate", True), ("necrosis", False)):
        specimen = _with(kind)
        tissue = _quiet(specimen, 448)
        blue = _stains(specimen, tissue.pixels)[..., 0]
        share = (blue[tissue.masks[kind]] > 0.6).mean()
        assert share > 0.3 if more else share < 0.08


def test_nuclei_of_a_high_grade_are_larger_and_less_even() -> None:
    low, high = (build_cells(_with("tumour", grade=grade, size="large")).nuclei[2] for grade in ("low", "high"))
    areas = [nuclei.half.prod(axis=1) for nuclei in (low, high)]
    assert areas[1].mean() > 1.4 * areas[0].mean()
    assert areas[1].std() / areas[1].mean() > 2 * areas[0].std() / areas[0].mean()
    assert high.stain.mean() > 1.2 * low.stain.mean()


def test_as_many_dark_plates_as_mitoses_are_said() -> None:
    checked = 0
    for specimen in COHORT[:60]:
        area = specimen.find("tumour")
        if area is None:
            continue
        tissue = _quiet(specimen, 448)
        dark = ndimage.gaussian_filter(_stains(specimen, tissue.pixels)[..., 0], 1) > 2.5 * specimen.stain[0]
        labels, _ = ndimage.label(dark & tissue.masks["tumour"])
        sizes = np.bincount(labels.ravel())[1:]
        assert (sizes > 45).sum() == area.mitoses == len(tissue.mitoses)
        for x0, y0, x1, y1 in tissue.mitoses:
            assert min(x0, y0) >= 0
            assert max(x1, y1) <= 1
            assert dark[round((y0 + y1) * 224), round((x0 + x1) * 224)]
        checked += 1
    assert checked > 10


def test_the_same_tissue_at_two_resolutions() -> None:
    specimen = COHORT[5]
    fine = _quiet(specimen, 448).pixels.reshape(112, 4, 112, 4, 3).mean(axis=(1, 3))
    assert np.corrcoef(fine.ravel(), _quiet(specimen, 112).pixels.ravel())[0, 1] > 0.85


def test_windows_leave_no_seam() -> None:
    slide = slide_of(_with("tumour"))
    pixels = _quiet(slide, 640).pixels.astype(int)  # 512 is a border between windows
    jumps = np.abs(np.diff(pixels, axis=1)).mean(axis=(0, 2))
    assert jumps[511] < 1.5 * np.median(jumps)


def test_a_slide_has_the_same_findings_between_glass() -> None:
    specimen = _with("tumour", side="left", zone="lower")
    slide = slide_of(specimen)
    tissue = _quiet(slide, 256)
    assert tissue.pixels.shape == (256, 320, 3)
    assert (tissue.pixels[:6] > 235).all()
    assert [(a.kind, a.side, a.zone, a.grade, a.mitoses) for a in slide.areas] == [
        (a.kind, a.side, a.zone, a.grade, a.mitoses) for a in specimen.areas
    ]
    x0, y0, x1, y1 = tissue.boxes["tumour"]
    assert (x0 + x1) / 2 < 0.5 < (y0 + y1) / 2


def test_findings_do_not_show_in_the_noise_of_the_batch() -> None:
    means = {
        kind: np.mean([s.stain[0] for s in COHORT if bool(s.find(kind)) == there]) for kind in AREAS for there in (0, 1)
    }
    assert np.ptp(list(means.values())) < 0.02


@pytest.mark.parametrize(("seed", "index"), [(-1, 0), (0, -1)])
def test_negative_seed_or_index_is_refused(seed: int, index: int) -> None:
    with pytest.raises(ValueError, match="0 or more"):
        sample_specimen(seed, index)


def test_a_tiny_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="32 or more"):
        render_tissue(COHORT[0], 16)
    assert FIELD_UM / 448 == 0.5
