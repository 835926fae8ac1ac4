"""What is sent, once, and what an archive's answers make of it; the archives here are made by other packages."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian
from pynetdicom import AE, evt

from medvlm.archive.audit import Audit
from medvlm.archive.destinations import destination
from medvlm.archive.instance import Instance
from medvlm.archive.ledger import Ledger
from medvlm.archive.send import Sender, Sent
from medvlm.archive.web import ArchiveAway, ArchiveError, Site, refusal

BASIC_TEXT = "1.2.840.10008.5.1.4.1.1.88.11"


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Two small objects."""
    for number in (1, 2):
        data = Dataset()
        data.file_meta = FileMetaDataset()
        data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = UID(BASIC_TEXT)
        data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = UID(f"2.25.{number}")
        data.PatientName, data.StudyInstanceUID, data.SeriesInstanceUID = "Zebedee^Quux", "1.2.3", f"2.25.9{number}"
        data.save_as(tmp_path / f"{number}.dcm", enforce_file_format=True)
    return [tmp_path / "1.dcm", tmp_path / "2.dcm"]


class Node:
    """A DICOM node that answers what it is told to."""

    def __init__(self, *statuses: int, syntax: str = "1.2.840.10008.1.2.1") -> None:
        self.statuses, self.got = list(statuses), list[Dataset]()
        entity = AE(ae_title="PACS")
        entity.require_called_aet = True
        entity.add_supported_context(BASIC_TEXT, syntax)
        handlers: Any = [(evt.EVT_C_STORE, self.take)]
        self.server = cast("Any", entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers))
        self.port = int(self.server.socket.getsockname()[1])

    def take(self, event: Any) -> int:
        status = self.statuses.pop(0) if self.statuses else 0
        if status == 0:
            self.got.append(event.dataset)
        return status

    @property
    def uids(self) -> list[str]:
        return [str(one.SOPInstanceUID) for one in self.got]


@pytest.fixture
def nodes() -> Iterator[Callable[..., Node]]:
    started: list[Node] = []

    def make(*statuses: int, **more: str) -> Node:
        started.append(Node(*statuses, **more))
        return started[-1]

    yield make
    for node in started:
        node.server.shutdown()


@pytest.fixture
def sender(tmp_path: Path) -> Callable[[str], Sender]:
    def make(target: str) -> Sender:
        audit = Audit(tmp_path / "audit.jsonl", tmp_path / "key")
        return Sender(destination(target, "MEDVLM"), Ledger(tmp_path / "sent.jsonl"), audit, wait=lambda _: None)

    return make


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2"])
def test_objects_arrive_once_even_by_a_new_process(sender: Any, files: list[Path], nodes: Any, syntax: str) -> None:
    node = nodes(syntax=syntax)
    target = f"PACS@127.0.0.1:{node.port}"
    assert sender(target).send(files) == Sent(sent=2)
    assert sender(target).send(files) == Sent(before=2)
    assert node.uids == ["2.25.1", "2.25.2"]
    assert node.got[0].PatientName == "Zebedee^Quux"


def test_what_is_refused_is_not_sent_again_and_stops_no_other(
    sender: Any, files: list[Path], nodes: Any, tmp_path: Path
) -> None:
    node = nodes(0xA900)
    target = f"PACS@127.0.0.1:{node.port}"
    assert sender(target).send(files) == Sent(sent=1, refused=1)
    assert sender(target).send(files) == Sent(before=2)
    assert node.uids == ["2.25.2"]
    assert json.loads((tmp_path / "audit.jsonl").read_text())["code"] == "0xA900"


def test_an_archive_out_of_space_is_asked_again(sender: Any, files: list[Path], nodes: Any) -> None:
    node = nodes(0, 0xA700, 0xA701)
    assert sender(f"PACS@127.0.0.1:{node.port}").send(files) == Sent(sent=2)
    assert node.uids == ["2.25.1", "2.25.2"]


def test_an_archive_that_is_away_loses_nothing(sender: Any, files: list[Path], nodes: Any, port: int) -> None:
    with pytest.raises(ArchiveAway, match="does not answer"):
        sender(f"PACS@127.0.0.1:{port}").send(files)
    node = nodes(0, 0xA700, 0xA700, 0xA700)
    target = f"PACS@127.0.0.1:{node.port}"
    with pytest.raises(ArchiveAway, match="out of resources"):
        sender(target).send(files)
    assert sender(target).send(files) == Sent(sent=1, before=1)


def test_a_node_that_is_another_refuses(sender: Any, files: list[Path], nodes: Any) -> None:
    with pytest.raises(ArchiveAway, match="make it known"):
        sender(f"OTHER@127.0.0.1:{nodes().port}").send(files)


class Stow(BaseHTTPRequestHandler):
    """Answers STOW-RS with the statuses it is given."""

    statuses: ClassVar[list[int]] = []
    bodies: ClassVar[list[bytes]] = []

    def do_POST(self) -> None:
        type(self).bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        status = type(self).statuses.pop(0) if type(self).statuses else 200
        self.send_response(status)
        self.send_header("Content-Type", "application/dicom+json")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def stow() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Stow)
    Stow.statuses, Stow.bodies = [], []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/dicom-web"
    server.shutdown()
    server.server_close()


def test_stow_sends_each_file_as_it_is(sender: Any, files: list[Path], stow: str) -> None:
    assert sender(stow).send(files) == Sent(sent=2)
    assert sender(stow).send(files) == Sent(before=2)
    assert [file.read_bytes() in body for file, body in zip(files, Stow.bodies, strict=True)] == [True, True]


def test_stow_knows_refusals_from_an_archive_that_is_busy(sender: Any, files: list[Path], stow: str) -> None:
    Stow.statuses = [503, 409, 200]
    assert sender(stow).send(files) == Sent(sent=1, refused=1)
    Stow.statuses = [401] * 9
    with pytest.raises(ArchiveAway, match="MEDVLM_ARCHIVE_LOGIN"):
        sender(f"{stow}/other").send(files)


def test_ours_is_known_by_its_uid_whatever_an_archive_makes_of_its_tags(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "sent")
    ledger.note("2.25.7", "PACS", "sent", "0x0000")
    (tmp_path / "sent").open("a").write('{"object": "tor')  # power was lost here
    coerced = Instance("1.2", "1.3", "2.25.7", BASIC_TEXT, signed=False)
    assert Ledger(tmp_path / "sent").is_own(coerced)
    assert not Ledger(tmp_path / "sent").is_own(Instance("1.2", "1.3", "2.25.8", BASIC_TEXT, signed=False))
    assert "2.25.7" not in (tmp_path / "sent").read_text()


@pytest.mark.parametrize(
    "target", ["PACS", "PACS@host", "PACS@host:99999", "@host:1", "ftp://host/x", "A" * 17 + "@h:1"]
)
def test_destinations_that_are_none_are_refused(target: str) -> None:
    with pytest.raises(ValueError, match=r"AE@HOST:PORT|http"):
        destination(target, "MEDVLM")


@pytest.mark.parametrize("url", ["http://me:secret@host/", "host:80", "http://", "http://host/?a=b"])
def test_addresses_hold_no_password(url: str) -> None:
    with pytest.raises(ValueError, match=r"MEDVLM_ARCHIVE_LOGIN|http://HOST") as error:
        Site(url)
    assert "secret" not in str(error.value)


def test_a_password_goes_nowhere_else(monkeypatch: pytest.MonkeyPatch, stow: str) -> None:
    monkeypatch.setenv("MEDVLM_ARCHIVE_LOGIN", "aladdin:opensesame")
    assert Site(stow).headers["Authorization"] == "Basic YWxhZGRpbjpvcGVuc2VzYW1l"
    moved: list[str] = []

    class Moved(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            moved.append(self.path)
            self.send_response(302)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Moved)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with pytest.raises(ArchiveError, match="302"):
        Site(f"http://127.0.0.1:{server.server_address[1]}").get("/changes")
    server.shutdown()
    server.server_close()
    assert moved == ["/changes"]


@pytest.mark.parametrize(("code", "kind"), [(401, ArchiveAway), (503, ArchiveAway), (404, ArchiveError)])
def test_what_may_help_later_is_told_from_what_will_not(code: int, kind: type[Exception]) -> None:
    assert isinstance(refusal("http://host", code), kind)
