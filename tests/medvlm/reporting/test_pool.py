"""Worker processes write what one process writes; killed ones, and killed drivers, lose nothing and repeat nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from medvlm.predictor import load
from medvlm.reporting import write_reports
from medvlm.study import WeightsError

pytestmark = pytest.mark.slow

TOKENS = 4
ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _fixed_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767225600")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}


def make_studies(folder: Path, write_dicom: Any, good: int, bad: int) -> Path:
    for number in range(good + bad):
        path = write_dicom(folder / f"s{number}" / "a.dcm", f"1.2.{number}", number=number + 1)
        if number >= good:
            path.write_bytes(path.read_bytes()[:-100])
    return folder


@pytest.fixture
def studies(tmp_path: Path, write_dicom: Any) -> Path:
    """Thirty radiographs of which two are cut off."""
    return make_studies(tmp_path / "in", write_dicom, 28, 2)


@pytest.fixture
def wanted(studies: Path, model_folder: Path, tmp_path: Path) -> dict[str, bytes]:
    """What one undisturbed process writes."""
    predictor = load(model_folder, device="cpu")
    write_reports(studies, tmp_path / "wanted", model=predictor, batch=3, max_new_tokens=TOKENS)
    return contents(tmp_path / "wanted")


def test_two_workers_write_what_one_process_writes(
    studies: Path, wanted: dict[str, bytes], model_folder: Path, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"batch": 3, "max_new_tokens": TOKENS, "devices": ["cpu", "cpu"]}
    summary = write_reports(studies, tmp_path / "out", model=model_folder, **options)
    assert (summary.done, summary.failed) == (28, 2)
    assert contents(tmp_path / "out") == wanted


def test_parts_together_are_the_whole(
    studies: Path, wanted: dict[str, bytes], model_folder: Path, tmp_path: Path
) -> None:
    predictor = load(model_folder, device="cpu")
    for index in (1, 2):
        write_reports(studies, tmp_path / "out", model=predictor, batch=3, max_new_tokens=TOKENS, part=(index, 2))
    found = contents(tmp_path / "out")
    assert {"studies-1-of-2.csv", "studies-2-of-2.csv"} <= found.keys()
    assert {name for name in found if name.endswith(".json")} == {name for name in wanted if name.endswith(".json")}


def test_a_model_that_cannot_be_loaded_ends_the_run(studies: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(WeightsError):
        write_reports(studies, tmp_path / "out", model=tmp_path / "empty", devices=["cpu"])


def children(pid: int) -> list[int]:
    """Worker processes of a driver; the helper of multiprocessing that only keeps track of resources is none."""
    found = [int(name) for name in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [one for one in found if b"spawn_main" in Path(f"/proc/{one}/cmdline").read_bytes()]


def drive(studies: Path, out: Path, model: Path, engine: str, disturb: Callable[[int, int], bool]) -> int:
    """Run the command until it ends or is killed; ``disturb(pid, reports)`` is called now and then, True kills it."""
    command = [sys.executable, "tools/report.py", str(studies), "--out", str(out), "--model", str(model), "--quiet"]
    command += ["--batch", "3", "--workers", "2", "--engine", engine, "--max-new-tokens", str(TOKENS)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None:
        if disturb(process.pid, len(list(out.glob("[0-9a-f]*.json")))):
            process.send_signal(signal.SIGKILL)
        time.sleep(0.005)
    return process.wait()


def actors(pid: int) -> list[int]:
    """Ray's actors of a driver: by their names, for they are no children of it."""
    names = {path.parent.name: path for path in Path("/proc").glob("[0-9]*/cmdline")}
    return [int(one) for one, path in names.items() if _cmdline(path).startswith(b"ray::_Actor")]


def _cmdline(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it has ended
        return b""


@pytest.mark.parametrize("engine", ["pool", "ray"])
def test_killed_drivers_and_workers_lose_nothing_and_repeat_nothing(
    engine: str, studies: Path, wanted: dict[str, bytes], model_folder: Path, tmp_path: Path
) -> None:
    pytest.importorskip(engine if engine == "ray" else "json")
    out, shot = tmp_path / "out", threading.Event()

    def kill_a_worker(pid: int, reports: int) -> bool:
        if not shot.is_set() and (found := (children if engine == "pool" else actors)(pid)):
            shot.set()
            os.kill(found[0], signal.SIGKILL)
        return False

    assert drive(studies, out, model_folder, engine, lambda pid, reports: reports >= 1) == -signal.SIGKILL
    assert drive(studies, out, model_folder, engine, lambda pid, reports: reports >= 4) == -signal.SIGKILL
    assert drive(studies, out, model_folder, engine, kill_a_worker) == 1  # two studies failed
    assert shot.is_set()
    assert contents(out) == wanted
    failed = [row for row in (out / "studies.csv").read_text().splitlines() if ",failed," in row]
    assert len(failed) == 2
    assert all("truncated" in row for row in failed)


def test_no_worker_outlives_a_killed_driver(studies: Path, model_folder: Path, tmp_path: Path) -> None:
    seen: set[int] = set()

    def disturb(pid: int, reports: int) -> bool:
        seen.update(children(pid))
        return reports >= 1

    assert drive(studies, tmp_path / "out", model_folder, "pool", disturb) == -signal.SIGKILL
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{pid}/exe").exists() for pid in seen) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert seen
    assert not [pid for pid in seen if Path(f"/proc/{pid}/exe").exists()]
    assert all(json.loads(path.read_text()) for path in (tmp_path / "out").glob("[0-9a-f]*.json"))
