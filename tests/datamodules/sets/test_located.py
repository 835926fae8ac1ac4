"""MS-CXR and VinDr-CXR: boxes in pixels become shares, readers become one."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

from medvlm.datamodules.sets import LoadReport
from medvlm.datamodules.sets.boxes import as_shares, from_xywh, merge_readers, numbers, overlap
from medvlm.datamodules.sets.ms_cxr import load_ms_cxr
from medvlm.datamodules.sets.records import UnusableRecordError
from medvlm.datamodules.sets.vindr import dicom_size, load_vindr
from medvlm.evaluation.metrics import box_iou

RELEASES = Path(__file__).parent / "releases"
MS_CXR = SimpleNamespace(**runpy.run_path(str(RELEASES / "ms_cxr.py")))
VINDR = SimpleNamespace(**runpy.run_path(str(RELEASES / "vindr.py")))


@pytest.fixture
def ms_cxr(tmp_path: Path) -> Path:
    MS_CXR.write(tmp_path)
    return tmp_path


@pytest.fixture
def vindr(tmp_path: Path) -> Path:
    VINDR.write(tmp_path)
    return tmp_path


def test_width_and_height_are_not_taken_for_a_corner(ms_cxr: Path) -> None:
    answers = {sample.extra["label_text"]: sample.answer for sample in load_ms_cxr(ms_cxr, "test")}
    assert answers["left apical pneumothorax"] == "0.50 0.08 0.75 0.24"
    assert answers["the heart is large, unchanged"] == "0.90 0.04 1.00 0.40"  # cut off at the border


def test_the_rows_of_a_phrase_are_one_question(ms_cxr: Path) -> None:
    samples = {sample.extra["label_text"]: sample for sample in load_ms_cxr(ms_cxr, "test", several="hull")}
    both = samples["bilateral effusions"]
    assert len(samples) == 3
    assert both.answer == "0.05 0.80 0.90 0.92"
    assert both.extra["boxes"] == [(100, 2000, 400, 2300), (1500, 2000, 1800, 2300)]
    assert (both.group, both.categories["category"]) == ("10233088", "Pleural Effusion")


def test_version_1_0_has_no_splits_and_all_of_it_is_test(tmp_path: Path) -> None:
    lines = [line.rpartition(",")[0] for line in MS_CXR.ROWS.splitlines()]
    (tmp_path / "MS_CXR_Local_Alignment_v1.0.0.csv").write_text("\n".join(lines))
    report = LoadReport()
    assert len(list(load_ms_cxr(tmp_path, "test", report=report))) == 3
    assert report.absent_images == 3


def test_readers_of_train_are_merged_and_no_finding_is_no_box(vindr: Path) -> None:
    samples = {sample.id: sample for sample in load_vindr(vindr, "train")}
    assert samples["00a1-Cardiomegaly"].answer == "0.28 0.20 0.78 0.60"  # the mean of two readers, 400 x 500 pixels
    assert set(samples) == {"00a1-Cardiomegaly", "00a1-Other_disease"}
    assert len(samples["00a1-Cardiomegaly"].extra["rows"]) == 2


def test_boxes_of_test_are_kept_and_cut_off_at_the_border(vindr: Path) -> None:
    samples = {sample.id: sample for sample in load_vindr(vindr, "test", several="hull")}
    assert samples["00a1-Nodule/Mass"].answer == "0.00 0.30 1.00 0.50"
    assert samples["00a1-Pleural_effusion"].answer == "0.00 0.60 1.00 1.00"
    assert samples["00a1-Cardiomegaly"].images[0].path == vindr / "test/00a1.dicom"


def test_kaggles_table_is_read_too(vindr: Path) -> None:
    (vindr / "annotations/annotations_train.csv").unlink()
    (vindr / "train.csv").write_text(
        "image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max\n00a1,No finding,14,R1,,,,\n"
        "00a1,Cardiomegaly,3,R9,0,0,200,250\n"
    )
    assert [sample.answer for sample in load_vindr(vindr, "train")] == ["0.00 0.00 0.50 0.50"]


def test_the_size_comes_from_the_header_and_a_broken_one_is_counted(vindr: Path) -> None:
    assert dicom_size(vindr / "test/00a1.dicom") == (400, 500)
    (vindr / "test/00c3.dicom").write_bytes(b"no DICOM at all")
    report = LoadReport()
    list(load_vindr(vindr, "test", report=report))
    assert report.skipped["the image's header has no Rows and Columns"] == 1


def test_a_name_that_no_file_can_have_is_an_absent_image(vindr: Path) -> None:
    table = vindr / "annotations/annotations_test.csv"
    table.write_text(table.read_text().replace("00c3", "x" * 300))
    report = LoadReport()
    list(load_vindr(vindr, "test", report=report))
    assert report.skipped["image absent, and with it the size that its boxes need"] == 1


def test_boxes_merge_through_each_other() -> None:
    chain = [(0.0, 0.0, 10.0, 10.0), (5.0, 0.0, 15.0, 10.0), (10.0, 0.0, 20.0, 10.0)]
    assert overlap(chain[0], chain[2]) == 0
    assert merge_readers(chain, 0.1) == merge_readers(chain[::-1], 0.1) == [(5.0, 0.0, 15.0, 10.0)]
    assert len(merge_readers(chain, 0.5)) == 3
    assert overlap(chain[0], chain[1]) == box_iou(chain[0], chain[1])


@pytest.mark.parametrize("box", [(500, 0, 900, 100), (90, 10, 10, 90), (10, 10, 11, 90), (-9, -9, -1, -1)])
def test_boxes_that_are_no_answer_are_refused(box: tuple[float, float, float, float]) -> None:
    with pytest.raises(UnusableRecordError, match="box lies outside"):
        as_shares(box, 400, 400, "1")


@pytest.mark.parametrize("values", [["1", "2", "3"], ["1", "2", "3", ""], ["1", "2", "3", "nan"], [None] * 4])
def test_what_is_no_box_is_refused(values: list[str | None]) -> None:
    with pytest.raises(UnusableRecordError, match="box is not four numbers"):
        numbers(values, "1")


def test_an_image_without_size_and_unknown_options_are_refused(ms_cxr: Path) -> None:
    with pytest.raises(UnusableRecordError, match="size of the image is not known"):
        as_shares((0, 0, 1, 1), 0, 10, "1")
    assert from_xywh((1, 2, 3, 4)) == (1, 2, 4, 6)
    with pytest.raises(ValueError, match="several='all'"):
        load_ms_cxr(ms_cxr, "test", several="all")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="merge_iou=2"):
        load_vindr(ms_cxr, "test", merge_iou=2)


def test_all_boxes_of_a_phrase_or_class_may_be_the_answer(ms_cxr: Path, vindr: Path) -> None:
    """The list and the box around all agree at their borders, and a single box is written as before."""
    lists = {sample.id: sample.answer for sample in load_ms_cxr(ms_cxr, "test", several="list")}
    hulls = {sample.id: sample.answer for sample in load_ms_cxr(ms_cxr, "test", several="hull")}
    single = {sample.id: sample.answer for sample in load_ms_cxr(ms_cxr, "test")}
    (both,) = (answer for answer in lists.values() if ";" in answer)
    assert both == "0.05 0.80 0.20 0.92; 0.75 0.80 0.90 0.92"
    assert lists.keys() == hulls.keys()
    assert single.items() <= lists.items()
    found = {sample.id: sample.answer for sample in load_vindr(vindr, "test", several="list")}
    assert ";" in found["00a1-Pleural_effusion"]
    assert ";" not in found["00a1-Cardiomegaly"]
