"""Worklists: a CSV or JSONL file that names what is reported, with what it is compared, and why the patient came.

Columns (or keys), in any order: ``path`` of a file or folder, relative to the list's folder, or ``study_uid`` of a
study below it (or below another root); ``prior``, a path or UID or several with ``;`` between; ``history``; ``id``, of
which the report's name is the hash. A line that cannot be followed is a failure with its number, and stops no other.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medvlm.study import SampleError

LONGEST = 65_536
"""Characters of a cell beyond which a file is no worklist."""
COLUMNS = ("path", "study_uid", "prior", "history", "id")
MOST_HISTORY = 2000
"""Characters of a clinical history."""

_UID = re.compile(r"[0-9][0-9.]{0,63}")


@dataclass(frozen=True, slots=True)
class Task:
    """One line of a worklist.

    Attributes:
        source: The list.
        line: Its number in it, from 1.
        path: File or folder, as written; empty where a UID names the study.
        study_uid: StudyInstanceUID; empty where a path does.
        prior: Paths and UIDs, as written.
        history: Clinical history on one line, without what a chat template would take for its own marks.
        id: Name that the list gives the study; empty without one.
    """

    source: Path
    line: int
    path: str = ""
    study_uid: str = ""
    prior: tuple[str, ...] = ()
    history: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True)
class Unread:
    """A line that cannot be followed, and why; line 1 for what concerns all of them."""

    line: int
    reason: str
    failed: bool = True


def read_worklist(path: Path) -> list[Task | Unread]:
    """The lines of a worklist, in order.

    Args:
        path: A ``.csv`` (comma, semicolon or tabulator) or ``.jsonl`` file in UTF-8.

    Raises:
        SampleError: If it is not UTF-8, is no table, or names neither paths nor UIDs.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SampleError(f"{path} is not UTF-8; save the worklist as UTF-8 and give it again.") from None
    rows = list(_json_lines(text) if path.suffix.lower() == ".jsonl" else _csv_lines(path, text))
    names = Counter(name for _, row in rows if isinstance(row, Mapping) for name in row)
    if rows and not {"path", "study_uid"} & set(names):
        raise SampleError(f"{path} has neither a column path nor study_uid; expected some of {', '.join(COLUMNS)}.")
    unknown = sorted(set(names) - set(COLUMNS))
    said = [Unread(1, f"unknown columns were not read: {', '.join(unknown)}", failed=False)] if unknown else []
    return [*said, *(_task(path, line, row) if isinstance(row, Mapping) else Unread(line, row) for line, row in rows)]


def _csv_lines(path: Path, text: str) -> Iterator[tuple[int, Mapping[str, Any] | str]]:
    """Each row by its columns, or what is wrong with it."""
    head = text.partition("\n")[0]
    delimiter = max(",;\t", key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        names = [name.strip().lower() for name in next(reader, [])]
        if len(set(names)) < len(names):
            raise SampleError(f"{path} names a column twice; name each of {', '.join(COLUMNS)} at most once.")
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            # the limit of the csv module is one of the whole process, and others set it
            if (longest := max(map(len, cells))) > LONGEST:
                raise csv.Error(f"a cell of {longest} characters")
            surplus = any(cell.strip() for cell in cells[len(names) :])
            row = dict(zip(names, cells, strict=False))
            yield reader.line_num, "more cells than columns; put quotes around cells with commas" if surplus else row
    except csv.Error as error:
        raise SampleError(f"{path}, line {reader.line_num}: no CSV ({error}); save the worklist again.") from None


def _json_lines(text: str) -> Iterator[tuple[int, Mapping[str, Any] | str]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            yield number, 'no JSON; expected an object such as {"path": "a.dcm"}'
            continue
        if not isinstance(row, dict):
            yield number, f'a {type(row).__name__}; expected an object such as {{"path": "a.dcm"}}'
        else:
            yield number, {name.strip().lower(): value for name, value in row.items()}


def _task(source: Path, line: int, row: Mapping[str, Any]) -> Task | Unread:
    cells = {name: row.get(name) for name in COLUMNS}
    if isinstance(cells["prior"], list) and all(isinstance(one, str) for one in cells["prior"]):
        cells["prior"] = ";".join(cells["prior"])
    for name, value in cells.items():
        if isinstance(value, int) and not isinstance(value, bool):
            cells[name] = str(value)
        elif not isinstance(value, str | None):
            return Unread(line, f"{name} is a {type(value).__name__}; expected text")
    texts = {name: (value or "").strip() for name, value in cells.items()}
    if "\0" in "".join(texts.values()):
        return Unread(line, "a zero byte in a cell")
    return _checked(source, line, texts)


def _checked(source: Path, line: int, texts: Mapping[str, str]) -> Task | Unread:
    path, uid, history = texts["path"], texts["study_uid"], plain_history(texts["history"])
    if bool(path) == bool(uid):
        return Unread(line, "expected either a path or a study_uid" + (", found both" if path else ""))
    if uid and not _UID.fullmatch(uid):
        return Unread(line, "study_uid is no UID: expected up to 64 digits and dots")
    if len(history) > MOST_HISTORY:
        return Unread(line, f"history has {len(history)} characters; expected at most {MOST_HISTORY}")
    priors = tuple(filter(None, (one.strip() for one in texts["prior"].split(";"))))
    return Task(source, line, path, uid, priors, history, texts["id"])


def plain_history(text: str) -> str:
    r"""A clinical history as one line of a prompt: no control characters, and no mark of a chat template.

    Args:
        text: As the referrer wrote it.

    Examples:
        >>> plain_history("Fever,  SpO2 <90 %.\n<image> [INST]")
        'Fever, SpO2 < 90 %. < image> [ INST]'
    """
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return " ".join(re.sub(r"([<\[])(?=\S)", r"\1 ", line).split())
