"""Files: read back by pydicom and nibabel, judged by dciodvfy, the same volume in both formats."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import pytest
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut

from medvlm.datamodules.phantoms.findings import Study, sample_patients
from medvlm.datamodules.phantoms.render import WINDOW, render_radiograph, render_volume
from medvlm.datamodules.phantoms.slab import render_slab
from medvlm.datamodules.phantoms.write import NOTICE, uid_of, write_nifti, write_radiograph, write_series, write_slab


def _patient() -> tuple[Study, ...]:
    """The first patient with a prior and a follow-up."""
    return next(patient for patient in sample_patients(4, 50) if len(patient) == 2)


def _verify(path: Path) -> str:
    """What dciodvfy says about a file."""
    if shutil.which("dciodvfy") is None:
        pytest.skip("no dciodvfy: apt-get install dicom3tools")
    said = subprocess.run(["dciodvfy", "-new", str(path)], capture_output=True, text=True, check=False)
    return said.stdout + said.stderr


@pytest.fixture
def study() -> Study:
    return _patient()[-1]


def test_radiograph_reads_back_exactly(study: Study, tmp_path: Path) -> None:
    image = render_radiograph(study, 64)
    write_radiograph(study, image, tmp_path / "image.dcm")
    file = pydicom.dcmread(tmp_path / "image.dcm")
    assert np.array_equal(apply_modality_lut(file.pixel_array, file), image.pixels)
    shown = apply_voi_lut(file.pixel_array, file)
    low, high = (WINDOW[0] - 0.5) - (WINDOW[1] - 1) / 2, (WINDOW[0] - 0.5) + (WINDOW[1] - 1) / 2
    assert shown[image.pixels <= low].max(initial=0) == 0
    assert (shown[image.pixels > high] == 4095).all()


def test_radiograph_says_that_it_is_a_phantom(study: Study, tmp_path: Path) -> None:
    write_radiograph(study, render_radiograph(study, 64), tmp_path / "image.dcm")
    file = pydicom.dcmread(tmp_path / "image.dcm")
    assert NOTICE in file.ImageComments
    assert NOTICE in file.SeriesDescription
    assert file.PatientID == study.patient
    assert str(file.PatientName) == study.patient.replace("-", "^")
    assert (file.ViewPosition, file.BurnedInAnnotation) == ("PA", "NO")
    assert list(file.PatientOrientation) == ["L", "F"]


def test_uids_are_valid_stable_and_distinct(study: Study, tmp_path: Path) -> None:
    texts = {uid_of(study, "image", number) for number in range(100)}
    assert len(texts) == 100
    assert all(pydicom.uid.UID(text).is_valid for text in texts)
    for name in ("one.dcm", "two.dcm"):
        write_radiograph(study, render_radiograph(study, 64), tmp_path / name)
    assert (tmp_path / "one.dcm").read_bytes() == (tmp_path / "two.dcm").read_bytes()


def test_prior_and_follow_up_share_the_patient_and_nothing_else(tmp_path: Path) -> None:
    patient = _patient()
    for one in patient:
        write_radiograph(one, render_radiograph(one, 64), tmp_path / f"{one.number}.dcm")
    before, after = (pydicom.dcmread(tmp_path / f"{number}.dcm") for number in (0, 1))
    assert before.PatientID == after.PatientID
    assert before.StudyDate < after.StudyDate
    for key in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        assert before[key].value != after[key].value


def test_series_and_nifti_are_the_same_volume(study: Study, tmp_path: Path) -> None:
    volume = render_volume(study, (10, 16, 20))
    write_series(study, volume, tmp_path / "ct")
    write_nifti(volume, tmp_path / "ct.nii.gz")
    files = sorted(
        (pydicom.dcmread(path) for path in (tmp_path / "ct").iterdir()), key=lambda f: f.ImagePositionPatient[2]
    )
    nifti: Any = nib.load(tmp_path / "ct.nii.gz")
    assert nib.orientations.aff2axcodes(nifti.affine) == ("R", "A", "S")
    for column, row, slice_ in ((0, 0, 0), (7, 3, 5), (19, 15, 9)):
        file = files[slice_]
        left, back, up = np.array(file.ImagePositionPatient, dtype=float)
        place = np.array([-(left + column * file.PixelSpacing[1]), -(back + row * file.PixelSpacing[0]), up, 1])
        voxel = np.rint(np.linalg.inv(nifti.affine) @ place)[:3].astype(int)
        assert nifti.get_fdata()[tuple(voxel)] == file.pixel_array[row, column] == volume.array[slice_, row, column]


def test_series_is_regular_and_in_hounsfield_units(study: Study, tmp_path: Path) -> None:
    write_series(study, render_volume(study, (10, 16, 20)), tmp_path / "ct")
    files = [pydicom.dcmread(path) for path in sorted((tmp_path / "ct").iterdir())]
    assert len({file.SOPInstanceUID for file in files}) == 10
    assert len({file.SeriesInstanceUID for file in files}) == 1
    steps = np.diff([float(file.ImagePositionPatient[2]) for file in files])
    assert steps == pytest.approx(36.0)
    assert all(file.RescaleType == "HU" and file.Modality == "CT" for file in files)


def test_a_coronal_slice_leaves_later_series_as_they_are(study: Study, tmp_path: Path) -> None:
    write_slab(study, render_slab(study, 32), tmp_path / "slab.dcm")
    write_series(study, render_volume(study, (8, 16, 20)), tmp_path / "ct")
    first = pydicom.dcmread(tmp_path / "ct" / "0001.dcm")
    assert list(first.ImageOrientationPatient) == [1, 0, 0, 0, 1, 0]
    assert first.ImageType[0] == "ORIGINAL"
    assert "coronal" not in first.SeriesDescription


def test_dciodvfy_finds_no_error(study: Study, tmp_path: Path) -> None:
    write_radiograph(study, render_radiograph(study, 64), tmp_path / "image.dcm")
    write_series(study, render_volume(study, (8, 16, 16)), tmp_path / "ct")
    write_slab(study, render_slab(study, 32), tmp_path / "slice.dcm")
    for path in (tmp_path / "image.dcm", tmp_path / "slice.dcm", *sorted((tmp_path / "ct").iterdir())[:2]):
        said = _verify(path)
        assert "Error" not in said, said
        assert "Image" in said


def test_dciodvfy_would_find_an_error(study: Study, tmp_path: Path) -> None:
    write_radiograph(study, render_radiograph(study, 64), tmp_path / "image.dcm")
    file = pydicom.dcmread(tmp_path / "image.dcm")
    del file.ViewPosition
    file.save_as(tmp_path / "broken.dcm")
    said = subprocess.run(
        ["dciodvfy", "-new", str(tmp_path / "broken.dcm")], capture_output=True, text=True, check=False
    )
    assert "ViewPosition" in said.stderr + said.stdout
