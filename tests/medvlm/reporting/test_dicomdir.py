"""A DICOMDIR is an index: in a folder it is passed over, named itself it stands for the files it lists."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pydicom
import pytest

from medvlm.reporting.find import find_studies

DISC = Path(pydicom.__file__).parent / "data" / "test_files" / "dicomdirtests"


@pytest.fixture
def disc(write_dicom: Any, tmp_path: Path) -> Path:
    """A disc as pydicom writes it, and a file beside it that it does not list."""
    from pydicom.fileset import FileSet

    index = FileSet()
    for number in range(3):
        day = {
            "StudyDate": "20240101",
            "StudyTime": "120000",
            "StudyID": "1",
            "AccessionNumber": "",
            "PatientID": "Quux",
        }
        index.add(write_dicom(tmp_path / "in" / f"{number}", f"1.2.{number // 2}", number=number + 1, **day))
    index.write(tmp_path / "disc")
    write_dicom(tmp_path / "disc" / "unlisted", "1.9")
    return tmp_path / "disc" / "DICOMDIR"


def test_in_a_folder_it_is_passed_over_and_its_files_are_found(disc: Path) -> None:
    studies, (stray,) = find_studies([disc.parent])
    assert sorted((study.uid, len(study.entries)) for study in studies) == [("1.2.0", 2), ("1.2.1", 1), ("1.9", 1)]
    assert (stray.status, stray.reason.split(",")[0]) == ("skipped", "a DICOMDIR")


def test_named_itself_it_gives_what_it_lists(disc: Path) -> None:
    studies, strays = find_studies([disc])
    assert sorted((study.uid, len(study.entries)) for study in studies) == [("1.2.0", 2), ("1.2.1", 1)]
    assert strays == []


def test_a_file_that_is_missing_is_said_without_its_name(disc: Path) -> None:
    ((study, _), _) = find_studies([disc])
    study.entries[0].path.unlink()
    studies, (stray,) = find_studies([disc])
    assert sum(len(study.entries) for study in studies) == 2
    assert stray.status == "failed"
    assert "of the DICOMDIR: its file is not there" in stray.reason
    assert study.entries[0].path.name not in stray.reason


def test_names_in_small_letters_are_found(disc: Path) -> None:
    for path in sorted(disc.parent.rglob("*"), reverse=True):
        path.rename(path.with_name(path.name.lower()))
    studies, strays = find_studies([disc.with_name("dicomdir")])
    assert (sum(len(study.entries) for study in studies), strays) == (3, [])


@pytest.mark.filterwarnings("ignore:Invalid value for VR CS")
def test_it_leads_nowhere_else(disc: Path) -> None:
    data = pydicom.dcmread(disc)
    images = [record for record in data.DirectoryRecordSequence if "ReferencedFileID" in record]
    images[0].ReferencedFileID = ["..", "in", "0"]
    images[1].ReferencedFileID = "/etc/passwd"
    data.save_as(disc)
    studies, strays = find_studies([disc])
    assert (sum(len(study.entries) for study in studies), len(strays)) == (1, 2)


def test_a_real_disc(tmp_path: Path) -> None:
    shutil.copytree(DISC, tmp_path / "disc")
    studies, strays = find_studies([tmp_path / "disc" / "DICOMDIR"])
    listed = list(pydicom.dcmread(DISC / "DICOMDIR").DirectoryRecordSequence)
    files = [record for record in listed if "ReferencedFileID" in record]
    uids = {record.StudyInstanceUID for record in listed if record.DirectoryRecordType == "STUDY"}
    assert (sum(len(study.entries) for study in studies), strays) == (len(files), [])
    assert {study.uid for study in studies} == uids


def test_one_that_is_cut_off_or_empty_is_said(disc: Path) -> None:
    disc.write_bytes(disc.read_bytes()[:600])
    studies, (stray,) = find_studies([disc])
    assert studies == []
    assert "DICOMDIR" in stray.reason
