"""Runs that are interrupted, repeated and fed with bad files: nothing is lost, nothing is done twice."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import medvlm
from medvlm.datamodules.phantoms.pyramid import write_pyramid
from medvlm.predictor import Predictor, load
from medvlm.reporting import Summary, write_reports
from medvlm.reporting.writers import WRITERS

pytestmark = pytest.mark.usefixtures("brief")


@pytest.fixture
def studies(write_dicom: Any, tmp_path: Path) -> Path:
    """Five radiographs of five studies."""
    for number in range(5):
        write_dicom(tmp_path / "in" / f"Quux{number}" / "a.dcm", f"1.2.{number}", number=number + 1)
    return tmp_path / "in"


def records(folder: Path) -> dict[str, Any]:
    return {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "studies.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_each_study_gets_a_report_that_says_whence_it_comes(
    predictor: Predictor, studies: Path, tmp_path: Path
) -> None:
    assert write_reports(studies, tmp_path / "out", model=predictor) == Summary(done=5, skipped=0, failed=0)
    found = records(tmp_path / "out")
    assert len(found) == 5
    for name, record in found.items():
        assert record["schema"] == "medvlm.report/2"
        assert record["study"] == name
        assert len(record["findings"]) == 5
        assert record["origin"]["weights"] == predictor.identity.weights
        assert "not for clinical use" in record["disclaimer"]
        uid = record["images"][0]["study_uid"]
        shown = {"sop_class": "1.2.840.10008.5.1.4.1.1.1.1", "uid": f"{uid}.1.{int(uid[-1]) + 1}"}
        assert record["images"][0]["instances"] == [shown]
    assert {row["status"] for row in table(tmp_path / "out")} == {"done"}


@pytest.mark.usefixtures("pango")
def test_every_form_is_written_and_a_lost_one_again(predictor: Predictor, studies: Path, tmp_path: Path) -> None:
    out, forms = tmp_path / "out", ["html", "pdf", "sr", "tid1500", "encapsulated", "capture", "seg", "fhir", "hl7"]
    write_reports(studies, out, model=predictor, forms=forms)
    name = sorted(records(out))[0].partition(".")[0]
    suffixes = {path.name.removeprefix(name) for path in out.glob(f"{name}.*")}
    assert suffixes == {writer.suffix for form, writer in WRITERS.items() if form != "seg"}
    before = (out / f"{name}.sr.dcm").read_bytes()
    (out / f"{name}.sr.dcm").unlink()
    summary = write_reports(studies, out, model=predictor, forms=forms)
    assert (summary.done, summary.kept) == (1, 4)
    assert (out / f"{name}.sr.dcm").read_bytes() == before


@pytest.mark.parametrize("forms", [["docx"], ["html", "sr", "PDF"]])
def test_an_unknown_form_is_refused_before_anything_is_read(
    forms: list[str], predictor: Predictor, studies: Path, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="unknown; expected some of json, html"):
        write_reports(studies, tmp_path / "out", model=predictor, forms=forms)
    assert not (tmp_path / "out").exists()


def test_the_size_of_a_batch_changes_nothing(predictor: Predictor, studies: Path, tmp_path: Path) -> None:
    for batch in (1, 3):
        write_reports(studies, tmp_path / f"out{batch}", model=predictor, batch=batch)
    one, three = records(tmp_path / "out1"), records(tmp_path / "out3")
    assert {
        name: (record["sections"], [part["answer"] for part in record["findings"]]) for name, record in one.items()
    } == {name: (record["sections"], [part["answer"] for part in record["findings"]]) for name, record in three.items()}


def test_run_again_it_does_only_what_is_missing(
    predictor: Predictor, studies: Path, tmp_path: Path, write_dicom: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_reports(studies, tmp_path / "out", model=predictor)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.json")}
    write_dicom(studies / "later.dcm", "1.2.99")
    assert write_reports(studies, tmp_path / "out", model=predictor) == Summary(done=1, skipped=0, failed=0, kept=5)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    monkeypatch.setattr(predictor, "answer", None)
    assert write_reports(studies, tmp_path / "out", model=predictor).kept == 6
    assert len(table(tmp_path / "out")) == 6


def test_a_study_that_grew_is_reported_again(
    predictor: Predictor, studies: Path, tmp_path: Path, write_dicom: Any
) -> None:
    write_reports(studies, tmp_path / "out", model=predictor)
    write_dicom(studies / "more.dcm", "1.2.0", number=7)
    summary = write_reports(studies, tmp_path / "out", model=predictor)
    assert (summary.done, summary.kept) == (1, 4)
    assert "changed" in summary.notices[0]


def test_another_model_writes_all_again_and_says_so(
    predictor: Predictor, model_folder: Path, studies: Path, tmp_path: Path
) -> None:
    write_reports(studies, tmp_path / "out", model=predictor)
    shutil.copytree(model_folder, tmp_path / "other")
    model = load(tmp_path / "other", device="cpu").model
    model.get_input_embeddings().weight.data += 0.01
    model.save_pretrained(tmp_path / "other")
    summary = write_reports(studies, tmp_path / "out", model=tmp_path / "other")
    assert (summary.done, summary.kept) == (5, 0)
    assert "another model" in summary.notices[0]


def test_interrupted_it_keeps_what_is_done_and_goes_on(
    predictor: Predictor, studies: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = Predictor.answer, []

    def interrupted(self: Predictor, asks: Any, **options: Any) -> Any:
        calls.append(len(asks))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(self, asks, **options)

    monkeypatch.setattr(Predictor, "answer", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_reports(studies, tmp_path / "out", model=predictor, batch=2)
    assert len(records(tmp_path / "out")) == len(table(tmp_path / "out")) == 2
    assert write_reports(studies, tmp_path / "out", model=predictor, batch=2) == Summary(3, 0, 0, kept=2)


def test_a_bad_study_is_recorded_and_stops_no_other(
    predictor: Predictor, studies: Path, tmp_path: Path, write_slices: Any
) -> None:
    poison = studies / "Quux0" / "a.dcm"
    poison.write_bytes(poison.read_bytes()[:-100])
    write_slices(studies / "ct", [0, 5, 10, 30], study="1.3")
    (studies / "letter.dcm").write_text("Dear colleague,")
    summary = write_reports(studies, tmp_path / "out", model=predictor)
    assert (summary.done, summary.skipped, summary.failed) == (4, 1, 2)
    reasons = {row["study_uid"]: row["reason"] for row in table(tmp_path / "out") if row["status"] != "done"}
    assert "truncated" in reasons["1.2.0"]
    assert "uneven spacing" in reasons["1.3"] or "gap" in reasons["1.3"]
    assert "plain text" in reasons[""]


def test_a_study_whose_reader_is_not_installed_is_recorded_and_stops_no_other(
    predictor: Predictor, studies: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pyramid(studies / "slide.tif", np.full((300, 300, 3), 200, np.uint8), 0.5)
    monkeypatch.setitem(sys.modules, "openslide", None)
    summary = write_reports(studies, tmp_path / "out", model=predictor)
    assert (summary.done, summary.failed) == (5, 1)
    (reason,) = [row["reason"] for row in table(tmp_path / "out") if row["status"] == "failed"]
    assert "pip install 'medvlm[wsi]'" in reason


def test_a_series_is_read_as_a_volume_though_others_share_its_folder(
    predictor: Predictor, tmp_path: Path, write_slices: Any
) -> None:
    write_slices(tmp_path / "in", [0, 5, 10, 15], series="2")
    write_slices(tmp_path / "in", [0, 5], series="3")
    assert write_reports(tmp_path / "in", tmp_path / "out", model=predictor).done == 1
    (record,) = records(tmp_path / "out").values()
    assert record["images"][0]["what"] == "series 2: CT, 4 slices"
    assert len(record["images"][0]["instances"]) == 4
    assert record["images"][0]["recipe"] == "ct"
    assert record["skipped"][0]["what"] == "series 3: CT, 2 slices"


def test_uneven_slices_are_reported_only_when_asked_for_and_marked(
    predictor: Predictor, tmp_path: Path, write_slices: Any
) -> None:
    write_slices(tmp_path / "in", [0, 5, 10, 20])
    assert write_reports(tmp_path / "in", tmp_path / "out", model=predictor).failed == 1
    assert write_reports(tmp_path / "in", tmp_path / "out", model=predictor, repair=True).done == 1
    (record,) = records(tmp_path / "out").values()
    assert "resampled" in " ".join(record["origin"]["notes"])


def test_a_study_that_killed_the_process_four_times_is_given_up(
    predictor: Predictor, studies: Path, tmp_path: Path
) -> None:
    from medvlm.reporting.find import study_id

    (tmp_path / "out").mkdir()
    journal = {"hand": [study_id("1.2.0"), study_id("1.2.1")], "deaths": {study_id("1.2.0"): 3}}
    (tmp_path / "out" / ".reading.json").write_text(json.dumps(journal))
    summary = write_reports(studies, tmp_path / "out", model=predictor)
    assert (summary.done, summary.failed) == (4, 1)
    (row,) = [row for row in table(tmp_path / "out") if row["status"] == "failed"]
    assert (row["study_uid"], row["reason"][:24]) == ("1.2.0", "the process died 4 times")


def test_limit_and_paths(predictor: Predictor, studies: Path, tmp_path: Path) -> None:
    assert write_reports(studies, tmp_path / "out", model=predictor, limit=2, paths=True).done == 2
    assert {row["place"][:4] for row in table(tmp_path / "out")} == {"Quux"}
    assert write_reports(studies, tmp_path / "out", model=predictor, limit=2) == Summary(2, 0, 0, kept=2)


def test_what_the_model_is_not_sure_of_is_withheld(predictor: Predictor, studies: Path, tmp_path: Path) -> None:
    summary = write_reports(studies, tmp_path / "out", model=predictor, min_confidence=1.0, budget=1)
    assert summary.done == 5
    for record in records(tmp_path / "out").values():
        assert "confidence" in record["abstained"]
        assert not record["findings"]
    assert write_reports(studies, tmp_path / "out", model=predictor).done == 5


@pytest.mark.parametrize("options", [{"batch": 0}, {"limit": -1}, {"budget": 0}, {"min_confidence": 1.5}])
def test_senseless_numbers_are_refused(studies: Path, tmp_path: Path, options: Any) -> None:
    with pytest.raises(ValueError, match=r"expected (?:1 or more|0 to 1)"):
        write_reports(studies, tmp_path / "out", **options)


def test_nothing_to_report_is_said(predictor: Predictor, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nothing at"):
        write_reports(tmp_path / "in", tmp_path / "out", model=predictor)
    (tmp_path / "in").mkdir()
    assert write_reports(tmp_path / "in", tmp_path / "out", model=predictor) == Summary(0, 0, 0)
    assert table(tmp_path / "out") == []


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_real_files_of_every_kind(predictor: Predictor, shared_data: Path, tmp_path: Path) -> None:
    summary = medvlm.write_reports(shared_data / "dicom_pydicom_data", tmp_path / "out", model=predictor)
    assert summary.done >= 20
    rows = table(tmp_path / "out")
    assert len(rows) == summary.done + summary.skipped + summary.failed
    assert all(row["reason"] for row in rows if row["status"] != "done")
