"""The whole circle with a real Orthanc: pixels go in, a report comes back into the study, the side is the side."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless

from medvlm.archive.audit import Audit
from medvlm.archive.destinations import destination
from medvlm.archive.inbox import Inbox
from medvlm.archive.ledger import Ledger
from medvlm.archive.listen import Door, Listener
from medvlm.archive.orthanc import Orthanc, Poller
from medvlm.archive.send import Sender
from medvlm.archive.watch import Reporter, Watch
from medvlm.archive.web import Site
from medvlm.predictor import Predictor

PASSWORD = "watch:correct horse"
BASIC_TEXT, PDF = "1.2.840.10008.5.1.4.1.1.88.11", "1.2.840.10008.5.1.4.1.1.104.1"
Draw = Callable[..., bytes]
CASES: dict[str, dict[str, Any]] = {
    "1.2.801": {"side": "left"},
    "1.2.802": {"side": "right"},
    "1.2.803": {"side": "left", "inverted": True, "number": 3},
    "1.2.804": {"side": "right", "syntax": JPEG2000Lossless, "number": 4},
    "1.2.805": {"side": "left", "inverted": True, "syntax": JPEGLSLossless, "number": 5},
}


class Place:
    """A watch over a folder, as the command puts it together."""

    def __init__(self, folder: Path, reader: Predictor, send: str, forms: tuple[str, ...] = ("sr",)) -> None:
        self.folder, self.lines = folder, list[str]()
        self.audit = Audit(folder / "audit.jsonl", folder / ".watch" / "key")
        self.ledger = Ledger(folder / ".watch" / "sent.jsonl")
        self.stop = threading.Event()
        sender = Sender(destination(send, "MEDVLM"), self.ledger, self.audit, wait=self.stop.wait)
        self.reporter = Reporter(reader, folder, forms, sender, self.audit)

    def poll(self, archive: Any, **more: Any) -> int:
        """One round with an archive, by a process that knows nothing but what lies on the disk."""
        inbox = Inbox(self.folder / ".watch" / "inbox", quiet=0, reserve=0)
        orthanc = Orthanc(Site(archive.url, login=PASSWORD))
        place = self.folder / ".watch" / "place.json"
        poller = Poller(orthanc, inbox, self.audit, place, self.ledger.is_own, backlog=True)
        watch = Watch(inbox, self.reporter.report, self.lines.append, self.audit, poller=poller, **more)
        return watch.run(once=True)

    @contextmanager
    def listening(self, port: int, studies: int, allow: tuple[str, ...] = ()) -> Iterator[threading.Thread]:
        """A node, and a thread that ends when so many studies were told of."""
        inbox = Inbox(self.folder / ".watch" / "inbox", quiet=0.5, hold=60, reserve=0)
        listener = Listener(Door(port=port, allow=allow), inbox, self.audit, self.ledger.is_own)
        watch = Watch(inbox, self.reporter.report, self._told(studies), self.audit, stop=self.stop)
        listener.start()
        thread = threading.Thread(target=watch.run, kwargs={"every": 0.05}, daemon=True)
        thread.start()
        try:
            yield thread
        finally:
            self.stop.set()
            thread.join(20)
            listener.stop(0.5)

    def _told(self, studies: int) -> Callable[[str], None]:
        def tell(line: str) -> None:
            self.lines.append(line)
            if len(self.lines) >= studies:
                self.stop.set()

        return tell


def _texts(item: Any) -> str:
    """All words of an SR."""
    below = " ".join(_texts(one) for one in item.get("ContentSequence", ()))
    return f"{item.get('TextValue', '')} {below}"


def check(objects: dict[str, Any], out: Path, study: str, side: str, forms: int = 1) -> None:
    """What came back into a study is of it, refers to its image, and says the side that was drawn."""
    members = [one for one in objects.values() if one.StudyInstanceUID == study]
    (image,) = [one for one in members if one.Modality == "DX"]
    (report,) = [one for one in members if one.SOPClassUID == BASIC_TEXT]
    assert len(members) == 1 + forms
    other = "right" if side == "left" else "left"
    said = _texts(report)
    assert f"Large {side} pleural effusion" in said
    assert f"{other} " not in said.lower()
    (evidence,) = report.CurrentRequestedProcedureEvidenceSequence
    assert evidence.StudyInstanceUID == study
    (reference,) = evidence.ReferencedSeriesSequence[0].ReferencedSOPSequence
    assert reference.ReferencedSOPInstanceUID == image.SOPInstanceUID
    assert report.PatientName == image.PatientName
    (record,) = [json.loads(path.read_text()) for path in out.rglob("*.json") if f'"{study}"' in path.read_text()]
    assert all(words in said for words in record["sections"].values())
    for pdf in (one for one in members if one.SOPClassUID == PDF):
        assert pdf.EncapsulatedDocument.startswith(b"%PDF")
        assert [one.ReferencedSOPInstanceUID for one in pdf.SourceInstanceSequence] == [image.SOPInstanceUID]


def fill(archive: Any, draw: Draw, cases: dict[str, dict[str, Any]]) -> None:
    for study, more in cases.items():
        archive.ask("/instances", draw(study=study, **more))
    archive.wait_stable(len(cases))


def test_an_orthanc_is_followed_and_gets_its_reports_by_store(
    archive: Any, reader: Predictor, draw: Draw, tmp_path: Path
) -> None:
    fill(archive, draw, CASES)
    place = Place(tmp_path, reader, f"ORTHANC@127.0.0.1:{archive.dicom}")
    assert place.poll(archive) == 0
    objects = archive.objects()
    for study, case in CASES.items():
        check(objects, tmp_path, study, case["side"])
    assert [line.split(": ")[1] for line in place.lines] == ["reported; 1 object(s) sent"] * len(CASES)
    archive.wait_stable(2 * len(CASES))  # each has changed: by our own report
    for _ in range(2):
        assert place.poll(archive) == 0
        assert archive.objects().keys() == objects.keys()
    assert not list((tmp_path / ".watch" / "inbox").iterdir())


@pytest.mark.slow
@pytest.mark.usefixtures("pango")
def test_an_orthanc_sends_to_our_node_and_gets_text_and_pdf(
    archive: Any, reader: Predictor, draw: Draw, tmp_path: Path, port: int
) -> None:
    cases = dict(list(CASES.items())[2:4])
    fill(archive, draw, cases)
    place = Place(tmp_path, reader, f"ORTHANC@127.0.0.1:{archive.dicom}", ("sr", "encapsulated"))
    send = json.dumps({"Resources": archive.ask("/studies"), "Synchronous": True}).encode()
    with place.listening(port, len(cases), allow=("ORTHANC",)) as node:
        archive.ask("/modalities/medvlm/store", send)
        node.join(30)
    objects = archive.objects()
    for study, case in cases.items():
        check(objects, tmp_path, study, case["side"], forms=2)
    again = Place(tmp_path, reader, f"ORTHANC@127.0.0.1:{archive.dicom}", ("sr", "encapsulated"))
    with again.listening(port, 1) as node:
        archive.ask("/modalities/medvlm/store", send)  # the images, and our four objects with them
        node.join(2)
    assert again.lines == []
    events = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    assert sum(one.get("own", 0) for one in events) == 4
    assert archive.objects().keys() == objects.keys()


@pytest.mark.slow
def test_a_study_that_grows_is_reported_again_and_an_archive_away_is_waited_for(
    archive: Any, reader: Predictor, draw: Draw, tmp_path: Path, port: int
) -> None:
    fill(archive, draw, {"1.2.801": {"side": "left"}})
    away = Place(tmp_path, reader, f"ORTHANC@127.0.0.1:{port}")
    assert away.poll(archive) == 1
    assert "tried again later" in away.lines[0]
    place = Place(tmp_path, reader, f"ORTHANC@127.0.0.1:{archive.dicom}")
    assert place.poll(archive) == 0  # what was reported and not sent lay in the inbox
    check(archive.objects(), tmp_path, "1.2.801", "left")
    archive.ask("/instances", draw(study="1.2.801", side="left", number=2, ViewPosition="LL"))
    archive.wait_stable(2)
    assert place.poll(archive) == 0
    assert "reported" in place.lines[-1]
    assert len([one for one in archive.objects().values() if one.SOPClassUID == BASIC_TEXT]) == 1


def test_a_wrong_password_and_what_is_no_orthanc_are_said(archive: Any, reader: Predictor, tmp_path: Path) -> None:
    place = Place(tmp_path, reader, f"ORTHANC@127.0.0.1:{archive.dicom}")
    archive_url, archive.url = archive.url, f"http://127.0.0.1:{archive.dicom}"
    assert place.poll(archive) == 1
    assert "does not answer" in place.lines[-1]
    archive.url = archive_url
    with pytest.raises(Exception, match="lets us not in"):
        Site(archive.url, login="watch:wrong", wait=lambda _: None).get("/changes")


@pytest.mark.slow
def test_stow_into_an_orthanc(
    archive: Any, reader: Predictor, draw: Draw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "dicom-web" not in archive.ask("/plugins"):
        pytest.skip("this Orthanc has no DICOMweb: apt-get install orthanc-dicomweb")
    monkeypatch.setenv("MEDVLM_ARCHIVE_LOGIN", PASSWORD)
    fill(archive, draw, {"1.2.802": {"side": "right"}})
    place = Place(tmp_path, reader, f"{archive.url}/dicom-web")
    assert place.poll(archive) == 0
    check(archive.objects(), tmp_path, "1.2.802", "right")
    archive.wait_stable(2)
    assert place.poll(archive) == 0
    assert len(archive.objects()) == 2


def test_a_patient_is_named_nowhere_but_in_dicom_objects(
    archive: Any, reader: Predictor, draw: Draw, tmp_path: Path, capfd: Any, caplog: Any, monkeypatch: Any
) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr("tempfile.tempdir", None)
    with caplog.at_level(logging.DEBUG):
        fill(archive, draw, {"1.2.801": {"side": "left"}})
        place = Place(tmp_path / "out", reader, f"ORTHANC@127.0.0.1:{archive.dicom}")
        place.poll(archive)
    told = caplog.text + "".join(capfd.readouterr()) + "".join(place.lines)
    for path in tmp_path.rglob("*"):
        told += str(path.relative_to(tmp_path))
        if path.is_file() and path.suffix != ".dcm":
            told += path.read_bytes().decode("latin-1")
    assert all(word not in told for word in ("Quux", "QUUX", "4711", "Zebedee"))
    assert list(temporary.rglob("*")) == []
