"""When a run began: kept beside its reports, so that one that goes on writes what an undisturbed one would."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

from medvlm.files import write_whole

NAME = ".started"
VARIABLE = "SOURCE_DATE_EPOCH"
"""Seconds since 1970 that stand for the present, by the convention of reproducible builds."""


def started(folder: Path, key: str) -> str:
    """When the run of this key began in this folder, in ISO 8601; it is noted where it is not yet.

    Args:
        folder: Of the reports.
        key: Of the run.

    Raises:
        ValueError: If ``SOURCE_DATE_EPOCH`` is no number.
    """
    path = folder / NAME
    noted = _read(path)
    if key not in noted:
        noted[key] = _now()
        write_whole(path, json.dumps(noted))
    return noted[key]


def _now() -> str:
    given = os.environ.get(VARIABLE)
    if given is None:
        return datetime.now(UTC).isoformat(timespec="seconds")
    if not given.isdecimal():
        raise ValueError(f"{VARIABLE}={given!r}: expected seconds since 1970, such as 1767225600")
    return datetime.fromtimestamp(int(given), UTC).isoformat(timespec="seconds")


def _read(path: Path) -> dict[str, str]:
    """Starts by key; none where the file is absent or was edited by hand."""
    try:
        noted = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return {str(key): str(value) for key, value in noted.items()} if isinstance(noted, dict) else {}
