"""What is taken from a source's header, and sources that no object can refer to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.config import disable_value_validation
from pydicom.datadict import dictionary_VR

from medvlm.predictor import Predictor
from medvlm.reporting import write_reports
from medvlm.reporting.find import find_studies
from medvlm.reporting.headers import read_header, uncited
from medvlm.reporting.material import edges_of, gather
from medvlm.reporting.pick import pick
from medvlm.reporting.report import Instance, Origin, StudyReport, Used
from medvlm.reporting.writers import Material, packages
from medvlm.reporting.writers.page import write_html
from medvlm.study import Image, ImageError

USED = Used("CT", "current", "CT", "1.2", "1.2.3", (Instance("1.2.840", "1.2.3.4"),))


@pytest.mark.parametrize(
    ("keyword", "given", "kept"),
    [
        ("StudyDate", "1994.11.05", "19941105"),
        ("StudyDate", "20261345", ""),
        ("StudyTime", "11:20:00", "112000"),
        ("StudyTime", "112000.123", "112000.123"),
        ("StudyTime", "late", ""),
        ("PatientSex", "X", ""),
        ("Modality", "", "OT"),
    ],
)
@pytest.mark.filterwarnings("ignore:Invalid value for VR")
def test_values_are_mended_or_empty(keyword: str, given: str, kept: str, tmp_path: Path, write_dicom: Any) -> None:
    data = pydicom.dcmread(write_dicom(tmp_path / "a.dcm"))
    with disable_value_validation():
        data.add_new(keyword, dictionary_VR(keyword), given)
        data.save_as(tmp_path / "a.dcm")
    assert read_header(tmp_path / "a.dcm")[keyword].value == kept


def test_free_text_stays_behind_and_what_must_be_there_is(tmp_path: Path, write_dicom: Any) -> None:
    header = read_header(write_dicom(tmp_path / "a.dcm", PatientIdentityRemoved="YES", DeidentificationMethod=""))
    assert not {"StudyDescription", "PatientComments", "InstitutionName"} & set(header.dir())
    assert header.AccessionNumber == ""
    assert header.DeidentificationMethod


@pytest.mark.parametrize(
    ("used", "words"),
    [
        (USED, ""),
        (replace(USED, study_uid=""), "StudyInstanceUID (0020,000D)"),
        (replace(USED, series_uid="invalid-0123456789abcdef"), "SeriesInstanceUID (0020,000E)"),
        (replace(USED, instances=()), "SOPInstanceUID (0008,0018)"),
        (replace(USED, instances=(Instance("", "1.2.3"),)), "SOPClassUID (0008,0016)"),
        (replace(USED, instances=(Instance("1.2.840.10008.5.1.4.1.1.6", "1.2.3"),)), "retired"),
    ],
)
def test_what_no_object_can_refer_to_is_named(used: Used, words: str) -> None:
    assert words in uncited(used)
    assert bool(uncited(used)) == bool(words)


@pytest.mark.usefixtures("brief")
def test_a_source_without_uids_gets_a_report_and_the_reason_why_no_object(
    predictor: Predictor, tmp_path: Path, write_dicom: Any
) -> None:
    data = pydicom.dcmread(write_dicom(tmp_path / "in" / "a.dcm"))
    del data.StudyInstanceUID
    data.save_as(tmp_path / "in" / "a.dcm")
    for done, kept in ((1, 0), (0, 1)):
        summary = write_reports(tmp_path / "in", tmp_path / "out", model=predictor, forms=["sr", "capture", "fhir"])
        assert (summary.done, summary.kept) == (done, kept)
        assert "no DICOM objects: the source has no valid StudyInst" in (tmp_path / "out" / "studies.csv").read_text()
    assert not list((tmp_path / "out").glob("*.dcm"))
    assert list((tmp_path / "out").glob("*.fhir.json"))


@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize("error", [ImageError("of Zebedee"), ValueError("of Zebedee"), KeyError("Zebedee")])
def test_a_form_that_cannot_be_made_fails_its_study_alone(
    error: Exception, predictor: Predictor, tmp_path: Path, write_dicom: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 2):
        write_dicom(tmp_path / "in" / f"{number}.dcm", f"1.2.{number}")

    def broken(report: Any, *rest: Any) -> Any:
        if report.current.study_uid == "1.2.1":
            raise error
        return []

    monkeypatch.setattr("medvlm.reporting.writers.fhir._observations", broken)
    summary = write_reports(tmp_path / "in", tmp_path / "out", model=predictor, forms=["fhir"])
    assert (summary.done, summary.failed) == (1, 1)
    assert len(list((tmp_path / "out").glob("*.json"))) == 2
    said = (tmp_path / "out" / "studies.csv").read_text()
    assert ("Zebedee" in said) == isinstance(error, ImageError)


@pytest.mark.parametrize(
    ("axes", "orientation", "edges"),
    [("yx", "PL", "RALP"), ("yx", "IL", "RHLF"), ("yx", "IP", "AHPF"), ("zyx", "SPR", "LARP"), ("yx", None, "")],
)
def test_edges_are_named_as_viewers_name_them(axes: str, orientation: str | None, edges: str) -> None:
    assert edges_of(Image(np.zeros((2,) * len(axes)), axes, orientation=orientation)) == edges


def test_edges_of_a_radiograph_are_those_of_its_header(tmp_path: Path, write_dicom: Any, predictor: Predictor) -> None:
    recipes = predictor.processor.image_processor.intensity_recipes
    (study,), _ = find_studies([write_dicom(tmp_path / "a.dcm", PatientOrientation=["L", "F"])])
    chosen = pick(study, recipes).chosen
    assert chosen is not None
    assert gather(chosen, 0, recipes, ["html"], dicom=True).edges == "RHLF"
    assert gather(chosen, 0, recipes, ["sr"], dicom=True).edges == ""


@pytest.mark.usefixtures("pango")
def test_every_page_of_a_long_report_says_what_it_is() -> None:
    report = StudyReport(
        study="0" * 16,
        run="1" * 16,
        stamp="s",
        created="2026-01-02T03:04:05+00:00",
        sections={"findings": "There is a small effusion. " * 600},
        sentences=(),
        findings=(),
        images=(USED,),
        origin=Origin("m", "w", "p", {}, "0"),
        disclaimer="Research software: not for clinical use.",
    )
    page = write_html(report, Material()).decode()
    pages = packages.weasyprint().HTML(string=page).render().pages
    assert len(pages) >= 3
    boxes = [list(one._page_box.descendants()) for one in pages]
    words = ["".join(getattr(box, "text", "") for box in inside) for inside in boxes]
    assert all("not for clinical use" in said for said in words)
