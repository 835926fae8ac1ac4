"""Studies of an Orthanc: its changes are asked for, stable studies fetched, and our own reports left where they are."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medvlm.archive.audit import Audit
from medvlm.archive.inbox import Inbox
from medvlm.archive.instance import Instance, Malformed, OwnTest, read_instance, signed_by_us
from medvlm.archive.web import ArchiveError, Site
from medvlm.files import write_whole

_BATCH = 100
_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Change:
    """Something that happened in the archive: its number, and the study that became stable; empty if it was another."""

    number: int
    study: str


class Orthanc:
    """What is asked of an Orthanc's REST interface.

    Args:
        site: Its address.
        most: Bytes of the largest instance.
    """

    def __init__(self, site: Site, *, most: int = 1 << 30) -> None:
        self.site, self._most = site, most

    def newest(self) -> int:
        """The number of its last change; 0 if there was none.

        Raises:
            ArchiveAway: If it does not answer.
            ArchiveError: If it is no Orthanc.
        """
        return _whole(self.site.get_json("/changes?last"), "Last")

    def changes(self, since: int) -> tuple[list[Change], int]:
        """The changes after one, oldest first, and the number to go on from.

        Args:
            since: The number of the last that is known.

        Raises:
            ArchiveAway: If it does not answer.
            ArchiveError: If it is no Orthanc.
        """
        answer = self.site.get_json(f"/changes?since={since}&limit={_BATCH}")
        last = _whole(answer, "Last")
        found = [
            Change(_whole(one, "Seq"), str(one["ID"]) if one.get("ChangeType") == "StableStudy" else "")
            for one in answer["Changes"]
        ]
        return found, last

    def study(self, name: str) -> tuple[str, list[str]]:
        """A study's UID and the names of its instances, those of our own series left out.

        Args:
            name: Orthanc's, of the study.

        Raises:
            ArchiveAway: If it does not answer.
            ArchiveError: If there is no such study.
        """
        uid = str(self.site.get_json(f"/studies/{name}")["MainDicomTags"].get("StudyInstanceUID", ""))
        files: list[str] = []
        for series in self.site.get_json(f"/studies/{name}/series"):
            tags = series["MainDicomTags"]
            if not signed_by_us(tags.get("Manufacturer", ""), tags.get("SeriesDescription", "")):
                files += series["Instances"]
        return uid, sorted(files)

    def instance(self, name: str) -> bytes:
        """The file of an instance, as it was received.

        Args:
            name: Orthanc's, of the instance.

        Raises:
            ArchiveAway: If it does not answer.
            ArchiveError: If there is no such instance, or it is too large.
        """
        return self.site.get(f"/instances/{name}/file", self._most)


class Poller:
    """Takes the stable studies of an Orthanc into an inbox, each once for each set of images.

    Args:
        archive: The Orthanc.
        inbox: Takes them.
        audit: Is told of them.
        place: File that says how far the changes were followed; absent at the first start.
        is_own: Whether an instance is a report of ours.
        backlog: Whether the first start begins with the oldest change, not with those to come.
    """

    def __init__(
        self, archive: Orthanc, inbox: Inbox, audit: Audit, place: Path, is_own: OwnTest, *, backlog: bool
    ) -> None:
        self._archive, self._inbox, self._audit = archive, inbox, audit
        self._place, self._own, self._backlog = place, is_own, backlog
        self._seen: OrderedDict[str, str] = OrderedDict()

    def poll(self, stopped: Callable[[], bool] = lambda: False) -> bool:
        """Follow the changes by one batch; each study is on the disk before its change is left behind.

        Args:
            stopped: Whether to end between two studies.

        Returns:
            Whether there may be more at once.

        Raises:
            ArchiveAway: If the archive does not answer; what was not taken comes next time.
            ArchiveError: If it is no Orthanc.
            OSError: If the disk is full.
        """
        since = self._since()
        changes, last = self._archive.changes(since)
        for change in changes:
            if stopped():
                return False
            if change.study:
                self._take(change.study)
                self._save(change.number)
        if changes:
            self._save(last)
        return len(changes) == _BATCH

    def _take(self, name: str) -> None:
        """Fetch a study, unless its images are those that were fetched before."""
        try:
            uid, files = self._archive.study(name)
            digest = hashlib.sha256("\n".join(files).encode()).hexdigest()
            if not files or self._seen.get(name) == digest:
                return
            count = self._inbox.adopt(uid, self._fetch(uid, files))
        except ArchiveError as error:
            self._audit.note("not-fetched", study=name, code=type(error).__name__)
            return
        self._audit.note("fetched", study=uid, counts={"instances": count})
        self._seen[name] = digest
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)

    def _fetch(self, uid: str, files: list[str]) -> Iterator[tuple[Instance, bytes]]:
        for file in files:
            data = self._archive.instance(file)
            try:
                instance = read_instance(data)
            except Malformed as error:
                self._audit.note("refused", study=uid, code=type(error).__name__)
                continue
            if instance.study == uid and not self._own(instance):
                yield instance, data

    def _since(self) -> int:
        """Where to go on; from the start again if the archive was emptied and counts anew."""
        newest = self._archive.newest()
        if not self._place.is_file():
            self._save(0 if self._backlog else newest)
        since = _read_place(self._place)
        return since if since <= newest else 0

    def _save(self, number: int) -> None:
        write_whole(self._place, json.dumps({"since": number}))


def _read_place(path: Path) -> int:
    """How far the changes were followed.

    Raises:
        ArchiveError: If the file is damaged: to guess would report an archive twice or leave studies out.
    """
    try:
        return _whole(json.loads(path.read_text(encoding="utf-8")), "since")
    except (ValueError, ArchiveError):
        raise ArchiveError(f"{path.name} is damaged: delete it to begin with the changes to come") from None


def _whole(answer: Any, key: str) -> int:
    value = answer.get(key) if isinstance(answer, dict) else None
    if not isinstance(value, int):
        raise ArchiveError(f"an answer without {key}: is it the address of an Orthanc?")
    return value
