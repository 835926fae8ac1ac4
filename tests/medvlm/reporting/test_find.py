"""Studies are found by content, grouped by their UID, and named by hashes."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from medvlm.reporting.find import find_studies


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(np.zeros((4, 4), np.uint8)).save(path, format="PNG")
    return path


def test_files_of_one_study_belong_together_wherever_they_lie(write_dicom: Any, tmp_path: Path) -> None:
    write_dicom(tmp_path / "a" / "IM1", "1.2.3", "1")
    write_dicom(tmp_path / "b" / "c" / "no_suffix", "1.2.3", "2")
    write_dicom(tmp_path / "a" / "IM2", "1.2.4")
    studies, strays = find_studies([tmp_path])
    assert sorted((study.uid, len(study.entries)) for study in studies) == [("1.2.3", 2), ("1.2.4", 1)]
    assert strays == []


def test_a_study_is_named_by_the_hash_of_its_uid(write_dicom: Any, tmp_path: Path) -> None:
    write_dicom(tmp_path / "Doe" / "jane.dcm", "1.2.3")
    ((study,), _) = find_studies([tmp_path])
    assert study.id == hashlib.sha256(b"1.2.3").hexdigest()[:16]


def test_pictures_are_studies_of_their_own_and_keep_their_names_when_more_come(tmp_path: Path) -> None:
    picture(tmp_path / "x" / "a.png")
    ((first,), _) = find_studies([tmp_path])
    picture(tmp_path / "x" / "b.png")
    studies, _ = find_studies([tmp_path])
    assert len(studies) == 2
    assert first in studies


def test_what_is_no_image_is_said(tmp_path: Path) -> None:
    (tmp_path / "note.dcm").write_text("Dear colleague,")
    (tmp_path / "empty.png").touch()
    (tmp_path / ".hidden").write_text("x")
    studies, strays = find_studies([tmp_path])
    assert studies == []
    assert sorted(stray.reason for stray in strays) == [
        "no image: it looks like an empty file",
        "no image: it looks like plain text (UTF-8)",
    ]


def test_a_broken_header_is_a_failure_without_its_content(write_dicom: Any, tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm")
    path.write_bytes(path.read_bytes()[:140])
    _, (stray,) = find_studies([tmp_path])
    assert stray.status == "failed"
    assert str(tmp_path) not in stray.reason


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_a_uid_that_is_none_is_replaced(write_dicom: Any, tmp_path: Path) -> None:
    write_dicom(tmp_path / "a.dcm", StudyInstanceUID="../Doe")
    ((study,), _) = find_studies([tmp_path])
    assert "Doe" not in study.uid + study.id
    assert study.uid.startswith("invalid-")


def test_a_changed_file_changes_the_stamp(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png")
    ((before,), _) = find_studies([tmp_path])
    PIL.Image.fromarray(np.ones((9, 9), np.uint8)).save(path)
    ((after,), _) = find_studies([tmp_path])
    assert before.id == after.id
    assert before.stamp != after.stamp


def test_the_folder_of_reports_is_not_searched(write_dicom: Any, tmp_path: Path) -> None:
    write_dicom(tmp_path / "a.dcm")
    picture(tmp_path / "out" / "key_image.png")
    studies, _ = find_studies([tmp_path], leave_out=tmp_path / "out")
    assert len(studies) == 1


def test_a_file_is_a_root_too_and_no_file_counts_twice(write_dicom: Any, tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a" / "a.dcm")
    studies, _ = find_studies([path, tmp_path])
    assert [len(study.entries) for study in studies] == [1]


@pytest.mark.parametrize("roots", [[], [Path("nothing") / "here"]])
def test_a_missing_folder_is_an_error(roots: list[Path]) -> None:
    with pytest.raises(FileNotFoundError, match="give the folder that holds"):
        find_studies(roots)


def test_a_folder_that_cannot_be_listed_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture(tmp_path / "open" / "a.png")
    picture(tmp_path / "shut" / "b.png")
    scan = os.scandir

    def refuse(path: Any) -> Any:
        if Path(path).name == "shut":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    studies, strays = find_studies([tmp_path])
    assert len(studies) == 1
    assert [(stray.path.name, stray.status, stray.reason) for stray in strays] == [
        ("shut", "failed", "a folder that cannot be read: Permission denied")
    ]
