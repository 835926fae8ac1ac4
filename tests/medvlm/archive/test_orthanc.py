"""Following the changes of an archive of plain values: where it goes on, what it leaves alone, what it survives."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from medvlm.archive.audit import Audit
from medvlm.archive.inbox import Inbox
from medvlm.archive.orthanc import Orthanc, Poller
from medvlm.archive.web import ArchiveAway, ArchiveError, Site

OURS = {"Manufacturer": "medvlm", "SeriesDescription": "AI report: NOT FOR CLINICAL USE"}
Draw = Callable[..., bytes]


class Fake:
    """Answers as an Orthanc does; what it was asked is kept."""

    url = "http://fake"

    def __init__(self, draw: Draw) -> None:
        self.draw, self.asked = draw, list[str]()
        self.changes: list[dict[str, Any]] = []
        self.series: dict[str, list[dict[str, Any]]] = {}
        self.files: dict[str, bytes] = {}
        self.broken: set[str] = set()

    def study(self, name: str, *numbers: int) -> None:
        """A study of so many images becomes stable."""
        uid, files = f"1.2.{name}", [f"{name}-{number}" for number in numbers]
        self.files |= {file: self.draw(study=uid, number=n) for file, n in zip(files, numbers, strict=True)}
        self.series[name] = [{"MainDicomTags": {"Manufacturer": "Acme"}, "Instances": files}]
        self.change(name)

    def change(self, name: str, kind: str = "StableStudy") -> None:
        self.changes.append({"Seq": len(self.changes) + 1, "ChangeType": kind, "ID": name})

    def get(self, path: str, most: int = 1 << 30) -> bytes:
        self.asked.append(path)
        name = path.split("/")[2]
        if name in self.broken:
            raise ArchiveAway("does not answer")
        if name not in self.files:
            raise ArchiveError("refuses (HTTP 404)")
        return self.files[name]

    def get_json(self, path: str) -> Any:
        self.asked.append(path)
        if path == "/changes?last":
            return {"Changes": self.changes[-1:], "Done": True, "Last": len(self.changes)}
        if path.startswith("/changes"):
            since = int(path.split("since=")[1].split("&")[0])
            found = self.changes[since : since + 100]
            return {"Changes": found, "Done": True, "Last": since + len(found)}
        name = path.split("/")[2]
        if name not in self.series:
            raise ArchiveError("refuses (HTTP 404)")
        return self.series[name] if path.endswith("/series") else {"MainDicomTags": {"StudyInstanceUID": f"1.2.{name}"}}


class Place:
    """An inbox and a file that says how far it went."""

    def __init__(self, folder: Path, draw: Draw) -> None:
        self.folder, self.fake = folder, Fake(draw)
        self.inbox = Inbox(folder / "in", quiet=0, reserve=0)

    def poller(self, *, backlog: bool = True) -> Poller:
        audit = Audit(self.folder / "audit.jsonl", self.folder / "key")
        orthanc = Orthanc(cast("Site", self.fake))
        return Poller(orthanc, self.inbox, audit, self.folder / "place", lambda one: one.signed, backlog=backlog)

    def take(self) -> list[int]:
        """How many instances each study that came has; they are taken away."""
        found = self.inbox.due()
        for waiting in found:
            self.inbox.done(waiting)
        return [len(waiting.names) for waiting in found]


@pytest.fixture
def place(tmp_path: Path, draw: Draw) -> Place:
    return Place(tmp_path, draw)


def test_stable_studies_come_once_and_a_new_process_goes_on(place: Place) -> None:
    place.fake.study("7", 1, 2)
    place.fake.change("7", "NewInstance")
    place.poller().poll()
    assert place.take() == [2]
    place.fake.study("8", 1)
    place.poller().poll()
    assert place.take() == [1]


def test_the_first_start_leaves_what_was_there_alone_unless_asked(place: Place) -> None:
    place.fake.study("7", 1)
    poller = place.poller(backlog=False)
    poller.poll()
    assert place.take() == []
    place.fake.study("8", 1, 2)
    poller.poll()
    assert place.take() == [2]


def test_a_study_that_changed_by_our_own_report_alone_is_not_fetched_again(place: Place) -> None:
    place.fake.study("7", 1)
    poller = place.poller()
    poller.poll()
    place.take()
    place.fake.series["7"].append({"MainDicomTags": OURS, "Instances": ["sr"]})
    place.fake.change("7")
    asked = len(place.fake.asked)
    poller.poll()
    assert place.take() == []
    assert not [path for path in place.fake.asked[asked:] if "/file" in path]
    place.fake.study("7", 1, 3)
    poller.poll()
    assert place.take() == [2]


def test_an_archive_that_fails_in_the_middle_of_a_study_leaves_no_part_of_it(place: Place) -> None:
    place.fake.study("7", 1, 2)
    place.fake.broken = {"7-2"}
    with pytest.raises(ArchiveAway):
        place.poller().poll()
    assert list(place.inbox.folder.iterdir()) == []
    place.fake.broken = set()
    place.poller().poll()
    assert place.take() == [2]


def test_a_study_that_was_deleted_or_broken_stops_no_other(place: Place) -> None:
    place.fake.change("gone")
    place.fake.study("7", 1, 2)
    place.fake.files["7-2"] = b"no DICOM" * 100
    place.fake.study("8", 1)
    del place.fake.files["8-1"]
    place.fake.study("9", 1)
    place.poller().poll()
    assert place.take() == [1, 1]
    events = [json.loads(line) for line in (place.folder / "audit.jsonl").read_text().splitlines()]
    assert [one["event"] for one in events] == ["not-fetched", "refused", "fetched", "not-fetched", "fetched"]


def test_an_archive_that_was_emptied_is_followed_from_its_new_start(place: Place) -> None:
    for name in ("7", "8", "9"):
        place.fake.study(name, 1)
    place.poller().poll()
    place.take()
    place.fake.changes = []
    place.fake.study("10", 1)
    place.poller().poll()
    assert place.take() == [1]


def test_many_changes_come_in_batches(place: Place) -> None:
    for _ in range(150):
        place.fake.change("x", "NewSeries")
    place.fake.study("7", 1)
    poller = place.poller()
    assert poller.poll()
    assert not poller.poll()
    assert place.take() == [1]


def test_a_stop_between_two_studies_loses_none(place: Place) -> None:
    place.fake.study("7", 1)
    place.fake.study("8", 1)
    answers = iter([False, True])
    place.poller().poll(lambda: next(answers))
    assert place.take() == [1]
    place.poller().poll()
    assert place.take() == [1]


@pytest.mark.parametrize("text", ["", "{}", '{"since": "x"}', "[1]"])
def test_a_damaged_place_is_said_and_not_guessed(place: Place, text: str) -> None:
    (place.folder / "place").write_text(text)
    with pytest.raises(ArchiveError, match="place is damaged"):
        place.poller().poll()


def test_what_answers_otherwise_is_no_orthanc(place: Place) -> None:
    place.fake.get_json = lambda path: {"hello": "world"}  # type: ignore[method-assign]
    with pytest.raises(ArchiveError, match="is it the address of an Orthanc"):
        place.poller().poll()
