"""What happened, a JSON line each, without anything of a patient: the file may be shown to anyone."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

_WORD = re.compile(r"[^A-Za-z0-9_.:+-]")


class Audit:
    """Appends events to a file; studies are named by a pseudonym that only the holder of the key can make.

    Args:
        path: Of the JSONL; made if absent.
        key: Path of the key; a new one is made if absent, readable by its owner alone.

    Raises:
        OSError: If neither can be written.
    """

    def __init__(self, path: Path, key: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self._key, self._lock = path, _key(key), threading.Lock()
        self._lost = 0

    def note(
        self, event: str, *, study: str = "", peer: str = "", code: str = "", counts: Mapping[str, int] | None = None
    ) -> None:
        """Append one event. A full disk stops nobody: the next line that can be written says how many are ``lost``.

        Args:
            event: What happened, in a word.
            study: What names the study to us; only its pseudonym is written.
            peer: Calling AE title; what is no letter or digit of it becomes ``_``.
            code: Status or class of an error, never its message.
            counts: How many of what.
        """
        line: dict[str, str | int] = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event}
        if study:
            line["study"] = self.pseudonym(study)
        for name, value in (("peer", peer), ("code", code)):
            if value:
                line[name] = _WORD.sub("_", value.strip())[:32]
        line |= counts or {}
        if self._lost:
            line["lost"] = self._lost
        try:
            append_line(self.path, json.dumps(line), self._lock)
            self._lost = 0
        except OSError:
            self._lost += 1

    def pseudonym(self, text: str) -> str:
        """16 hex digits that stand for a text.

        Args:
            text: Any.
        """
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()[:16]


def append_line(path: Path, line: str, lock: threading.Lock, *, sync: bool = False) -> None:
    """Append a line in one write, so that no reader sees half of it unless the process dies there.

    Args:
        path: The file.
        line: Without its end.
        lock: That of the file.
        sync: Whether it is on the disk when this returns.

    Raises:
        OSError: If the disk is full.
    """
    with lock:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, f"{line}\n".encode())
            if sync:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _key(path: Path) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_bytes()
    with os.fdopen(descriptor, "wb") as file:
        key = secrets.token_bytes(32)
        file.write(key)
    return key
