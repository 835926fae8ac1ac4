"""Open-i on the released files (reports only), and on small broken ones. Counts are those measured on the release."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest

from medvlm.datamodules.sets import LoadReport, load_set
from medvlm.datamodules.sets.openi import load_openi, load_openi_r2gen
from medvlm.study import Sample, SampleError

DATA = Path(__file__).resolve().parents[4] / "shared" / "data" / "openi"


@pytest.fixture
def openi() -> Path:
    if not DATA.is_dir():
        pytest.skip("no ../shared/data/openi: the real set is not beside this checkout")
    return DATA


def test_the_archive_of_the_release_has_the_measured_counts(openi: Path) -> None:
    report = LoadReport()
    samples = list(load_set("openi", openi, "train", report=report, strict_counts=True))
    assert report.records == 3955
    assert report.skipped["the report has no image"] == 104
    assert report.kept == len(samples) == 3955 - sum(report.skipped.values())
    assert report.absent_images == len(samples)
    assert sum("XXXX" in "".join(s.extra["sections"].values()) for s in samples) > 1000


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    """Every report of the release that has an image and any text."""
    if not DATA.is_dir():
        pytest.skip("no ../shared/data/openi: the real set is not beside this checkout")
    return list(load_openi(DATA, "all", sections=("findings", "impression", "indication", "comparison")))


def test_sections_are_missing_as_often_as_measured(samples: list[Sample]) -> None:
    measured = {"comparison": 622, "indication": 90, "findings": 530, "impression": 34}
    for name, number in measured.items():  # of all reports, also those without an image or any text
        missing = sum(name not in sample.extra["sections"] for sample in samples)
        assert number - 104 - 28 <= missing <= number


def test_images_per_report_are_as_measured(samples: list[Sample]) -> None:
    counts = Counter(len(sample.images) for sample in samples)
    for images, number in {1: 446, 2: 3208, 3: 181, 4: 15, 5: 1}.items():
        assert number - 28 <= counts[images] <= number
    assert set(counts) == {1, 2, 3, 4, 5}
    names = {image.path.name for sample in samples for image in sample.images}
    assert "CXR1_1_IM-0001-3001.png" in names
    assert "CXR1021_IM-0017-1001-0001.png" in names


@pytest.mark.parametrize("name", ["annotation.json", "annotation_test_key_restored.json"])
def test_both_copies_of_the_r2gen_file_give_the_same_splits(openi: Path, tmp_path: Path, name: str) -> None:
    shutil.copy(openi / "r2gen" / "iu_xray" / name, tmp_path / "annotation.json")
    for split, count in {"train": 2069, "validate": 296, "test": 590}.items():
        samples = list(load_set("openi_r2gen", tmp_path, split, strict_counts=True))
        assert len(samples) == count
        assert {len(sample.images) for sample in samples} == {2}


def test_the_r2gen_splits_share_no_patient_and_hold_the_findings_of_the_xml(openi: Path, samples: list[Sample]) -> None:
    def plain(text: str) -> str:
        return "".join(filter(str.isalnum, text.lower()))

    xml = {sample.id: plain(sample.extra["sections"].get("findings", "")) for sample in samples}
    released = {split: list(load_openi_r2gen(openi / "r2gen", split)) for split in ("train", "validate", "test")}
    groups = {split: {sample.group for sample in found} for split, found in released.items()}
    assert not groups["train"] & (groups["test"] | groups["validate"])
    assert not groups["validate"] & groups["test"]
    assert all(plain(s.answer) == xml[s.group] for found in released.values() for s in found if s.group in xml)


def test_a_damaged_archive_is_named(tmp_path: Path) -> None:
    (tmp_path / "NLMCXR_reports.tgz").write_bytes(b"\x1f\x8b broken")
    with pytest.raises(SampleError, match=r"NLMCXR_reports\.tgz: expected the report archive"):
        list(load_openi(tmp_path, "train"))


def test_a_report_with_a_document_type_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "ecgen-radiology").mkdir()
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa">]><eCitation><uId id="CXR1"/>&a;</eCitation>'
    (tmp_path / "ecgen-radiology" / "1.xml").write_text(bomb)
    with pytest.raises(SampleError, match="no valid XML"):
        list(load_openi(tmp_path, "train"))


def test_the_release_has_no_test_split(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Open-i has no test split"):
        load_openi(tmp_path, "test")


def test_an_r2gen_record_of_an_unknown_split_is_counted(tmp_path: Path) -> None:
    record = {"id": "CXR1_IM-1", "report": "Clear.", "image_path": ["a/0.png"], "split": "test"}
    lists = {"test": [record, {**record, "id": "CXR2_IM-1", "split": "dev"}, "text"]}
    (tmp_path / "annotation.json").write_text(json.dumps(lists))
    report = LoadReport()
    assert len(list(load_openi_r2gen(tmp_path, "test", report=report))) == 1
    assert report.skipped["split is not train, val or test"] == 1
    assert report.records == 3
