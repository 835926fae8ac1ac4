"""CT-RATE: on the released metadata table, and on a small release."""

from __future__ import annotations

import csv
import runpy
import shutil
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch

from medvlm.datamodules.cache import PixelCache
from medvlm.datamodules.sets import LoadReport, load_set
from medvlm.datamodules.sets.ct_rate import load_ct_rate
from medvlm.datamodules.sets.ct_rate_tables import read_metadata, spacing
from medvlm.study import Sample, SampleError

DATA = Path(__file__).resolve().parents[4] / "shared" / "data" / "ct_rate_metadata"
RELEASE = SimpleNamespace(**runpy.run_path(str(Path(__file__).parent / "releases" / "ct_rate.py")))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    RELEASE.write(tmp_path)
    return tmp_path


@pytest.fixture
def released(tmp_path: Path) -> Path:
    """The released metadata table, with a report that says nothing for each of its volumes."""
    if not DATA.is_dir():
        pytest.skip("no ../shared/data/ct_rate_metadata: the real table is not beside this checkout")
    (tmp_path / "metadata").mkdir()
    (tmp_path / "radiology_text_reports").mkdir()
    shutil.copy(DATA / "validation_metadata.csv", tmp_path / "metadata")
    with (tmp_path / "radiology_text_reports/validation_reports.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["VolumeName", "ClinicalInformation_EN", "Technique_EN", "Findings_EN", "Impressions_EN"])
        for name in read_metadata(tmp_path / "metadata/validation_metadata.csv"):
            table.writerow([f"{name}.nii.gz", "", "", "Findings.", "Impression."])
    return tmp_path


def by_id(root: Path, **options: Any) -> dict[str, Sample]:
    return {sample.id: sample for sample in load_ct_rate(root, "validate", **options)}


def test_the_released_table_has_the_published_numbers(released: Path) -> None:
    report = LoadReport()
    samples = list(load_set("ct_rate", released, "validate", report=report, strict_counts=True))
    assert len(samples) == report.kept == 3039
    assert len({sample.group for sample in samples}) == 1304
    assert len({sample.extra["scan"] for sample in samples}) == 1564
    rescales = Counter(sample.images[0].rescale for sample in samples)
    assert rescales == {(1.0, -1024.0): 2189, (1.0, -8192.0): 850}
    makers = {s.categories["manufacturer"] for s in samples if s.images[0].rescale == (1.0, -8192.0)}
    assert makers == {"Siemens Healthineers"}
    assert len(list(load_ct_rate(released, "validate", reconstructions="first"))) == 1564


def test_every_spacing_of_the_released_table_is_read(released: Path) -> None:
    rows = read_metadata(released / "metadata/validation_metadata.csv").values()
    depths = [spacing(row)[0] for row in rows]
    assert (min(depths), max(depths)) == (0.75, 5.0)
    with pytest.raises(SampleError, match="no spacing"):
        spacing({"XYSpacing": "0.5", "ZSpacing": "1"})


def test_a_volume_with_its_report_rescale_and_patient(root: Path) -> None:
    sample = by_id(root)["valid_2_b_1"]
    image = sample.images[0]
    assert (image.volume, image.rescale) == (True, (1.0, -8192.0))
    assert image.path == root / "dataset/valid/valid_2/valid_2_b/valid_2_b_1.nii.gz"
    assert (sample.answer, sample.group, sample.split) == ("FINDINGS: Nodule.", "valid_2", "validate")
    assert sample.question == "Write the findings and impression of the report on this chest CT."
    assert sample.extra["XYSpacing"] == "[0.7, 0.7]"


def test_from_the_table_to_the_pixels_both_trees_end_in_hu(root: Path) -> None:
    hu = np.full((12, 16, 16), -1000, np.int16)
    hu[4:8, 4:12, 4:12] = 40
    fixed, first = "valid_fixed/valid_1/valid_1_a/valid_1_a_1.nii.gz", "valid/valid_2/valid_2_b/valid_2_b_1.nii.gz"
    nib.save(nib.Nifti1Image(hu, np.eye(4)), root / "dataset" / fixed)
    nib.save(nib.Nifti1Image(hu + 8192, np.eye(4)), root / "dataset" / first)
    cache = PixelCache(lambda image: torch.from_numpy(image.array.astype(np.float32)))
    for sample in load_ct_rate(root, "validate", absent="skip"):
        np.testing.assert_array_equal(np.unique(cache(sample.images[0])), [-1000, 40])


def test_the_fixed_tree_is_preferred(root: Path) -> None:
    first = root / "dataset/valid/valid_1/valid_1_a/valid_1_a_1.nii.gz"
    first.parent.mkdir(parents=True)
    first.write_bytes(b"not read")
    assert "valid_fixed" in by_id(root)["valid_1_a_1"].images[0].path.parts


def test_one_reconstruction_a_scan(root: Path) -> None:
    assert set(by_id(root, reconstructions="first")) == {"valid_1_a_1", "valid_2_b_1"}


def test_labels_as_a_list_and_one_by_one(root: Path) -> None:
    listed = by_id(root, ask="list")
    assert {name: sample.answer for name, sample in listed.items()} == {
        "valid_1_a_1": "Medical material, Lung nodule",
        "valid_2_b_1": "none",
    }
    closed = by_id(root, ask="closed")
    assert len(closed) == 36
    assert closed["valid_1_a_1-Lung_nodule"].answer == "yes"
    assert closed["valid_2_b_1-Lung_nodule"].answer == "no"


def test_volumes_known_to_be_broken_are_left_out(root: Path) -> None:
    reports = root / "dataset/radiology_text_reports/train_reports.csv"
    reports.write_text(reports.read_text().replace("train_2_b_1", "train_1267_a_4"))
    report = LoadReport()
    list(load_ct_rate(root, "train", report=report))
    assert report.skipped["volume is known to be broken"] == 1


@pytest.mark.parametrize("value", ["", "nan", "x"])
def test_a_volume_without_a_rescale_is_left_out_not_guessed(root: Path, value: str) -> None:
    metadata = root / "dataset/metadata/validation_metadata.csv"
    metadata.write_text(metadata.read_text().replace("-8192", value))
    assert "valid_2_b_1" not in by_id(root)


def test_without_the_metadata_table_nothing_is_given(root: Path) -> None:
    (root / "dataset/metadata/validation_metadata.csv").unlink()
    with pytest.raises(FileNotFoundError, match="validation_metadata"):
        load_ct_rate(root, "validate")
    with pytest.raises(ValueError, match="no test split"):
        load_ct_rate(root, "test")
