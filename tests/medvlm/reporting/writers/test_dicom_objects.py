"""DICOM objects: valid for an independent checker, in the source's study, marked, the same bytes twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pydicom
import pytest
from pydicom import Dataset

from medvlm.reporting.report import StudyReport
from medvlm.reporting.writers import WRITERS, Material, save_report
from medvlm.reporting.writers.overlay import draw_overlay
from medvlm.study import ImageError

PRINTED = pytest.mark.usefixtures("pango")
Opened = Callable[[bytes], Dataset]


@pytest.fixture(params=[name for name, writer in WRITERS.items() if writer.dicom])
def name(request: pytest.FixtureRequest) -> str:
    if request.param == "encapsulated":
        request.getfixturevalue("pango")
    return str(request.param)


def written(name: str, report: StudyReport, material: Material) -> bytes:
    data = WRITERS[name].write(report, material)
    assert data is not None
    return data


def test_an_independent_checker_finds_no_error(
    name: str, report: StudyReport, material: Material, complaints: Callable[[bytes], Sequence[str]]
) -> None:
    assert complaints(written(name, report, material)) == []


def test_it_lies_in_the_same_study_of_the_same_patient(
    name: str, report: StudyReport, material: Material, opened: Opened
) -> None:
    data = opened(written(name, report, material))
    assert (data.StudyInstanceUID, data.PatientID, data.AccessionNumber) == ("1.2.3", "P|1", "A&1")
    assert str(data.PatientName) == "M\u00fcller^J\u00f6rg"
    assert data.SpecificCharacterSet == "ISO_IR 192"
    assert data.SeriesInstanceUID != "1.2.3.4"
    assert "NOT FOR CLINICAL USE" in data.SeriesDescription
    assert "abc123" in list(data.SoftwareVersions) or name == "seg"


def test_the_same_report_gives_the_same_bytes_and_another_model_another_object(
    name: str, report: StudyReport, material: Material, opened: Opened
) -> None:
    first, again = (written(name, report, material) for _ in range(2))
    assert first == again
    other = opened(written(name, replace(report, run="other"), material))
    assert opened(first).SOPInstanceUID != other.SOPInstanceUID


def texts(data: Dataset) -> list[str]:
    return [str(item.TextValue) for item in walk(data) if "TextValue" in item]


def walk(data: Dataset) -> list[Dataset]:
    items = list(data.get("ContentSequence", []))
    return items + [below for item in items for below in walk(item)]


def test_the_text_survives_in_its_own_letters(report: StudyReport, material: Material, opened: Opened) -> None:
    data = opened(written("sr", report, material))
    assert [report.sections["findings"]] == [text for text in texts(data) if "Erguss rechts" in text]
    assert (data.PreliminaryFlag, data.VerificationFlag) == ("PRELIMINARY", "UNVERIFIED")
    assert "NOT FOR CLINICAL USE" in texts(data)


def test_it_refers_to_exactly_the_instances_that_were_shown(
    report: StudyReport, material: Material, opened: Opened
) -> None:
    for name in ("sr", "tid1500"):
        data = opened(written(name, report, material))
        (study,) = data.CurrentRequestedProcedureEvidenceSequence
        named = {item.ReferencedSOPInstanceUID for item in study.ReferencedSeriesSequence[0].ReferencedSOPSequence}
        assert named == {"1.2.3.4.0", "1.2.3.4.1", "1.2.3.4.2"}


def test_boxes_are_columns_and_rows_of_the_key_image(report: StudyReport, material: Material, opened: Opened) -> None:
    data: Any = highdicom.sr.ComprehensiveSR.from_dataset(opened(written("tid1500", report, material)))
    (group,) = data.content.get_planar_roi_measurement_groups()
    corners = group.roi.value
    assert (corners.min(axis=0).tolist(), corners.max(axis=0).tolist()) == ([15.0, 20.0], [45.0, 40.0])
    assert group.roi.ContentSequence[0].referenced_sop_instance_uid == "1.2.3.4.1"
    assert group.finding_type.meaning == "Pleural effusion"
    assert group.finding_sites[0].laterality.meaning == "Right"
    values = {measurement.name.meaning: measurement.value for measurement in group.get_measurements()}
    assert values == {"Certainty of Finding": 90.0, "Diameter": 12.0}


def test_an_absent_finding_is_said_to_be_absent(report: StudyReport, material: Material, opened: Opened) -> None:
    data: Any = highdicom.sr.ComprehensiveSR.from_dataset(opened(written("tid1500", report, material)))
    groups: list[Any] = data.content.get_image_measurement_groups()
    said = [group.get_qualitative_evaluations()[-1].value.meaning for group in groups]
    assert said == ["Known absent", "The answer could not be read"]


def test_the_mask_comes_back_on_its_slice(report: StudyReport, material: Material, opened: Opened) -> None:
    data = highdicom.seg.Segmentation.from_dataset(opened(written("seg", report, material)))
    found = data.get_pixels_by_source_instance([f"1.2.3.4.{number}" for number in range(3)])[..., 0]
    assert np.array_equal(found.astype(bool), material.masks["nodule"])


def test_masks_of_another_form_are_refused_and_none_gives_none(report: StudyReport, material: Material) -> None:
    with pytest.raises(ImageError, match="another form"):
        WRITERS["seg"].write(report, replace(material, masks={"nodule": np.ones((2, 40, 60), bool)}))
    assert WRITERS["seg"].write(report, replace(material, masks={})) is None
    assert WRITERS["capture"].write(report, replace(material, picture=None)) is None
    assert WRITERS["tid1500"].write(replace(report, findings=()), material) is None


def test_the_overlay_draws_the_box_where_it_is(report: StudyReport, material: Material) -> None:
    assert material.picture is not None
    sheet = draw_overlay(report, material.picture).astype(int)
    orange = (sheet == (255, 120, 30)).all(axis=-1)
    height, width = sheet.shape[:2]
    factor = width // 60
    banner = height - 40 * factor
    column = orange[:, int(0.75 * width)]
    assert column[banner + int(0.75 * 40 * factor)]
    assert not orange[banner + int(0.25 * 40 * factor), int(0.1 * width)]


def test_an_abstention_is_no_complete_report(report: StudyReport, material: Material, opened: Opened) -> None:
    none = replace(report, sections={}, sentences=(), findings=(), abstained="a lateral view")
    data = opened(written("sr", none, material))
    assert data.CompletionFlag == "PARTIAL"
    assert any("a lateral view" in text for text in texts(data))


@PRINTED
def test_the_pdf_is_printed_once_for_both_forms(
    report: StudyReport, material: Material, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_report(tmp_path / "a", report, material, ["encapsulated"])
    monkeypatch.setattr("medvlm.reporting.writers.encapsulated.write_pdf", None)
    save_report(tmp_path / "b", report, material, ["pdf", "encapsulated"])
    name = f"{report.study}.pdf.dcm"
    assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@PRINTED
def test_the_pdf_in_the_object_is_the_pdf(report: StudyReport, material: Material, opened: Opened) -> None:
    data = opened(written("encapsulated", report, material))
    assert data.EncapsulatedDocument[: data.EncapsulatedDocumentLength] == written("pdf", report, material)


def test_a_very_long_text_is_cut_and_said(report: StudyReport, material: Material, opened: Opened) -> None:
    data = opened(written("sr", replace(report, sections={"findings": "a " * 50_000}), material))
    assert isinstance(data, pydicom.Dataset)
    assert any("[cut: 100000 characters]" in text for text in texts(data))
