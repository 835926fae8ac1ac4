"""Tables and lines of records as text: CSV, TSV and JSON lines, plain or gzipped, one record at a time.

Every cell stays the text that is in the file: ``N/A`` is an answer, ``0012`` keeps its zeros, an empty cell is empty.
"""

from __future__ import annotations

import csv
import difflib
import gzip
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from medvlm.study import SampleError

from .records import UnusableRecordError

# A cell may hold an image as base64, or a report; the limit of the csv module (128 KiB) is for hand-made tables.
MAX_CELL = 1 << 28


def read_table(
    path: Path, columns: Iterable[str], *, delimiter: str | None = None
) -> Iterator[dict[str, str] | UnusableRecordError]:
    """Give the rows of a table with a header, each a dictionary of texts.

    Args:
        path: A ``.csv``, ``.tsv`` or ``.txt`` file, also with ``.gz`` after it.
        columns: Columns that must be there; more may be. ``"Answer|Anwser"`` asks for one of two spellings.
        delimiter: What stands between cells; without it a tab for ``.tsv`` and ``.txt``, else a comma.

    Raises:
        SampleError: If the file is empty, is no text or lacks a column; the message names the nearest column found.
    """
    names = [name for name in path.name.lower().split(".") if name != "gz"]
    delimiter = delimiter or ("\t" if names[-1] in ("tsv", "txt") else ",")
    csv.field_size_limit(MAX_CELL)
    with open_text(path) as file:
        lines = csv.reader(file, delimiter=delimiter)
        try:
            header = [name.strip() for name in next(lines, [])]
            check_columns(path, header, columns)
            for number, cells in enumerate(lines):
                if len(cells) == len(header):
                    yield dict(zip(header, cells, strict=True))
                elif cells:
                    where = f"{path.name}[{number}]"
                    yield UnusableRecordError(where, "row has another number of cells than the header", len(cells))
        except (csv.Error, gzip.BadGzipFile, EOFError) as error:
            raise SampleError(f"{path}: expected a table of text, found line {lines.line_num}: {error}") from None


def check_columns(path: Path, header: Iterable[str], columns: Iterable[str]) -> None:
    """Refuse a table that lacks a column.

    Raises:
        SampleError: If a column is missing; the message names the nearest one that is there.

    Examples:
        >>> check_columns(Path("a.csv"), ["Question", "Anwser"], ["Question", "Answer"])
        Traceback (most recent call last):
        medvlm.study.SampleError: a.csv: no column 'Answer' (did you mean 'Anwser'?); columns: Question, Anwser
    """
    header = list(header)
    for column in columns:
        spellings = column.split("|")
        if not set(spellings) & set(header):
            near = difflib.get_close_matches(spellings[0], header, n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise SampleError(f"{path}: no column {spellings[0]!r}{hint}; columns: {', '.join(header)[:300] or 'none'}")


def read_jsonl(path: Path) -> Iterator[Any]:
    """Give the values of a file with one JSON value a line; blank lines are passed over, bad ones given as errors.

    Raises:
        SampleError: If the file holds no line.
    """
    empty = True
    with open_text(path) as file:
        for number, line in enumerate(file):
            if not line.strip():
                continue
            empty = False
            try:
                yield json.loads(line)
            except (json.JSONDecodeError, RecursionError) as error:
                reason = error.msg if isinstance(error, json.JSONDecodeError) else "nested too deeply"
                yield UnusableRecordError(f"{path.name}[{number}]", f"no valid JSON: {reason}")
    if empty:
        raise SampleError(f"{path}: expected one JSON object a line, found an empty file")


def open_text(path: Path) -> IO[str]:
    """Open a file of text, gzipped if its name ends in ``.gz``; bytes that are no UTF-8 show as replacement signs."""
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", errors="replace", newline="")
    return path.open(encoding="utf-8-sig", errors="replace", newline="")
