"""A question is asked of the same image of a study that would be reported, with an earlier study before it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from medvlm.asking_study import show_any
from medvlm.predictor import Predictor, load
from medvlm.study import GeometryError, RecipeMismatch


@pytest.fixture(scope="module")
def predictor(model_folder: Path) -> Predictor:
    return load(model_folder, device="cpu")


@pytest.fixture
def radiographs(tmp_path: Path) -> Path:
    """A study of a lateral and a frontal view, and a scan of another object."""
    import pydicom
    from pydicom.data import get_testdata_file

    data = pydicom.dcmread(str(get_testdata_file("CT_small.dcm")))
    data.Modality, data.StudyInstanceUID = "DX", "1.2.9"
    (tmp_path / "now").mkdir()
    for number, view in enumerate(("LL", "PA"), start=1):
        data.ViewPosition, data.SOPInstanceUID, data.SeriesInstanceUID = view, f"1.2.9.{number}", f"1.2.9.1.{number}"
        data.SeriesNumber = number
        data.save_as(tmp_path / "now" / f"{number}.dcm")
    (tmp_path / "now" / "note.txt").write_text("Dear colleague,", encoding="utf-8")
    return tmp_path / "now"


def test_the_frontal_view_is_shown_and_the_other_is_named(predictor: Predictor, radiographs: Path) -> None:
    shown = show_any(predictor, radiographs)
    assert shown.source == predictor.show(radiographs / "2.dcm").source
    assert any(note.startswith("skipped series 1, image 1: DX LL: one image is taken") for note in shown.notes)


def test_several_questions_cost_one_read(
    predictor: Predictor, radiographs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[Any] = []
    real = Predictor.show

    def counted(*given: Any, **more: Any) -> Any:
        reads.append(given)
        return real(*given, **more)

    monkeypatch.setattr(Predictor, "show", counted)
    answers = predictor.predict(radiographs, ["Is there fluid?", "Which side?", "Is it large?"], max_new_tokens=2)
    assert (len(answers), len(reads)) == (3, 1)
    assert "skipped series 1" in " ".join(answers[0].provenance.notes)


def test_a_prior_is_shown_first_and_the_model_is_told(
    predictor: Predictor, radiographs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    real = Predictor.answer

    def noted(own: Predictor, asks: Any, **more: Any) -> Any:
        asked.extend(asks)
        return real(own, asks, **more)

    monkeypatch.setattr(Predictor, "answer", noted)
    answer = predictor.predict(radiographs, "Has the effusion grown?", prior=radiographs / "1.dcm", max_new_tokens=2)
    ((shown, (sample,)),) = asked
    assert [one.source for one in shown] == [predictor.show(radiographs / f"{n}.dcm").source for n in (1, 2)]
    assert sample.question.startswith("The images, in order: an earlier study, and the current study")
    assert (answer.question, answer.kind) == ("Has the effusion grown?", "closed")


def test_what_the_model_does_not_take_is_refused_image_by_image(
    predictor: Predictor, radiographs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from medvlm.recipes import RECIPES

    images = type(predictor.processor.image_processor)
    monkeypatch.setattr(images, "intensity_recipes", property(lambda self: [RECIPES["ct"]]))
    with pytest.raises(RecipeMismatch, match=r"the model takes no DX \(it takes CT\).*the model takes no DX"):
        show_any(predictor, radiographs)


def test_two_studies_in_a_folder_are_refused(predictor: Predictor, radiographs: Path) -> None:
    import pydicom

    data = pydicom.dcmread(radiographs / "1.dcm")
    data.StudyInstanceUID = "1.2.10"
    data.save_as(radiographs / "1.dcm")
    with pytest.raises(GeometryError, match="2 studies"):
        show_any(predictor, radiographs)


def test_nothing_there_is_said(predictor: Predictor, tmp_path: Path) -> None:
    with pytest.raises((FileNotFoundError, ValueError)):
        show_any(predictor, tmp_path / "gone")


def test_a_prior_that_the_model_was_not_trained_to_read_is_noted(
    predictor: Predictor, radiographs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = predictor.predict(radiographs, "Is it larger?", prior=radiographs / "1.dcm", max_new_tokens=1)
    assert "not trained" not in " ".join(answer.provenance.notes)
    monkeypatch.setattr(predictor, "identity", replace(predictor.identity, reads=()))
    answer = predictor.predict(radiographs, "Is it larger?", prior=radiographs / "1.dcm", max_new_tokens=1)
    assert "not trained to compare images" in " ".join(answer.provenance.notes)
