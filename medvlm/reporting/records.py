"""The files of a reporting run: one JSON a study, and a table of what was done, skipped and failed.

Each appears under its name by one rename, complete and on the disk, so that a kill at any time leaves whole files only.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from medvlm.files import write_whole

TABLE = "studies"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Attributes:
        study: The study's id, and the name of its JSON.
        status: ``done``, ``skipped`` or ``failed``.
        reason: Why it was skipped or failed.
        modality: Of the image that was reported.
        study_uid: StudyInstanceUID, by which a PACS finds it; empty if there is none.
        files: How many files it has.
        place: Where it lies below the searched folder; empty unless asked for, since folders are named after patients.
    """

    study: str
    status: str
    reason: str = ""
    modality: str = ""
    study_uid: str = ""
    files: int = 1
    place: str = ""


def read_record(folder: Path, study: str) -> dict[str, Any] | None:
    """The JSON of a study, None where there is none that can be read.

    Args:
        folder: Of the reports.
        study: Its id.
    """
    path = folder / f"{study}.json"
    if not path.is_file():
        return None
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:  # not ours, or edited: it is written again
        return None
    return record if isinstance(record, dict) else None


def write_table(folder: Path, rows: Iterable[Row], part: str = "") -> None:
    """Write the table of all studies.

    Args:
        folder: Of the reports.
        rows: In any order; they are sorted by status and study.
        part: Name of the part of the studies that the run does; empty for all.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(Row)], lineterminator="\n")
    writer.writeheader()
    for row in sorted(rows, key=lambda row: (row.status, row.study)):
        writer.writerow({name: inert(value) for name, value in asdict(row).items()})
    write_whole(folder / f"{TABLE}{part}.csv", text.getvalue())


def inert(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula (OWASP, CSV injection).

    Args:
        value: Of the cell.
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
