"""CheXpert and CheXpert Plus: labels, paths, reports."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

from medvlm.datamodules.sets import LoadReport
from medvlm.datamodules.sets.chexpert import load_chexpert, load_chexpert_plus
from medvlm.datamodules.sets.labels import OBSERVATIONS, closed_questions, list_answer, states_of

RELEASES = Path(__file__).parent / "releases"
CHEXPERT = SimpleNamespace(**runpy.run_path(str(RELEASES / "chexpert.py")))
PLUS = SimpleNamespace(**runpy.run_path(str(RELEASES / "chexpert_plus.py")))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    CHEXPERT.write(tmp_path)
    return tmp_path


def test_the_release_folder_in_a_path_is_cut_off_wherever_the_root_is(root: Path) -> None:
    below = list(load_chexpert(root / "CheXpert-v1.0-small", "validate"))
    assert below == list(load_chexpert(root, "validate"))
    image = below[0].images[0].path
    assert image == root / "CheXpert-v1.0-small/valid/patient64541/study1/view1_frontal.jpg"


def test_one_question_an_image_lists_its_positive_labels(root: Path) -> None:
    answers = {sample.id: sample.answer for sample in load_chexpert(root, "validate")}
    assert answers["valid/patient64541/study1/view1_frontal.jpg"] == "Edema"
    assert answers["valid/patient64541/study1/view2_lateral.jpg"] == "No Finding"
    assert answers["valid/patient64542/study1/view1_frontal.jpg"] == "No Finding"


def test_only_certain_labels_are_asked_for_one_by_one(root: Path) -> None:
    samples = {sample.id: sample.answer for sample in load_chexpert(root, "validate", ask="closed")}
    first = "valid/patient64541/study1/view1_frontal.jpg"
    assert samples == {
        f"{first}#Edema": "yes",
        f"{first}#Fracture": "no",
        "valid/patient64542/study1/view1_frontal.jpg#Edema": "no",
    }


def test_lateral_images_are_left_out_on_request_and_a_patient_is_a_group(root: Path) -> None:
    views = [sample.categories["view"] for sample in load_chexpert(root, "validate", frontal=True)]
    assert views == ["AP", "AP"]
    groups = [sample.group for sample in load_chexpert(root, "validate")]
    assert groups == ["patient64541", "patient64541", "patient64542"]


def test_no_finding_is_never_asked_for_and_every_other_observation_can_be() -> None:
    asked = [name for name, _, _ in closed_questions(dict.fromkeys(OBSERVATIONS, "negative"))]
    assert asked == list(OBSERVATIONS[1:])
    assert list_answer(dict.fromkeys(OBSERVATIONS, "uncertain")) == "No Finding"
    assert states_of({"Edema": "0"}, "1") == {"Edema": "negative"}


def test_plus_gives_sections_on_one_line_and_png_files(tmp_path: Path) -> None:
    PLUS.write(tmp_path)
    report = LoadReport()
    samples = list(
        load_chexpert_plus(
            tmp_path, "train", sections=("findings", "impression"), context=("clinical_history",), report=report
        )
    )
    assert samples[0].answer == "FINDINGS: Heart is enlarged.\nIMPRESSION: 1. Stable."
    assert samples[2].answer == "IMPRESSION: 1. Stable."
    assert samples[0].question == "Write the findings and impression of the report on this chest X-ray study."
    assert samples[0].images[0].path == tmp_path / "PNG/train/patient00001/study1/view1_frontal.png"
    assert report.records == 3


def test_names_of_sections_are_written_as_words(tmp_path: Path) -> None:
    PLUS.write(tmp_path)
    table = tmp_path / PLUS.TABLE
    table.write_text(table.read_text().replace(",nan,", ",Dyspnea.,"))
    first = next(load_chexpert_plus(tmp_path, "train", sections=("impression",), context=("clinical_history",)))
    assert first.question.startswith("CLINICAL HISTORY: Dyspnea.\nWrite the impression of")


def test_plus_finds_the_jpg_files_of_chexpert_itself(tmp_path: Path, root: Path) -> None:
    PLUS.write(tmp_path / "plus")
    jpg = tmp_path / "jpg/train/patient00001/study1/view1_frontal.jpg"
    jpg.parent.mkdir(parents=True)
    jpg.write_bytes(b"not read")
    first = next(load_chexpert_plus(tmp_path / "plus", "train", images=tmp_path / "jpg"))
    assert first.images[0].path == jpg


def test_neither_has_a_test_split(root: Path) -> None:
    for load in (load_chexpert, load_chexpert_plus):
        with pytest.raises(ValueError, match="no test split"):
            load(root, "test")
