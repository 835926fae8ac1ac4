"""A report with priors: what is shown, what is asked, and what the report says of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from medvlm.accepts import Accepts
from medvlm.predictor import Predictor
from medvlm.reporting.content import make_report, run_key
from medvlm.reporting.find import find_studies
from medvlm.reporting.questions import CHANGES, FINDINGS, samples_for
from medvlm.reporting.reader import Ready, read_study
from medvlm.reporting.records import Row
from medvlm.reporting.report import StudyReport, report_from_json

CHEST = {"PatientID": "Quux-7", "BodyPartExamined": "CHEST"}
pytestmark = pytest.mark.usefixtures("brief")


def read(folder: Path, predictor: Predictor, uid: str = "1.2.9") -> Ready | Row:
    (study,) = [one for one in find_studies([folder])[0] if one.uid == uid]
    return read_study(study, predictor, Row(study.id, ""), repair=False)


def reported(ready: Ready | Row, predictor: Predictor) -> StudyReport:
    assert isinstance(ready, Ready)
    (answers,) = predictor.answer([ready.ask])
    return make_report(ready, answers, "key", "2026-01-01T00:00:00+00:00")


@pytest.fixture
def pair(write_dicom: Any, tmp_path: Path) -> Path:
    write_dicom(tmp_path / "new.dcm", "1.2.9", number=1, StudyDate="20240310", **CHEST)
    write_dicom(tmp_path / "old.dcm", "1.2.1", number=2, StudyDate="20240301", **CHEST)
    return tmp_path


def test_a_study_is_shown_after_its_prior_and_named_before_it(predictor: Predictor, pair: Path) -> None:
    ready = read(pair, predictor)
    report = reported(ready, predictor)
    assert isinstance(ready, Ready)
    assert [(image.role, image.study_uid) for image in report.images] == [("current", "1.2.9"), ("prior", "1.2.1")]
    images, samples = ready.ask
    assert [one.source for one in images] == [report.priors[0].source, report.current.source]
    assert all(len(sample.images) == 2 for sample in samples)
    assert [sample.kind for sample in samples] == ["report", *["closed"] * 5, *["choice"] * 5]
    assert report.sections["comparison"].startswith("Compared with the study of 9 days earlier.")


def test_dates_and_numbers_of_the_patient_are_not_in_the_report(predictor: Predictor, pair: Path) -> None:
    text = json.dumps(reported(read(pair, predictor), predictor).to_json())
    assert not [word for word in ("2024", "Quux", str(pair)) if word in text]
    assert report_from_json(json.loads(text)).priors[0].role == "prior"


def test_a_prior_that_cannot_be_read_is_named_and_the_report_written_without_it(
    predictor: Predictor, pair: Path
) -> None:
    whole = (pair / "old.dcm").read_bytes()
    (pair / "old.dcm").write_bytes(whole[:-100])
    report = reported(read(pair, predictor), predictor)
    assert len(report.images) == 1
    assert report.sections["comparison"] == "The study of 9 days earlier: not shown to the model."
    ((what, reason),) = [(one.what, one.reason) for one in report.skipped]
    assert what == "prior"
    assert "truncated" in reason


def test_what_changed_is_said_of_what_is_there_or_gone(predictor: Predictor, pair: Path) -> None:

    ready = read(pair, predictor)
    assert isinstance(ready, Ready)
    (answers,) = predictor.answer([ready.ask])
    first, *rest = answers
    there = [replace(one, parsed="yes" if number == 0 else "no") for number, one in enumerate(rest[:5])]
    changes = [replace(one, option=word) for one, word in zip(rest[5:], CHANGES, strict=True)]
    report = make_report(ready, [first, *there, *changes], "key", "")
    assert report.sections["comparison"].split(". ")[1:] == ["Effusion: increased", "Cardiomegaly: resolved."]
    said = [one for one in report.sentences if one.text == "Effusion: increased."]
    assert [one.confidence for one in said] == [round(changes[0].confidence, 4)]


def test_the_history_is_told_to_the_model_and_written_nowhere(predictor: Predictor, pair: Path) -> None:
    (pair / "list.csv").write_text("path,history\nnew.dcm,Zebra fever\n", encoding="utf-8")
    ((study,), _) = find_studies([pair / "list.csv"])
    ready = read_study(study, predictor, Row(study.id, ""), repair=False)
    assert isinstance(ready, Ready)
    assert ready.ask[1][0].question == "Clinical history: Zebra fever\nDescribe the findings."
    assert "Zebra" not in json.dumps(reported(ready, predictor).to_json())


def test_without_priors_the_questions_are_what_they_were(predictor: Predictor, pair: Path) -> None:
    ready = read(pair, predictor, "1.2.1")
    assert isinstance(ready, Ready)
    assert ready.ask[1] == samples_for([ready.shown])
    assert len(ready.ask[1]) == 1 + len(FINDINGS)


def test_a_text_below_the_least_confidence_is_withheld(predictor: Predictor, pair: Path) -> None:
    ready = read(pair, predictor)
    assert isinstance(ready, Ready)
    (answers,) = predictor.answer([ready.ask])
    sure = make_report(ready, answers, "key", "", min_confidence=answers[0].confidence)
    assert sure.abstained == ""
    unsure = make_report(ready, answers, "key", "", min_confidence=1.0)
    assert "below the 1.00 that was asked for" in unsure.abstained
    assert set(unsure.sections) == {"technique", "comparison"}
    assert unsure.findings == ()
    assert answers[0].text not in json.dumps(unsure.to_json())


def test_the_least_confidence_is_in_the_key(predictor: Predictor) -> None:
    assert len({run_key(predictor, False), run_key(predictor, False, None, 0.5)}) == 2


def test_what_a_header_does_not_say_is_in_the_notes_of_the_report(
    predictor: Predictor, pair: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predictor, "identity", replace(predictor.identity, accepts=Accepts(views=("PA",))))
    report = reported(read(pair, predictor), predictor)
    assert "the header does not say its view: not checked" in report.origin.notes
    assert "The header does not say its view" in report.sections["technique"]


def test_a_study_that_the_model_does_not_take_is_a_skipped_row(
    predictor: Predictor, pair: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predictor, "identity", replace(predictor.identity, accepts=Accepts(body_parts=("FOOT",))))
    row = read(pair, predictor)
    assert isinstance(row, Row)
    assert (row.status, "the model takes the body parts FOOT; this is CHEST" in row.reason) == ("skipped", True)


def boxed(predictor: Predictor, pair: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Ready, list[Any]]:
    monkeypatch.setattr(predictor, "identity", replace(predictor.identity, kinds=("box", "report")))
    ready = read(pair, predictor, "1.2.1")
    assert isinstance(ready, Ready)
    (answers,) = predictor.answer([ready.ask])
    return ready, answers


def test_a_model_that_was_trained_to_is_asked_for_boxes(
    predictor: Predictor, pair: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready, answers = boxed(predictor, pair, monkeypatch)
    assert next(sample.question for sample in ready.ask[1] if sample.kind == "box") == "Give the box of the effusion."
    boxes = [((0.1, 0.2, 0.3, 0.4),), (), ((0.5, 0.5, 0.5, 0.9),), ((-0.5, 0.0, 0.5, 2.0),), ((0.1, 0.2, 0.3, 0.4),)]
    places = [replace(one, boxes=box) for one, box in zip(answers[6:], boxes, strict=True)]
    there = [replace(one, parsed="no" if place == 4 else "yes") for place, one in enumerate(answers[1:6])]
    report = make_report(ready, [answers[0], *there, *places], "key", "")
    assert [one.box for one in report.findings[:5]] == [
        (0.1, 0.2, 0.3, 0.4),
        None,  # unreadable
        None,  # without an area
        (0.0, 0.0, 0.5, 1.0),  # beyond the image
        None,  # of a finding that is not there
    ]


def test_padded_images_and_volumes_are_not_asked_for_boxes(
    predictor: Predictor, pair: Path, write_slices: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_slices(pair / "ct", [0, 5, 10, 15], study="1.2.20")
    monkeypatch.setattr(predictor, "identity", replace(predictor.identity, kinds=("box",)))
    volume = read(pair, predictor, "1.2.20")
    images = predictor.processor.image_processor
    recipes = [recipe.model_copy(update={"resize": "pad"}) for recipe in images.intensity_recipes]
    monkeypatch.setattr(type(images), "intensity_recipes", property(lambda self: recipes))
    padded = read(pair, predictor, "1.2.1")
    assert isinstance(volume, Ready)
    assert isinstance(padded, Ready)
    assert (volume.boxes, padded.boxes) == (False, False)


def test_a_foot_is_reported_without_questions_about_lungs(
    predictor: Predictor, write_dicom: Any, tmp_path: Path
) -> None:
    write_dicom(tmp_path / "foot.dcm", "1.2.9", BodyPartExamined="FOOT")
    ready = read(tmp_path, predictor)
    assert isinstance(ready, Ready)
    assert [sample.kind for sample in ready.ask[1]] == ["report"]
    report = reported(ready, predictor)
    assert report.sections["technique"].startswith("Foot radiograph. Series 1")


def test_a_model_that_was_not_trained_to_compare_is_shown_no_prior_and_told_no_history(
    predictor: Predictor, pair: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predictor, "identity", replace(predictor.identity, reads=()))
    (pair / "list.csv").write_text("path,prior,history\nnew.dcm,old.dcm,Fever\n", encoding="utf-8")
    ((study,), _) = find_studies([pair / "list.csv"])
    ready = read_study(study, predictor, Row(study.id, ""), repair=False)
    assert isinstance(ready, Ready)
    assert ready.ask[1] == samples_for([ready.shown])
    report = reported(ready, predictor)
    assert report.sections["comparison"] == "The study of 9 days earlier: not shown to the model."
    assert [one.what for one in report.skipped] == ["prior", "clinical history"]
    assert "not trained to compare images" in report.skipped[0].reason
