"""No patient's name in anything that is written or said, and in everything written whence it comes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pydicom
import pytest

from medvlm.reporting import write_reports
from medvlm.reporting.schema import report_schema
from medvlm.reporting.writers import WRITERS

ROOT = Path(__file__).parents[4]
Leaks = Callable[[bytes], bool]
FORMS = [name for name in WRITERS if name != "json"]
IDENTITY = {
    "PatientName", "PatientID", "AccessionNumber", "StudyID", "ReferringPhysicianName", "IssuerOfPatientID",
}  # fmt: skip
"""Attributes by which an archive files an object; nothing else of the source's text may be in it."""


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("index", [0, 1])
def test_the_search_finds_a_name_in_every_encoding(
    index: int, encoding: str, leaks: Leaks, names: Sequence[str]
) -> None:
    name = names[index]
    data = f"Dr. {name.upper() if name.isascii() else name}!".encode(encoding)
    assert leaks(b"x" + data)
    assert leaks(name.encode(encoding).hex().encode())
    assert not leaks("Quux Muegross".encode(encoding))


@pytest.mark.usefixtures("pango")
def test_the_search_reads_what_a_pdf_draws(leaks: Leaks, names: Sequence[str]) -> None:
    import weasyprint

    assert leaks(weasyprint.HTML(string=f"<p>of {names[0]}, seen</p>").write_pdf())
    assert leaks(weasyprint.HTML(string=f"<p>x <b>{names[1]}</b></p>").write_pdf())
    assert not leaks(weasyprint.HTML(string="<p>of nobody</p>").write_pdf())


def check_folder(folder: Path, leaks: Leaks) -> int:
    """Search all files below a folder; how many there are."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    for path in files:
        assert not leaks(str(path.relative_to(folder)).encode())
        data = path.read_bytes()
        if path.name.endswith(".dcm"):
            check_object(path, leaks)
        elif path.name.endswith(".fhir.json"):
            check_fhir(data, leaks)
        elif path.name.endswith(".hl7"):
            check_hl7(data, leaks)
        else:
            assert not leaks(data), path.name
    return len(files)


def check_object(path: Path, leaks: Leaks) -> None:
    """Only the attributes by which it is filed hold the name; without them nothing does."""
    data = pydicom.dcmread(path)
    found = {element.keyword for element in data.iterall() if leaks(str(element.value).encode())}
    assert found <= IDENTITY, path.name
    assert "PatientName" in found, "an object of the archive belongs to its patient"
    for keyword in IDENTITY & set(data.dir()):
        delattr(data, keyword)
    bare = path.with_name(".bare")
    data.save_as(bare)
    left = bare.read_bytes()
    bare.unlink()
    assert not leaks(left), path.name


def check_fhir(data: bytes, leaks: Leaks) -> None:
    """The patient's number, and the order's: as identifiers alone."""
    values = json.loads(data)
    for entry in values["entry"]:
        resource = entry["resource"]
        resource.pop("subject", None)
        resource.pop("basedOn", None)
    assert not leaks(json.dumps(values, ensure_ascii=False).encode())


def check_hl7(data: bytes, leaks: Leaks) -> None:
    """PID names the patient and OBR the order; no other segment does."""
    for line in data.split(b"\r"):
        fields = line.split(b"|")
        spared = {b"PID": (3, 5), b"OBR": (3,)}.get(fields[0], ())
        assert not leaks(b"|".join(one for index, one in enumerate(fields) if index not in spared))


@pytest.mark.usefixtures("pango", "brief")
def test_in_this_process_every_form_is_clean(
    predictor: Any, studies: Path, tmp_path: Path, leaks: Leaks, caplog: Any, capfd: Any, monkeypatch: Any
) -> None:
    assert leaks(b"".join(path.read_bytes() for path in studies.rglob("*.dcm")))
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    with caplog.at_level("INFO"):
        summary = write_reports(studies, tmp_path / "out", model=predictor, forms=FORMS)
    assert summary.done >= 4
    assert summary.failed >= 3
    assert check_folder(tmp_path / "out", leaks) > 20
    check_folder(temporary, leaks)
    reports = [path for path in (tmp_path / "out").glob("*.json") if not path.name.endswith(".fhir.json")]
    assert len(reports) == summary.done
    for path in reports:
        jsonschema.validate(json.loads(path.read_text(encoding="utf-8")), report_schema())
    assert not leaks(caplog.text.encode())
    said = capfd.readouterr()
    assert not leaks((said.out + said.err).encode())


CRASH = """
import os, signal
from medvlm import files
_whole = files.write_whole
def _crashing(path, data, **options):
    if str(path).endswith(".html"):
        if os.environ["CRASH"] == "signal":
            os.kill(os.getpid(), signal.SIGSEGV)
        raise RuntimeError("the report of " + os.environ["NAMED"])
    _whole(path, data, **options)
files.write_whole = _crashing
"""
"""Imported by every process at its start: writing a page ends in a bug that quotes the patient, or in a crash."""


@pytest.mark.slow
@pytest.mark.parametrize("crash", ["", "bug", "signal"])
@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.usefixtures("pango")
def test_the_command_is_clean_also_where_it_crashes(
    workers: int, crash: str, studies: Path, tmp_path: Path, model_folder: Path, leaks: Leaks, names: Sequence[str]
) -> None:
    places = {name: tmp_path / name for name in ("tmp", "home", "out", "work", "site")}
    for place in places.values():
        place.mkdir()
    if crash:
        (places["site"] / "sitecustomize.py").write_text(CRASH)
    environment = os.environ | {
        "TMPDIR": str(places["tmp"]),
        "HOME": str(places["home"]),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(places["site"]), os.environ.get("PYTHONPATH", "")])),
        "PYTHONWARNINGS": "default",
        "CRASH": crash,
        "NAMED": "^".join(names),
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        [
            *(sys.executable, *([] if crash else ["-X", "dev"]), str(ROOT / "tools" / "report.py"), str(studies)),
            *("--model", str(model_folder), "--out", str(places["out"]), "--max-new-tokens", "3"),
            *("--write", *(["html", "--limit", "1"] if crash else FORMS)),
            *(["--workers", str(workers)] if workers else []),
        ],
        env=environment,
        cwd=places["work"],
        capture_output=True,
        check=False,
        timeout=300,
    )
    assert not leaks(done.stdout), done.stdout
    assert not leaks(done.stderr), done.stderr.decode()
    assert sum(check_folder(places[name], leaks) for name in ("tmp", "home", "out", "work")) > (0 if crash else 20)
    if crash:
        assert done.returncode != 0
    else:
        found = re.match(rb"(\d+) reported, 0 there already, (\d+) skipped, (\d+) failed", done.stdout)
        assert found is not None, done.stderr.decode()
        assert [int(found[1]) >= 4, int(found[2]) >= 1, int(found[3]) >= 3] == [True] * 3
