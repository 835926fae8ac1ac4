"""MIMIC-CXR and MIMIC-CXR-JPG, on small folders in their layout."""

from __future__ import annotations

import runpy
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from medvlm.datamodules.sets import LoadReport, load_set
from medvlm.datamodules.sets.mimic_cxr import load_mimic_cxr, load_mimic_cxr_jpg
from medvlm.study import Sample, SampleError

MIMIC = SimpleNamespace(**runpy.run_path(str(Path(__file__).parent / "releases" / "_mimic.py")))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    MIMIC.tables(tmp_path)
    MIMIC.images(tmp_path, ".jpg")
    MIMIC.report_zip(tmp_path / "mimic-cxr-reports.zip")
    return tmp_path


def by_id(root: Path, split: str = "test", **options: Any) -> dict[str, Sample]:
    return {sample.id: sample for sample in load_mimic_cxr_jpg(root, split, **options)}


def test_a_study_is_one_sample_with_its_views_in_order(root: Path) -> None:
    sample = by_id(root)["s50000001"]
    folder = root / "files/p10/p10000032/s50000001"
    assert [image.path for image in sample.images] == [folder / "aa-pa.jpg", folder / "aa-lat.jpg"]
    assert (sample.answer, sample.kind, sample.group) == ("Clear lungs.", "report", "10000032")
    assert sample.question == "Write the findings of the report on this chest X-ray study."
    assert sample.extra["sections"]["impression"] == "Normal."
    assert sample.extra["labels"] == {"No Finding": "positive"}


def test_studies_of_one_patient_are_one_group(root: Path) -> None:
    assert {sample.group for sample in by_id(root).values()} == {"10000032"}


@pytest.mark.parametrize(("split", "count"), [("train", 1), ("validate", 1), ("all", 4)])
def test_the_official_splits(root: Path, split: str, count: int) -> None:
    assert len(by_id(root, split)) == count


def test_sections_and_context_are_chosen(root: Path) -> None:
    options: dict[str, Any] = {"sections": ("findings", "impression"), "context": ("indication",)}
    samples = by_id(root, **options)
    assert samples["s50000001"].answer == "FINDINGS: Clear lungs.\nIMPRESSION: Normal."
    assert samples["s50000001"].question.startswith("INDICATION: Cough.\nWrite the findings and impression")
    assert samples["s50000003"].answer == "IMPRESSION: No change."


def test_views_are_chosen_and_their_number_bounded(root: Path) -> None:
    assert {sample.id: sample.extra["views"] for sample in by_id(root, views=("PA", "AP")).values()} == {
        "s50000001": ["PA"],
        "s50000002": ["AP"],
    }
    assert by_id(root, views=("LATERAL", "PA"))["s50000001"].extra["views"] == ["LATERAL", "PA"]
    assert len(by_id(root, max_images=1)["s50000001"].images) == 1
    report = LoadReport()
    by_id(root, views=["PA"], report=report)
    assert report.skipped["no image of the views asked for"] == 2


def test_labels_are_asked_for_where_they_are_certain(root: Path) -> None:
    closed = by_id(root, ask="closed")
    assert {name: sample.answer for name, sample in closed.items()} == {
        "s50000002-Edema": "yes",
        "s50000002-Fracture": "no",
    }
    listed = by_id(root, ask="list")
    assert {name: sample.answer for name, sample in listed.items()} == {
        "s50000001": "No Finding",
        "s50000002": "Edema",
    }


@pytest.mark.parametrize("before", ["", "mimic-cxr-reports/"])
def test_reports_may_be_a_zip_elsewhere_whatever_stands_before_files(root: Path, tmp_path: Path, before: str) -> None:
    (root / "mimic-cxr-reports.zip").unlink()
    MIMIC.report_zip(tmp_path / "texts.zip", before)
    assert by_id(root, reports=tmp_path / "texts.zip")["s50000001"].answer == "Clear lungs."


def test_without_reports_every_study_is_counted_and_the_way_out_named(root: Path) -> None:
    (root / "mimic-cxr-reports.zip").unlink()
    with pytest.raises(SampleError, match=r"3 skipped: report absent \(set reports to mimic-cxr-reports\.zip"):
        by_id(root)
    assert by_id(root, ask="list")


def test_a_broken_zip_and_one_without_reports_are_named(root: Path) -> None:
    (root / "mimic-cxr-reports.zip").write_bytes(b"PK not a zip")
    with pytest.raises(SampleError, match=r"mimic-cxr-reports\.zip: expected the zip of reports"):
        by_id(root)
    with zipfile.ZipFile(root / "mimic-cxr-reports.zip", "w") as archive:
        archive.writestr("../../evil.txt", "x")
    with pytest.raises(SampleError, match=r"holds no files p10/p10000032/s50414267\.txt"):
        by_id(root)


def test_the_test_list_of_published_results_is_checked(root: Path) -> None:
    report = LoadReport()
    list(load_set("mimic_cxr_jpg", root, "test", report=report))
    assert "2 test reports with findings, published results are on 2,347" in report.notes[0]
    assert "3 test records, the release has 3,269" in report.notes[1]
    report = LoadReport()
    list(load_set("mimic_cxr_jpg", root, "test", report=report, sections=("impression",)))
    assert report.notes == []


def test_the_dicom_release_takes_the_tables_of_the_other_one(root: Path, tmp_path: Path) -> None:
    dicom = tmp_path / "dicom"
    MIMIC.images(dicom, ".dcm", absent=())
    MIMIC.report_files(dicom)
    samples = list(load_mimic_cxr(dicom, "test", tables=root))
    assert [sample.images[0].path.suffix for sample in samples] == [".dcm", ".dcm"]
    with pytest.raises(FileNotFoundError, match=r"mimic-cxr-2\.0\.0-split\.csv"):
        list(load_mimic_cxr(dicom, "test"))
    with pytest.raises(ValueError, match="did you mean 'tables'"):
        list(load_mimic_cxr(dicom, "test", table=root))


def test_without_the_view_table_images_keep_their_order_unless_views_are_asked_for(root: Path) -> None:
    (root / "mimic-cxr-2.0.0-metadata.csv.gz").unlink()
    assert by_id(root)["s50000001"].extra["dicom_ids"] == ["aa-lat", "aa-pa"]
    with pytest.raises(FileNotFoundError, match="metadata"):
        by_id(root, views=("PA",))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"ask": "labels"}, "ask 'labels' is unknown"),
        ({"rule": "loose"}, "rule 'loose' is unknown"),
        ({"sections": "findings"}, "expected a list of section names"),
        ({"sections": ()}, "sections is empty"),
        ({"context": ("findings",)}, "holds a section that is to be written"),
        ({"max_images": 0}, "max_images=0"),
    ],
)
def test_options_that_make_no_sense_are_refused(root: Path, options: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        by_id(root, **options)


def test_a_strange_label_is_named(root: Path) -> None:
    rows = [("10000032", "50000001", *("2" if name == "Edema" else "" for name in MIMIC.LABELS))]
    path = root / "mimic-cxr-2.0.0-chexpert.csv.gz"
    MIMIC.table(path, ("subject_id", "study_id", *MIMIC.LABELS), rows)
    with pytest.raises(SampleError, match="label Edema is not"):
        by_id(root)
