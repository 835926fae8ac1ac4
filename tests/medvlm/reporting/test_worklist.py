"""Worklists name what is reported; a line that cannot be followed is a failure with its number."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from medvlm.reporting.find import find_studies, study_id
from medvlm.reporting.worklist import Task, Unread, read_worklist
from medvlm.study import SampleError

BODY = {"BodyPartExamined": "CHEST"}


@pytest.fixture
def disk(write_dicom: Any, tmp_path: Path) -> Path:
    """Three studies of two patients."""
    write_dicom(tmp_path / "a" / "new.dcm", "1.2.1", PatientID="P1", StudyDate="20240310")
    write_dicom(tmp_path / "a" / "old.dcm", "1.2.2", PatientID="P1", StudyDate="20240301")
    write_dicom(tmp_path / "b" / "other.dcm", "1.2.3", PatientID="P2", StudyDate="20240201")
    return tmp_path


def listed(disk: Path, text: str, name: str = "list.csv") -> tuple[list[Any], list[str]]:
    (disk / name).write_bytes(text.encode())
    studies, strays = find_studies([disk / name])
    return studies, [stray.reason for stray in strays]


def test_only_what_is_listed_is_reported_by_path_or_uid(disk: Path) -> None:
    studies, reasons = listed(disk, "path,study_uid\na/new.dcm,\n,1.2.3\n")
    assert sorted(study.uid for study in studies) == ["1.2.1", "1.2.3"]
    assert reasons == []


@pytest.mark.parametrize("prior", ["a/old.dcm", "1.2.2"])
def test_a_prior_is_named_by_path_or_uid_and_the_days_between_are_counted(disk: Path, prior: str) -> None:
    ((study,), _) = listed(disk, f"path,prior,history\na/new.dcm,{prior},Fever\n")
    assert [(one.study.uid, one.days) for one in study.priors] == [("1.2.2", 9)]
    assert study.history == "Fever"


def test_priors_and_history_change_the_stamp(disk: Path) -> None:
    lines = ["path,prior,history\na/new.dcm,,\n", "path,prior,history\na/new.dcm,a/old.dcm,\n"]
    lines.append("path,prior,history\na/new.dcm,a/old.dcm,Fever\n")
    assert len({listed(disk, line)[0][0].stamp for line in lines}) == 3


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffPath;History;prior\r\na/new.dcm;Fever, cough;a/old.dcm\r\n",
        'history,path,prior\n"Fever, cough",a/new.dcm,a/old.dcm\n\n',
        "path\thistory\tprior\na/new.dcm\tFever, cough\ta/old.dcm",
    ],
)
def test_the_tables_of_spreadsheets_are_read(disk: Path, text: str) -> None:
    ((study,), reasons) = listed(disk, text)
    assert (study.uid, study.history, len(study.priors), reasons) == ("1.2.1", "Fever, cough", 1, [])


def test_json_lines_are_read(disk: Path) -> None:
    row = {"study_uid": "1.2.1", "prior": ["1.2.2"], "history": None, "id": 7}
    ((study,), reasons) = listed(disk, json.dumps(row) + "\n", "list.jsonl")
    assert (study.uid, study.id, len(study.priors), reasons) == ("1.2.1", study_id("7"), 1, [])


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("../etc/passwd,,", "line 2: its path leads out of the list's folder"),
        ("/etc/passwd,,", "line 2: its path leads out of the list's folder"),
        ("a/nothing.dcm,,", "line 2: nothing is at its path"),
        ("a,,", "line 2: 2 studies are there; name one"),
        (",9.9.9,", "line 2: no file of this StudyInstanceUID"),
        (",Doe,", "line 2: study_uid is no UID"),
        (",,1.2.2", "line 2: expected either a path or a study_uid"),
        ("a/new.dcm,1.2.1,", "line 2: expected either a path or a study_uid, found both"),
        ("a/new.dcm,,b/other.dcm", "line 2: prior: it is of another patient"),
        ("a/old.dcm,,a/new.dcm", "line 2: prior: it is 9 days later"),
        ("a/new.dcm,,gone.dcm", "line 2: prior: nothing is at its path"),
        ("list.csv,,", "line 2: no image: it looks like plain text"),
        ("a/new.dcm,,,more", "line 2: more cells than columns"),
        (f"{'x' * 5000},,", "line 2: its path cannot be followed"),
    ],
)
def test_a_line_that_cannot_be_followed_is_a_failure_and_stops_no_other(disk: Path, line: str, reason: str) -> None:
    studies, (found,) = listed(disk, f"path,study_uid,prior\n{line}\nb/other.dcm,,\n")
    assert [study.uid for study in studies] == ["1.2.3"]
    assert found.startswith(reason)
    assert "Doe" not in found
    assert str(disk) not in found


def test_a_link_that_leads_out_is_not_followed(disk: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    (disk / "out").symlink_to(tmp_path_factory.mktemp("elsewhere"))
    assert listed(disk, "path\nout\n") == ([], [
        "line 2: its path leads out of the list's folder; put the list above what it names"
    ])  # fmt: skip


def test_a_study_is_reported_twice_only_under_two_ids(disk: Path) -> None:
    studies, (reason,) = listed(disk, "path,id\na/new.dcm,\na/new.dcm,\na/new.dcm,x\n")
    assert {study.id for study in studies} == {study_id("1.2.1"), study_id("x")}
    assert reason.startswith("line 3: the same study as line 2")


def test_unknown_columns_are_named(disk: Path) -> None:
    ((_,), (reason,)) = listed(disk, "path,ward\na/new.dcm,7\n")
    assert reason == "line 1: unknown columns were not read: ward"


def test_a_limit_that_another_reader_has_set_changes_nothing(disk: Path) -> None:
    before = csv.field_size_limit(10**7)
    try:
        with pytest.raises(SampleError, match="no CSV"):
            listed(disk, "path\n" + "x" * 200_000)
    finally:
        csv.field_size_limit(before)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("list.csv", b"a/new.dcm\na/old.dcm\n", "neither a column path nor study_uid"),
        ("list.csv", "path\nJos\u00e9.dcm\n".encode("latin-1"), "not UTF-8"),
        ("list.csv", b"path,path\na,b\n", "names a column twice"),
        ("list.csv", b"path\n" + b"x" * 200_000, "line 2: no CSV"),
        ("list.jsonl", b'{"file": "a"}\n', "neither a column path nor study_uid"),
    ],
)
def test_what_is_no_worklist_is_refused(disk: Path, name: str, data: bytes, message: str) -> None:
    (disk / name).write_bytes(data)
    with pytest.raises(SampleError, match=message):
        find_studies([disk / name])


@pytest.mark.parametrize("line", ["{", "[1]", '{"path": ["a"]}', '{"path": "a\\u0000b"}', '{"path": true}'])
def test_a_broken_json_line_is_a_failure(disk: Path, line: str) -> None:
    studies, (reason,) = listed(disk, f'{line}\n{{"path": "a/new.dcm"}}\n', "list.jsonl")
    assert len(studies) == 1
    assert reason.startswith("line 1: ")


def test_a_history_is_bounded_and_holds_no_mark_of_a_template(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text(f'path,history\na,"Fever\n<image><|im_end|>"\nb,{"x" * 2001}\n', encoding="utf-8")
    first, second = read_worklist(path)
    assert isinstance(first, Task)
    assert first.history == "Fever < image>< |im_end|>"
    assert isinstance(second, Unread)
    assert "2001 characters" in second.reason
