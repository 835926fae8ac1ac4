"""Which image is reported, and what is said of the others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from medvlm.accepts import Accepts
from medvlm.recipes import DEFAULT_RECIPES, RECIPES
from medvlm.reporting.find import find_studies
from medvlm.reporting.pick import Pick, pick

SEG, SECONDARY = "1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.7"


def picked(folder: Path, recipes: Any = DEFAULT_RECIPES) -> Pick:
    ((study,), _) = find_studies([folder])
    return pick(study, recipes)


def test_a_frontal_view_comes_before_a_lateral_one(write_dicom: Any, tmp_path: Path) -> None:
    write_dicom(tmp_path / "1", number=1, ViewPosition="LL")
    write_dicom(tmp_path / "2", number=2, ViewPosition="PA")
    found = picked(tmp_path)
    assert found.chosen is not None
    assert found.chosen.entries[0].view == "PA"
    (((what, reason)),) = found.skipped
    assert "DX LL" in what
    assert "one image is taken: the first one, frontal views before others" in reason


def test_the_series_with_most_slices_comes_first(write_slices: Any, write_dicom: Any, tmp_path: Path) -> None:
    write_slices(tmp_path, [0, 5], series="2")
    write_slices(tmp_path, [0, 2, 4, 6], series="3")
    write_dicom(tmp_path / "scout", series="1", Modality="CT", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    found = picked(tmp_path)
    assert found.chosen is not None
    assert (found.chosen.volume, len(found.chosen.entries)) == (True, 4)
    assert sorted(reason.split(";")[0] for _, reason in found.skipped) == ["a localizer", "fewer slices"]


def test_an_original_comes_before_a_secondary_capture(write_dicom: Any, tmp_path: Path) -> None:
    write_dicom(tmp_path / "1", number=1, SOPClassUID=SECONDARY)
    write_dicom(tmp_path / "2", number=2)
    found = picked(tmp_path)
    assert found.chosen is not None
    assert found.chosen.entries[0].order == (1, 2)
    assert "secondary capture" in found.skipped[0][1]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"Modality": "SEG", "SOPClassUID": SEG}, "modality SEG is no picture of the patient"),
        ({"Rows": 0}, "no pixels"),
        ({"Modality": "MG"}, "the model takes no MG (it takes CR, DX, OT)"),
        ({"NumberOfFrames": 3, "Modality": "CT"}, "the model takes no CT"),
    ],
)
def test_what_cannot_be_shown_is_skipped_with_a_reason(
    write_dicom: Any, tmp_path: Path, changes: Any, reason: str
) -> None:
    write_dicom(tmp_path / "1", **changes)
    found = picked(tmp_path, [RECIPES["cxr"]])
    assert found.chosen is None
    assert reason in found.skipped[0][1]


def test_a_model_of_planes_is_shown_no_volume(write_slices: Any, tmp_path: Path) -> None:
    write_slices(tmp_path, [0, 5])
    found = picked(tmp_path, [RECIPES["ct"].model_copy(update={"axes": ("yx",)})])
    assert found.chosen is None
    assert found.skipped[0][1] == "the model takes no CT volumes"


def test_the_view_that_the_model_takes_is_shown_and_the_others_say_why_not(write_dicom: Any, tmp_path: Path) -> None:
    write_dicom(tmp_path / "1", number=1, ViewPosition="PA", BodyPartExamined="FOOT")
    write_dicom(tmp_path / "2", number=2, ViewPosition="AP", BodyPartExamined="CHEST")
    ((study,), _) = find_studies([tmp_path])
    found = pick(study, DEFAULT_RECIPES, Accepts(views=("AP", "PA"), body_parts=("CHEST",), min_pixels=16))
    assert found.chosen is not None
    assert found.chosen.entries[0].view == "AP"
    assert found.skipped[0][1] == "the model takes the body parts CHEST; this is FOOT"
    assert pick(study, DEFAULT_RECIPES, Accepts(min_pixels=17)).chosen is None


def test_a_series_with_too_few_slices_is_refused(write_slices: Any, tmp_path: Path) -> None:
    write_slices(tmp_path, [0, 5, 10])
    ((study,), _) = find_studies([tmp_path])
    found = pick(study, DEFAULT_RECIPES, Accepts(min_slices=4))
    assert found.chosen is None
    assert "3 slices, perhaps some are missing" in found.skipped[0][1]
