"""A node that is spoken to by pynetdicom itself: who may send, what is refused and how, what is left on the disk."""

from __future__ import annotations

import json
import logging
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless
from pynetdicom import AE
from pynetdicom.dimse_primitives import C_STORE

from medvlm.archive.audit import Audit
from medvlm.archive.inbox import Inbox
from medvlm.archive.ledger import Ledger
from medvlm.archive.listen import Door, Listener

DX = "1.2.840.10008.5.1.4.1.1.1.1"
Make = Callable[..., bytes]


class Site:
    """A listener with its inbox, and a sender."""

    def __init__(self, folder: Path, **door: Any) -> None:
        self.inbox = Inbox(folder / "in", quiet=0, reserve=0)
        self.audit = folder / "audit.jsonl"
        audit = Audit(self.audit, folder / "key")
        self.listener = Listener(Door(port=0, **door), self.inbox, audit, Ledger(folder / "sent").is_own)
        self.port = self.listener.start()

    def call(self, title: str = "MEDVLM", own: str = "SCANNER", syntax: str = "1.2.840.10008.1.2.1") -> Any:
        entity = AE(ae_title=own)
        entity.add_requested_context("1.2.840.10008.1.1")
        entity.add_requested_context(DX, syntax)
        return entity.associate("127.0.0.1", self.port, ae_title=title)

    def send(self, data: bytes, **request: str) -> int:
        """Send bytes as they are; pynetdicom's own way would repair them. What the request says can be set."""
        file = dcmread(BytesIO(data), force=True)
        link = self.call(syntax=str(file.file_meta.TransferSyntaxUID))
        link._reactor_checkpoint.clear()  # or its own thread takes the answer
        while not link._is_paused:
            time.sleep(0.001)
        message = C_STORE()
        message.MessageID, message.Priority = 1, 2
        message.AffectedSOPClassUID = request.get("sop_class", DX)
        message.AffectedSOPInstanceUID = request.get("uid", str(file.get("SOPInstanceUID", "1.2.3")))
        message.DataSet = BytesIO(data[data.index(b"\x08\x00\x16\x00") :])  # after the file meta information
        link.dimse.send_msg(
            message, next(one.context_id for one in link.accepted_contexts if one.abstract_syntax == DX)
        )
        _, answer = link.dimse.get_msg(block=True)
        link._reactor_checkpoint.set()
        link.release()
        return int(answer.Status)

    def files(self) -> list[Path]:
        return [path for path in self.inbox.folder.rglob("*") if path.is_file()]

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.audit.read_text().splitlines()]

    def wait_event(self, name: str) -> dict[str, Any]:
        for _ in range(200):
            found = [one for one in self.events() if one["event"] == name] if self.audit.exists() else []
            if found:
                return found[-1]
            time.sleep(0.02)
        raise AssertionError(f"no {name} in the audit")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    running = Site(tmp_path, allow=("SCANNER", "PACS"), most=60_000)
    yield running
    running.listener.stop(0.5)


def test_echo_is_answered(site: Site) -> None:
    link = site.call()
    assert link.send_c_echo().Status == 0
    link.release()


@pytest.mark.parametrize(("title", "own"), [("MEDVLM", "STRANGER"), ("OTHER", "SCANNER")])
def test_strange_titles_are_refused(site: Site, title: str, own: str) -> None:
    assert site.call(title, own).is_rejected
    assert site.wait_event("rejected")["peer"] == own
    assert site.files() == []


@pytest.mark.parametrize("syntax", ["", JPEGLSLossless, JPEG2000Lossless])
def test_instances_are_kept_in_the_syntax_in_which_they_came(site: Site, draw: Make, syntax: str) -> None:
    data = draw(syntax=syntax)
    assert site.send(data) == 0
    (file,) = site.files()
    kept, sent = dcmread(file), dcmread(BytesIO(data))
    assert kept.file_meta.TransferSyntaxUID == sent.file_meta.TransferSyntaxUID
    assert kept == sent
    assert site.wait_event("received")["new"] == 1


def test_every_storage_class_and_syntax_is_taken(site: Site) -> None:
    from pynetdicom import ALL_TRANSFER_SYNTAXES
    from pynetdicom.presentation import StoragePresentationContexts

    for syntax in ALL_TRANSFER_SYNTAXES[::7]:
        entity = AE(ae_title="PACS")
        for context in StoragePresentationContexts:
            entity.add_requested_context(str(context.abstract_syntax), syntax)
        link = entity.associate("127.0.0.1", site.port, ae_title="MEDVLM")
        assert len(link.accepted_contexts) == len(StoragePresentationContexts)
        link.release()


@pytest.mark.parametrize(
    ("change", "request_", "status"),
    [
        ({"StudyInstanceUID": None}, {}, 0xA900),
        ({"StudyInstanceUID": "../../../etc/passwd"}, {}, 0xA900),
        ({"StudyInstanceUID": "1." * 40}, {}, 0xA900),
        ({}, {"uid": "1.2.3.4"}, 0xA900),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.2"}, {}, 0xA900),
        ({}, {"sop_class": "1.2.840.10008.5.1.4.1.1.2"}, 0x0122),
    ],
)
@pytest.mark.filterwarnings("ignore:.*UID:UserWarning", "ignore:Invalid value for VR UI")
def test_what_is_no_instance_of_a_study_is_refused(
    site: Site, draw: Make, change: dict[str, Any], request_: dict[str, str], status: int
) -> None:
    data = dcmread(BytesIO(draw()))
    for keyword, value in change.items():
        setattr(data, keyword, value)
    buffer = BytesIO()
    data.save_as(buffer, enforce_file_format=False)
    assert site.send(buffer.getvalue(), **request_) == status
    assert site.files() == []
    assert site.wait_event("refused")["code"] == f"0x{status:04X}"


@pytest.mark.parametrize("tail", [b"not DICOM at all " * 20, b"", b"\x08\x00\x18\x00UI\xff\xff1.2"])
def test_bytes_that_are_no_data_set_are_refused(site: Site, draw: Make, tail: bytes) -> None:
    data = draw()
    start = data.index(b"\x08\x00\x16\x00")
    assert site.send(data[: start + 4] + tail) in (0xA900, 0xC000)
    assert site.files() == []


def test_a_header_cut_off_is_refused(site: Site, draw: Make) -> None:
    data = draw()
    assert site.send(data[: data.index(b"\x20\x00\x0d\x00") + 3]) in (0xA900, 0xC000)
    assert site.files() == []


def test_a_full_disk_is_answered_so(site: Site, draw: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
    site.inbox.reserve = 1
    assert site.send(draw()) == 0xA700


def test_an_instance_beyond_the_limit_is_cut_off(site: Site, draw: Make) -> None:
    file = dcmread(BytesIO(draw()))
    file.PixelData = bytes(200_000)
    link = site.call()
    assert "Status" not in link.send_c_store(file)
    assert site.wait_event("refused")["code"] == "too-large"
    assert site.files() == []
    assert site.send(draw()) == 0


def test_a_connection_cut_in_the_middle_leaves_nothing(site: Site, draw: Make) -> None:
    link = site.call()
    context = next(one.context_id for one in link.accepted_contexts if one.abstract_syntax == DX)
    message = C_STORE()
    message.MessageID, message.Priority, message.AffectedSOPClassUID = 1, 2, DX
    message.AffectedSOPInstanceUID, message.DataSet = "1.2.3", BytesIO(draw()[400:])
    real = link.dul.socket.socket
    link.dul.socket.send = lambda data: real.sendall(data[:5000])
    link.dimse.send_msg(message, context)
    time.sleep(0.2)
    real.shutdown(socket.SHUT_RDWR)
    time.sleep(0.3)
    assert site.files() == []
    assert site.send(draw()) == 0


def test_our_own_reports_are_taken_and_dropped(site: Site, draw: Make) -> None:
    ours = draw(Manufacturer="medvlm", SeriesDescription="AI report: NOT FOR CLINICAL USE")
    assert site.send(ours) == 0
    assert site.files() == []
    assert site.wait_event("received")["own"] == 1
    assert site.send(draw(Manufacturer="medvlm", SeriesDescription="thorax phantom")) == 0
    assert len(site.files()) == 1


def test_only_so_many_send_at_a_time(tmp_path: Path) -> None:
    site = Site(tmp_path, associations=1)
    first = site.call()
    assert site.call().is_rejected
    first.release()
    site.listener.stop(0.1)


def test_nagle_is_off(site: Site) -> None:
    link = site.call()
    (accepted,) = site.listener._counts
    connection: Any = accepted.dul.socket
    assert connection.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    link.release()


def test_nothing_of_the_patient_is_in_the_audit_or_a_log(
    site: Site, draw: Make, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.DEBUG):
        site.send(draw())
        site.send(draw(), uid="1.2.9")
        site.wait_event("refused")
    told = site.audit.read_text() + caplog.text + "".join(capfd.readouterr())
    assert all(word not in told for word in ("Quux", "QUUX", "4711", "1.2.3"))


@pytest.mark.parametrize(
    ("door", "words"),
    [
        ({"address": "0.0.0.0"}, "name the AE titles"),
        ({"title": "A TITLE THAT IS LONG"}, "1 to 16"),
        ({"allow": ("",)}, "1 to 16"),
        ({"port": 70000}, "0 to 65535"),
    ],
)
def test_doors_that_make_no_sense_are_refused(door: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Door(**{"port": 0, **door})


def test_a_stopped_node_answers_no_more(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.listener.stop(0.1)
    assert not site.call().is_established
