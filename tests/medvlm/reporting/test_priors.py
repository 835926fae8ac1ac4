"""Priors are found by patient, date and part of the body, and never guessed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from medvlm.predictor import Predictor
from medvlm.reporting import write_reports
from medvlm.reporting.find import find_studies

CHEST = {"PatientID": "P1", "BodyPartExamined": "CHEST"}


def priors(folder: Path, uid: str = "1.2.9", **options: Any) -> list[tuple[str, int | None]]:
    studies, _ = find_studies([folder], **options)
    (study,) = [one for one in studies if one.uid == uid]
    return [(prior.study.uid, prior.days) for prior in study.priors]


@pytest.fixture
def current(write_dicom: Any, tmp_path: Path) -> Path:
    write_dicom(tmp_path / "now.dcm", "1.2.9", StudyDate="20240310", **CHEST)
    return tmp_path


def test_the_nearest_earlier_study_is_the_prior(write_dicom: Any, current: Path) -> None:
    for number, day in enumerate(("20230310", "20240301", "20240310", "20240401")):
        write_dicom(current / f"{number}.dcm", f"1.2.{number}", StudyDate=day, **CHEST)
    assert priors(current) == [("1.2.1", 9)]
    assert priors(current, "1.2.0") == []
    assert priors(current, priors=False) == []


@pytest.mark.filterwarnings("ignore:Invalid value for VR DA")
@pytest.mark.parametrize(
    "changes",
    [
        {"PatientID": "P2"},
        {"PatientID": ""},
        {"IssuerOfPatientID": "Elsewhere"},
        {"PatientBirthDate": "19800101"},
        {"BodyPartExamined": "FOOT"},
        {"BodyPartExamined": ""},
        {"Modality": "MG"},
        {"StudyDate": "2024"},
        {"StudyDate": ""},
        {"Rows": 0},
    ],
)
def test_what_does_not_say_the_same_is_no_prior(write_dicom: Any, current: Path, changes: Any) -> None:
    write_dicom(current / "old.dcm", "1.2.1", **{"StudyDate": "20240301", **CHEST, **changes})
    assert priors(current) == []


@pytest.mark.parametrize("changes", [{"Modality": "CR"}, {"BodyPartExamined": "THORAX"}])
def test_kinds_of_radiograph_and_names_of_a_part_are_one(write_dicom: Any, current: Path, changes: Any) -> None:
    write_dicom(current / "old.dcm", "1.2.1", **{"StudyDate": "20240301", **CHEST, **changes})
    assert priors(current) == [("1.2.1", 9)]


def test_files_that_disagree_about_the_patient_have_no_prior(write_dicom: Any, current: Path) -> None:
    write_dicom(current / "old.dcm", "1.2.1", StudyDate="20240301", **CHEST)
    write_dicom(current / "now2.dcm", "1.2.9", number=2, StudyDate="20240310", **CHEST | {"PatientID": "P3"})
    assert priors(current) == []


def test_a_new_prior_changes_the_stamp_and_nothing_of_the_patient_is_kept(write_dicom: Any, current: Path) -> None:
    ((before,), _) = find_studies([current])
    write_dicom(current / "old.dcm", "1.2.1", StudyDate="20240301", **CHEST)
    studies, _ = find_studies([current])
    (after,) = [one for one in studies if one.uid == "1.2.9"]
    assert before.stamp != after.stamp
    assert "P1" not in repr(studies)
    assert "2024" not in repr(studies).replace(str(current), "")
    assert find_studies([current])[0] == studies


def test_a_run_shows_the_model_what_was_found(write_dicom: Any, current: Path, predictor: Predictor) -> None:
    write_dicom(current / "old.dcm", "1.2.1", StudyDate="20240301", **CHEST)
    write_reports(current, current / "out", model=predictor, max_new_tokens=2)
    records = [json.loads(path.read_text())["images"] for path in (current / "out").glob("[0-9a-f]*.json")]
    shown = {images[0]["study_uid"]: [image["study_uid"] for image in images[1:]] for images in records}
    assert shown == {"1.2.9": ["1.2.1"], "1.2.1": []}
