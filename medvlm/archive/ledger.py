"""What was sent, and where to: a line an object, so that nothing is sent twice and ours is known as ours."""

from __future__ import annotations

import hashlib
import json
import threading
from datetime import UTC, datetime
from pathlib import Path

from medvlm.archive.audit import append_line
from medvlm.archive.instance import Instance


class Ledger:
    """Objects of ours by the hash of their SOPInstanceUID.

    Args:
        path: Of the file; made at the first note. A line that is damaged, as the last may be after a loss of power, is
            passed over: its object would be sent again, which adds nothing, for its UID is the same.

    Raises:
        OSError: If the file is there and cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.Lock()
        self._settled: dict[tuple[str, str], str] = {}
        self._ours: set[str] = set()
        if path.is_file():
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                self._read(line)

    def outcome(self, uid: str, target: str) -> str:
        """What became of an object.

        Args:
            uid: SOPInstanceUID.
            target: Name of the destination.

        Returns:
            ``sent``, ``refused``, or nothing if it is still to be sent.
        """
        return self._settled.get((_hash(uid), _hash(target)), "")

    def claim(self, uid: str) -> None:
        """Know an object as ours before it leaves: it may come back before its receipt does.

        Args:
            uid: SOPInstanceUID.
        """
        self._ours.add(_hash(uid))

    def note(self, uid: str, target: str, outcome: str, code: str) -> None:
        """Note what became of an object; it is on the disk when this returns.

        Args:
            uid: SOPInstanceUID.
            target: Name of the destination.
            outcome: ``sent`` or ``refused``.
            code: The status that was answered.

        Raises:
            OSError: If the disk is full.
        """
        moment = datetime.now(UTC).isoformat(timespec="seconds")
        line = {"object": _hash(uid), "to": _hash(target), "outcome": outcome, "code": code, "time": moment}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        append_line(self._path, json.dumps(line), self._lock, sync=True)
        self._settled[line["object"], line["to"]] = outcome
        self._ours.add(line["object"])

    def is_own(self, instance: Instance) -> bool:
        """Whether an instance is a report of ours: it says so, or it was sent from here under that UID.

        Args:
            instance: What came in.
        """
        return instance.signed or _hash(instance.uid) in self._ours

    def _read(self, line: str) -> None:
        try:
            values = json.loads(line)
            key = values["object"], values["to"]
        except (ValueError, KeyError, TypeError):
            return
        self._settled[key] = str(values.get("outcome", ""))
        self._ours.add(values["object"])


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
