"""What comes in lies there whole, under names that say nothing, until it is complete and reported."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from medvlm.archive.inbox import Inbox
from medvlm.archive.instance import Instance

Make = Callable[..., tuple[Instance, bytes]]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def inbox(tmp_path: Path, clock: Clock) -> Inbox:
    return Inbox(tmp_path / "in", quiet=10, hold=100, clock=clock, reserve=0)


def test_a_study_is_complete_when_nothing_new_came_for_the_quiet_time(
    inbox: Inbox, clock: Clock, instance: Make
) -> None:
    for second in (0, 8):
        clock.now = second
        assert inbox.put(*instance(number=second + 1))
    clock.now = 17.9
    assert inbox.due() == []
    clock.now = 18
    (found,) = inbox.due()
    assert found.study == hashlib.sha256(b"1.2.3").hexdigest()[:16]
    assert len(list(found.folder.iterdir())) == len(found.names) == 2


def test_the_same_instance_again_does_not_make_it_wait(inbox: Inbox, clock: Clock, instance: Make) -> None:
    inbox.put(*instance())
    clock.now = 9
    assert not inbox.put(*instance())
    clock.now = 10
    assert len(inbox.due()) == 1


def test_bytes_are_kept_as_they_came_under_names_that_say_nothing(inbox: Inbox, instance: Make) -> None:
    one, data = instance(syntax="1.2.840.10008.1.2.4.80")
    inbox.put(one, data)
    (file,) = inbox.folder.rglob("*.dcm")
    assert file.read_bytes() == data
    assert not {"1.2.3", "Quux", "4711"} & set(str(file.relative_to(inbox.folder)).split("/"))
    assert inbox.folder.stat().st_mode & 0o077 == 0


def test_a_study_that_grows_is_complete_again_whole_and_then_goes(inbox: Inbox, clock: Clock, instance: Make) -> None:
    inbox.put(*instance())
    clock.now = 10
    inbox.done(inbox.due()[0])
    assert (inbox.due(), inbox.empty) == ([], True)
    inbox.put(*instance(number=2))
    clock.now = 200  # beyond the time that reported studies are held: it has grown and must not go
    (grown,) = inbox.due()
    assert len(grown.names) == 2
    inbox.done(grown)
    clock.now = 300
    assert inbox.due() == []
    assert list(inbox.folder.iterdir()) == []


def test_what_came_while_it_was_reported_makes_it_complete_again(tmp_path: Path, clock: Clock, instance: Make) -> None:
    inbox = Inbox(tmp_path / "in", quiet=0, hold=0, clock=clock, reserve=0)
    inbox.put(*instance())
    (waiting,) = inbox.due()
    inbox.put(*instance(number=2))
    inbox.done(waiting)
    (again,) = inbox.due()
    assert len(again.names) == 2
    inbox.done(again)
    assert list(inbox.folder.iterdir()) == []


def test_what_a_killed_process_left_is_taken_up_and_its_half_files_go(
    inbox: Inbox, clock: Clock, instance: Make
) -> None:
    inbox.put(*instance())
    study = next(inbox.folder.iterdir())
    (study / ".abc.dcm.77.part").write_bytes(b"DICM")
    (inbox.folder / ".gone-0123456789abcdef").mkdir()
    later = Inbox(inbox.folder, quiet=10, clock=clock, reserve=0)
    assert later.due() == []
    clock.now = 10
    assert later.due()[0].names == frozenset(path.name for path in study.glob("*.dcm"))
    assert sorted(path.name for path in inbox.folder.iterdir()) == [study.name]
    assert not list(study.glob(".*"))


def test_what_was_reported_before_a_restart_is_not_reported_again_unless_it_grows(
    inbox: Inbox, clock: Clock, instance: Make
) -> None:
    inbox.put(*instance())
    clock.now = 10
    inbox.done(inbox.due()[0])
    later = Inbox(inbox.folder, quiet=10, hold=100, clock=clock, reserve=0)
    clock.now = 100
    assert (later.due(), later.empty) == ([], True)
    later.put(*instance(number=2))
    clock.now = 111
    (grown,) = later.due()
    assert len(grown.names) == 2
    later.done(grown)
    clock.now = 300
    assert later.due() == []
    assert list(later.folder.iterdir()) == []


def test_a_full_disk_is_said_before_it_is_full(inbox: Inbox, instance: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    inbox.reserve = 1000
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1001))
    with pytest.raises(OSError, match="would be left on the disk"):
        inbox.put(*instance())
    assert not list(inbox.folder.rglob("*.dcm"))


def test_a_study_is_adopted_whole_or_not_at_all(inbox: Inbox, instance: Make) -> None:
    def breaks() -> Any:
        yield instance(number=2)
        raise ConnectionResetError

    assert inbox.adopt("1.2.3", [instance()]) == 1
    before = inbox.due()
    with pytest.raises(ConnectionResetError):
        inbox.adopt("1.2.3", breaks())
    assert inbox.due() == before
    assert [path.name for path in before[0].folder.iterdir()] == list(before[0].names)
    assert len(list(inbox.folder.iterdir())) == 1


def test_hostile_uids_stay_in_the_folder(inbox: Inbox, tmp_path: Path) -> None:
    inbox.put(Instance("../../x", "", "../../../evil", "1.2", signed=False), b"data")
    (file,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert file.parent.parent == inbox.folder


@pytest.mark.parametrize("times", [{"quiet": -1}, {"quiet": float("nan")}, {"quiet": 1, "hold": -5}])
def test_times_that_are_none_are_refused(times: dict[str, float], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="0 seconds or more"):
        Inbox(tmp_path / "in", **times)  # type: ignore[arg-type]
