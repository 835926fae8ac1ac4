"""Results of long work, one JSON object a line: a killed run goes on, and the work of another run is set aside."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


class ProgressFile:
    """Lines on disk under a key that says what they are the work of.

    A last line that a kill cut off is dropped. A file of another key becomes ``NAME.OLD``, and a new one is begun.

    Args:
        path: The file; its first line is the key.
        key: What decides the results: model, data, settings. Must be JSON.

    Raises:
        ValueError: If a line that is not the last one is no JSON object.
    """

    def __init__(self, path: Path, key: Mapping[str, Any]) -> None:
        self.path, self.key = path, json.loads(json.dumps(dict(key)))
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = self._read()
        if lines and lines[0] != {"key": self.key}:
            path.rename(path.with_name(f"{path.name}.old"))
            lines = []
        self.lines: list[dict[str, Any]] = lines[1:]
        if not lines:
            self._write([{"key": self.key}])

    def append(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Add lines; they are on disk when this returns.

        Args:
            lines: JSON objects.
        """
        added = [dict(line) for line in lines]
        self._write(added)
        self.lines += added

    def _write(self, lines: Iterable[Mapping[str, Any]]) -> None:
        data = b"".join(json.dumps(line, ensure_ascii=False).encode("utf-8", "replace") + b"\n" for line in lines)
        with self.path.open("ab") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    def _read(self) -> list[dict[str, Any]]:
        """The whole lines; the file is cut behind them."""
        if not self.path.is_file():
            return []
        data = self.path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            os.truncate(self.path, whole)
        return [_object(line, f"{self.path}:{index}") for index, line in enumerate(data[:whole].splitlines(), start=1)]


def _object(line: bytes, where: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError as error:
        raise ValueError(f"{where} is no JSON ({error}); delete the file to begin again.") from None
    if not isinstance(found, dict):
        raise ValueError(f"{where} holds a {type(found).__name__}, expected an object; delete the file to begin again.")
    return found
