"""The loop and the command: trouble is waited for, what cannot be done is given up, what is killed goes on."""

from __future__ import annotations

import csv
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import pytest
from pydicom import dcmread
from pynetdicom import AE, evt

from medvlm.archive.audit import Audit
from medvlm.archive.inbox import Inbox, Waiting
from medvlm.archive.instance import read_instance, signed_by_us
from medvlm.archive.orthanc import Poller
from medvlm.archive.watch import Reporter, Watch
from medvlm.archive.watch_command import main
from medvlm.archive.web import ArchiveAway, ArchiveError
from medvlm.study import ImageError

DX, BASIC_TEXT = "1.2.840.10008.5.1.4.1.1.1.1", "1.2.840.10008.5.1.4.1.1.88.11"
Make = Callable[..., Any]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Loop:
    """A watch whose waits are steps of its clock, and end after some."""

    def __init__(self, folder: Path, report: Callable[[Waiting], str]) -> None:
        self.clock, self.lines, self.waits = Clock(), list[str](), list[float]()
        self.inbox = Inbox(folder / "in", quiet=1, clock=self.clock, reserve=0)
        self.audit = folder / "audit.jsonl"
        self.watch = Watch(self.inbox, report, self.lines.append, Audit(self.audit, folder / "key"))
        self.watch.stop = cast("Any", self)
        self.steps = 0

    def is_set(self) -> bool:
        return self.steps > 60

    def wait(self, seconds: float) -> None:
        self.steps += 1
        self.waits.append(seconds)
        self.clock.now += 5


def test_an_archive_that_is_away_is_waited_for_at_growing_intervals(instance: Make, tmp_path: Path) -> None:
    asked: list[float] = []

    def report(_: Waiting) -> str:
        asked.append(loop.clock.now)
        if len(asked) < 4:
            raise ArchiveAway("PACS@host:104 does not answer")
        return "reported"

    loop = Loop(tmp_path, report)
    loop.inbox.put(*instance())
    loop.watch.run()
    assert [second - first for first, second in pairwise(asked)] == [10, 20, 40]
    assert loop.lines[0].endswith("PACS@host:104 does not answer; tried again later")
    assert loop.lines[-1].endswith("(1 instances): reported")
    assert loop.inbox.empty


@pytest.mark.parametrize("error", [ImageError("no image"), ValueError("Zebedee^Quux is no name"), AttributeError("x")])
def test_a_study_that_cannot_be_reported_is_given_up_and_stops_no_other(
    error: Exception, instance: Make, tmp_path: Path
) -> None:
    def report(waiting: Waiting) -> str:
        if waiting.study == bad.study:
            raise error
        return "reported"

    loop = Loop(tmp_path, report)
    loop.inbox.put(*instance())
    loop.clock.now = 2
    (bad,) = loop.inbox.due()
    loop.inbox.put(*instance(study="1.2.9"))
    loop.watch.run()
    assert any(line.endswith(f"given up after 3 attempts ({type(error).__name__})") for line in loop.lines)
    assert any(line.endswith("reported") for line in loop.lines)
    assert "Quux" not in "".join(loop.lines) + loop.audit.read_text()
    assert not list(loop.inbox.folder.iterdir())


def test_what_is_no_archive_ends_the_watch_at_once_and_later_does_not(tmp_path: Path) -> None:
    class Source:
        answers = 0

        def poll(self, _: Any) -> bool:
            self.answers += 1
            if self.answers != 1:
                raise ArchiveError("refuses (HTTP 500)")
            return False

    source = Source()
    loop = Loop(tmp_path, lambda _: "reported")
    loop.watch._poller = cast("Poller", source)
    loop.watch.run()
    assert source.answers > 3
    loop = Loop(tmp_path, lambda _: "reported")
    loop.watch._poller = cast("Poller", source)
    with pytest.raises(ArchiveError):
        loop.watch.run()


@pytest.mark.parametrize("cut", [6000, 1000])
def test_an_instance_whose_pixels_are_cut_off_fails_with_a_reason(
    cut: int, reader: Any, draw: Make, tmp_path: Path
) -> None:
    data = draw()
    inbox = Inbox(tmp_path / "in", quiet=0, reserve=0)
    inbox.put(read_instance(data[:-cut]), data[:-cut])
    (waiting,) = inbox.due()
    reporter = Reporter(reader, tmp_path / "out", ("sr",), None, Audit(tmp_path / "audit", tmp_path / "key"))
    assert reporter.report(waiting) == "failed; studies.csv in its folder says why"
    (row,) = csv.DictReader((tmp_path / "out" / waiting.study / "studies.csv").open())
    assert row["reason"]
    assert "Quux" not in str(row)


@pytest.fixture
def pacs() -> Iterator[tuple[int, list[Any]]]:
    """A node that takes reports, and what it took."""
    got: list[Any] = []

    def take(event: Any) -> int:
        got.append(event.dataset)
        return 0

    entity = AE(ae_title="PACS")
    entity.add_supported_context(BASIC_TEXT)
    handlers: Any = [(evt.EVT_C_STORE, take)]
    server = cast("Any", entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers))
    yield int(server.socket.getsockname()[1]), got
    server.shutdown()


def store(port: int, data: bytes) -> None:
    """Send an instance to a node, once it is there."""
    for _ in range(1200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    entity = AE(ae_title="SCANNER")
    entity.add_requested_context(DX)
    link = entity.associate("127.0.0.1", port, ae_title="MEDVLM")
    assert link.send_c_store(dcmread(BytesIO(data))).Status == 0
    link.release()


def words(port: int, out: Path, model: Path, pacs: int) -> list[str]:
    options = {"--listen": port, "--out": out, "--model": model, "--send": f"PACS@127.0.0.1:{pacs}"}
    return [*(str(word) for pair in options.items() for word in pair), "--quiet-seconds", "0.3"]


def test_the_command_reports_what_is_stored_and_ends(
    model_folder: Path,
    draw: Make,
    port: int,
    pacs: Any,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("medvlm.predictor.token_limit", lambda samples, *, reasoning: 3)
    threading.Thread(target=store, args=(port, draw()), daemon=True).start()
    assert main([*words(port, tmp_path, model_folder, pacs[0]), "--once"]) == 0
    assert [one.StudyInstanceUID for one in pacs[1]] == ["1.2.3"]
    assert signed_by_us(pacs[1][0].Manufacturer, pacs[1][0].SeriesDescription)
    listening, told, end = capsys.readouterr().out.splitlines()
    assert listening == f"listening as MEDVLM on 127.0.0.1:{port}"
    assert told.endswith("(1 instances): reported; 1 object(s) sent")
    assert end == "done; 0 left for later"
    events = [json.loads(line)["event"] for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    assert events == ["start", "received", "reported", "stop"]


@pytest.mark.slow
def test_a_killed_watch_goes_on_and_a_terminated_one_ends_in_order(
    model_folder: Path, draw: Make, port: int, pacs: Any, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "medvlm.cli", "watch", *words(port, tmp_path, model_folder, pacs[0])]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    first = start()
    store(port, draw())
    first.send_signal(signal.SIGKILL)  # the study is on the disk and not reported
    told = first.communicate()[0]
    second = start()
    for _ in range(1200):
        if pacs[1]:
            break
        time.sleep(0.05)
    second.send_signal(signal.SIGTERM)
    told += second.communicate(timeout=60)[0]
    assert second.returncode == 0
    assert [one.StudyInstanceUID for one in pacs[1]] == ["1.2.3"]
    assert "stopped: what waits is taken up at the next start" in told
    assert all(word not in told for word in ("Quux", "4711", "Traceback"))


def test_two_watches_do_not_share_a_folder(tmp_path: Path, model_folder: Path) -> None:
    from medvlm.archive.watch_command import PLACE, _alone

    with _alone(tmp_path / PLACE), pytest.raises(BlockingIOError, match="another watch"):
        main(words(0, tmp_path, model_folder, 104))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--address", "0.0.0.0"], "name the AE titles"),
        (["--write", "docx"], "unknown"),
        (["--send", "nowhere"], "AE@HOST:PORT"),
        (["--quiet-seconds", "-1"], "0 seconds or more"),
    ],
)
def test_a_wrong_command_line_is_refused_before_a_model_is_loaded(
    more: list[str], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        main(["--listen", "0", "--out", str(tmp_path), "--model", "absent", *more])
