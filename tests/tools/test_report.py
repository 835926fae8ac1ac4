"""The door ``tools/report.py``: killed and run again, fed with patients' names, asked for nonsense."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

TOOL = Path(__file__).resolve().parents[2] / "tools" / "report.py"


def command(studies: Path, out: Path, model: Path, *more: str) -> list[str]:
    return [sys.executable, str(TOOL), str(studies), "--out", str(out), "--model", str(model), *more]


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", **more}


def run(*arguments: Any, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), capture_output=True, text=True, check=False, env=environment(**more))


@pytest.mark.slow
def test_killed_it_goes_on_where_it_was(write_study: Any, talking_model: Path, tmp_path: Path) -> None:
    for number in range(3):
        write_study(tmp_path / "in" / f"{number}.dcm", number)
    out = tmp_path / "out"
    line = command(tmp_path / "in", out, talking_model, "--batch", "1", "--quiet")
    process = subprocess.Popen(line, env=environment())
    deadline = time.monotonic() + 120
    while not reports(out) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    before = reports(out)
    assert len(before) in (1, 2)
    done = run(tmp_path / "in", out, talking_model, "--quiet")
    assert f"{3 - len(before)} reported, {len(before)} there already, 0 skipped, 0 failed" in done.stdout
    after = reports(out)
    assert len(after) == 3
    assert {name: after[name] for name in before} == before


def reports(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("[0-9a-f]*.json")}


def test_no_patient_is_named_in_anything_that_comes_out(write_study: Any, silent_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in" / "Zebedee Quux"
    write_study(folder / "zebedee.dcm", 1)
    truncated = write_study(folder / "quux.dcm", 2)
    truncated.write_bytes(truncated.read_bytes()[:-5000])
    beheaded = write_study(folder / "quux2.dcm", 3)
    beheaded.write_bytes(beheaded.read_bytes()[:900])
    for number in (4, 5):  # two different slices at one place: no volume
        write_study(
            folder / f"zebedee{number}.dcm",
            6,
            InstanceNumber=number,
            SOPInstanceUID=f"1.2.6.1.{number}",
            WindowWidth=number,
        )
    (folder / "Zebedee.txt").write_text("Zebedee Quux")
    (folder / "zebedee.png").write_bytes(b"\x89PNG\r\n\x1a\nZebedee^Quux")
    (folder / "quux.nii").write_bytes(bytes(344) + b"n+1\0" + b"Zebedee^Quux" * 20)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    done = run(tmp_path / "in", tmp_path / "out", silent_model, TMPDIR=str(temporary))
    assert done.returncode == 1
    assert "reported" in done.stdout
    written = [path for place in (tmp_path / "out", temporary) for path in place.rglob("*") if path.is_file()]
    texts = [done.stdout, done.stderr, *(path.read_text() for path in written), *(path.name for path in written)]
    assert (tmp_path / "out" / "studies.csv") in written
    for text in texts:
        assert "zebedee" not in text.lower()
        assert "quux" not in text.lower()


def test_mistakes_are_one_line_and_no_traceback(silent_model: Path, tmp_path: Path) -> None:
    for arguments, words in (
        ((tmp_path / "absent", tmp_path / "out", silent_model), "nothing at"),
        ((tmp_path, tmp_path / "out", tmp_path / "no_model"), "no folder"),
    ):
        done = run(*arguments)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
        assert words in done.stderr
