"""Where received instances lie until their study is complete: undecoded, under names that say nothing."""

from __future__ import annotations

import errno
import hashlib
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from medvlm.archive.instance import Instance
from medvlm.files import atomic_folder, write_whole
from medvlm.reporting.find import study_id

RESERVE = 1 << 28
"""Bytes of the disk that are left free: reports must still fit."""
_REPORTED = ".reported"
"""File in the folder of a study that is held: the names of what was reported."""
_STRIPES = 16
_STUDY = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class Waiting:
    """A study that can be reported.

    Attributes:
        study: Its id, as its report is named: hash of the StudyInstanceUID.
        folder: Holds its instances, a file each; hidden files are the inbox's own.
        names: Of these files, when the study was found complete.
    """

    study: str
    folder: Path
    names: frozenset[str]


@dataclass(slots=True)
class _State:
    """What is known of a study that lies here; times are those of the inbox's clock."""

    due: float
    names: set[str] = field(default_factory=set)
    reported: frozenset[str] = frozenset()
    gone: float | None = None


class Inbox:
    """The studies that came in. What lay there when an earlier process ended, even killed, is taken up.

    A study is complete when nothing new came for ``quiet`` seconds. One that grows later is complete again after the
    same time; for that its files stay for ``hold`` seconds after they were reported.

    Args:
        folder: Its place; made if absent, and used by one process at a time.
        quiet: Seconds without a new instance after which a study is complete.
        hold: Seconds that a reported study is kept; None keeps it for ever.
        clock: Seconds that never go backwards.
        reserve: Bytes of the disk that stay free.

    Raises:
        ValueError: If a time is negative.
        OSError: If the folder cannot be made.
    """

    def __init__(
        self,
        folder: Path,
        *,
        quiet: float,
        hold: float | None = 0.0,
        clock: Callable[[], float] = time.monotonic,
        reserve: int = RESERVE,
    ) -> None:
        for name, value in (("quiet", quiet), ("hold", hold)):
            if value is not None and not value >= 0:
                raise ValueError(f"{name}={value}: expected 0 seconds or more")
        self.folder, self.quiet, self.hold, self.reserve = folder, quiet, hold, reserve
        self._clock, self._lock = clock, threading.Lock()
        self._stripes = tuple(threading.Lock() for _ in range(_STRIPES))
        self._studies: dict[str, _State] = {}
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._take_up()

    def put(self, instance: Instance, data: bytes) -> bool:
        """Keep an instance; it is on the disk, whole, when this returns.

        Args:
            instance: What it is.
            data: The file (PS3.10) as it came.

        Returns:
            Whether it is new; the same instance again replaces the file and does not make the study grow.

        Raises:
            OSError: If the disk is full (``ENOSPC``), before it is really so.
        """
        study, name = study_id(instance.study), file_name(instance)
        with self._stripe(study):
            self._check_space(len(data))
            write_whole(self.folder / study / name, data)
            with self._lock:
                now = self._clock()
                state = self._studies.setdefault(study, _State(now))
                new = name not in state.names
                if new:
                    state.names.add(name)
                    state.due = now + self.quiet
                return new

    def adopt(self, study: str, files: Iterable[tuple[Instance, bytes]]) -> int:
        """Keep a study that is known to be complete; it replaces what lay here of it, once all of it came.

        Args:
            study: StudyInstanceUID.
            files: Its instances; if they raise, nothing changes.

        Returns:
            How many instances it has.

        Raises:
            OSError: If the disk is full.
        """
        name = study_id(study)
        names = set()
        with self._stripe(name), atomic_folder(self.folder / name) as folder:
            for instance, data in files:
                self._check_space(len(data))
                (folder / file_name(instance)).write_bytes(data)
                names.add(file_name(instance))
        with self._lock:
            self._studies[name] = _State(self._clock(), names)
        return len(names)

    def due(self) -> list[Waiting]:
        """Studies that are complete and not yet reported, those that wait longest first."""
        self._sweep()
        with self._lock:
            now = self._clock()
            found = [(state.due, name) for name, state in self._studies.items() if _open(state) and state.due <= now]
            return [
                Waiting(name, self.folder / name, frozenset(self._studies[name].names)) for _, name in sorted(found)
            ]

    def defer(self, waiting: Waiting, seconds: float) -> None:
        """Try a study again later.

        Args:
            waiting: Of `due`.
            seconds: How much later.
        """
        with self._lock:
            self._studies[waiting.study].due = self._clock() + seconds

    def done(self, waiting: Waiting) -> None:
        """Note that a study was reported; what came meanwhile makes it complete once more, later.

        Args:
            waiting: Of `due`.
        """
        with self._stripe(waiting.study):
            with self._lock:
                state = self._studies[waiting.study]
                state.reported = waiting.names
                grown = state.names != waiting.names
                state.gone = None if grown or self.hold is None else self._clock() + self.hold
            if not grown and self.hold == 0:
                self._remove(waiting.study)
            else:
                write_whole(waiting.folder / _REPORTED, "\n".join(sorted(waiting.names)))

    @property
    def empty(self) -> bool:
        """Whether no study waits to be complete or reported."""
        with self._lock:
            return not any(_open(state) for state in self._studies.values())

    def _sweep(self) -> None:
        """Remove what was reported long enough ago."""
        with self._lock:
            now = self._clock()
            old = [name for name, state in self._studies.items() if state.gone is not None and state.gone <= now]
        for name in old:
            with self._stripe(name):
                with self._lock:
                    still = not _open(self._studies[name])
                if still:
                    self._remove(name)

    def _remove(self, study: str) -> None:
        """Remove a study at once: under a name that is not taken up, if the process dies meanwhile."""
        with self._lock:
            del self._studies[study]
        gone = self.folder / f".gone-{study}"
        (self.folder / study).rename(gone)
        shutil.rmtree(gone)

    def _take_up(self) -> None:
        """What an earlier process left: its studies wait anew, what it had not finished writing goes."""
        for path in self.folder.iterdir():
            if path.name.startswith("."):
                shutil.rmtree(path)
            if not _STUDY.fullmatch(path.name):
                continue
            for part in path.glob(".*.part"):
                part.unlink()
            self._studies[path.name] = self._known(path)

    def _known(self, folder: Path) -> _State:
        now, note = self._clock(), folder / _REPORTED
        reported = frozenset(note.read_text(encoding="utf-8").split()) if note.is_file() else frozenset[str]()
        state = _State(now + self.quiet, {file.name for file in folder.glob("[!.]*")}, reported)
        if reported and self.hold is not None:
            state.gone = now + self.hold
        return state

    def _check_space(self, size: int) -> None:
        if shutil.disk_usage(self.folder).free - size < self.reserve:
            raise OSError(errno.ENOSPC, f"less than {self.reserve >> 20} MiB would be left on the disk of the inbox")

    def _stripe(self, study: str) -> threading.Lock:
        return self._stripes[int(study[:8], 16) % _STRIPES]


def file_name(instance: Instance) -> str:
    """The name of an instance's file: a hash, so that no UID can point out of the folder.

    Args:
        instance: What it is.
    """
    return f"{hashlib.sha256(instance.uid.encode()).hexdigest()[:32]}.dcm"


def _open(state: _State) -> bool:
    return not state.names <= state.reported
