"""What every set shares: the count of what was read and left out, and the reading of one field of one record."""

from __future__ import annotations

import difflib
import inspect
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal, TypeVar

from medvlm.study import Sample, SampleError

Absent = Literal["keep", "skip"]
SPLITS = ("train", "validate", "test", "all")
MISSING = ("", "NULL")
EXAMPLES = 5
Record = TypeVar("Record")


class UnusableRecordError(SampleError):
    """One record cannot become a sample: loaders count it by its reason and go on.

    Attributes:
        record: Its name.
        reason: What is wrong, in words that many records may share.
        text: The reason with the value that was found.
    """

    def __init__(self, record: str, reason: str, found: object = None) -> None:
        self.record, self.reason = record, reason
        self.text = reason if found is None else f"{reason}, found {str(found)[:80]!r}"
        super().__init__(f"record {record}: {self.text}")


@dataclass
class LoadReport:
    """What a loader read, kept and left out; give an empty one to a loader and look at it after the last sample.

    Attributes:
        records: Records read that belong to the split asked for.
        kept: Samples given.
        skipped: Number of records left out, by reason.
        examples: The first few record names of each reason.
        absent_images: Samples of which at least one image file is not there (still given, unless ``absent="skip"``).
        notes: What a reader of a score on this set must know (images shared by two splits, for example).
    """

    records: int = 0
    kept: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    absent_images: int = 0
    notes: list[str] = field(default_factory=list)

    def skip(self, record: str, reason: str) -> None:
        """Count one record that is left out."""
        self.skipped[reason] += 1
        names = self.examples.setdefault(reason, [])
        if len(names) < EXAMPLES:
            names.append(record)

    def summary(self) -> str:
        """One line: how many were read, kept and left out, and why.

        Examples:
            >>> report = LoadReport(records=2, kept=1)
            >>> report.skip("7", "no answer")
            >>> report.summary()
            '2 records, 1 kept, 1 skipped: no answer (7), images absent in 0'
        """
        parts = [f"{n} skipped: {reason} ({', '.join(self.examples[reason])})" for reason, n in self.skipped.items()]
        counts = [f"{self.records} records", f"{self.kept} kept", *parts, f"images absent in {self.absent_images}"]
        return ", ".join(counts)


def collect(
    records: Iterable[Record | UnusableRecordError],
    make: Callable[[Record], Sample],
    *,
    name: str,
    report: LoadReport | None = None,
    absent: Absent = "keep",
) -> Iterator[Sample]:
    """Turn records into samples, counting what cannot be used.

    Args:
        records: The raw records of the split asked for; an error in place of one is counted.
        make: Makes a sample of a record, or raises ``UnusableRecordError``.
        name: What to call the set in an error.
        report: Filled on the way.
        absent: Whether samples whose image files are not there are given or left out.

    Raises:
        SampleError: After the last record, if not one sample could be given.
    """
    report = LoadReport() if report is None else report
    if absent not in ("keep", "skip"):
        raise ValueError(f"absent={absent!r}: expected 'keep' (give the sample, count it) or 'skip'")
    seen: set[str] = set()
    for record in records:
        report.records += 1
        try:
            if isinstance(record, UnusableRecordError):
                raise record
            sample = make(record)
        except UnusableRecordError as error:
            report.skip(error.record, error.reason)
            continue
        if sample.id in seen:
            report.skip(sample.id, "id used twice")
            continue
        seen.add(sample.id)
        missing = not all(is_there(image.path) for image in sample.images)
        report.absent_images += missing
        if missing and absent == "skip":
            report.skip(sample.id, "image absent")
            continue
        report.kept += 1
        yield sample
    if not report.kept:
        raise SampleError(f"{name}: no usable sample; {report.summary()}")


def is_there(path: Path) -> bool:
    """Say whether a path leads to a file or folder; one that no system can have, or may not look at, is not there."""
    try:
        return path.exists()
    except OSError:
        return False


def field_text(record: Mapping[str, Any], key: str, where: str) -> str:
    """Return a field as stripped text; numbers become text, an absent field or ``NULL`` becomes empty.

    Examples:
        >>> field_text({"answer": 4}, "answer", "1"), field_text({"answer": "NULL"}, "answer", "1")
        ('4', '')
    """
    value = record.get(key)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise UnusableRecordError(where, f"{key} is {type(value).__name__}, expected text")
    text = str(value).strip()
    return "" if text in MISSING else text


def required_text(record: Mapping[str, Any], key: str, where: str) -> str:
    """Return a field as stripped text, or refuse the record as having none."""
    text = field_text(record, key, where)
    if not text:
        raise UnusableRecordError(where, f"no {key}")
    return text


def inside(folder: Path, name: str, where: str) -> Path:
    """Join a path of a record to its folder, refusing one that leads out of it."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or "\0" in name:
        raise UnusableRecordError(where, "image path leads out of the set's folder", name)
    return folder / path


def read_records(path: Path) -> list[Any]:
    """Read a JSON file that holds a list of records.

    Raises:
        SampleError: If the file is no JSON or holds no list.
    """
    try:
        records = json.loads(path.read_text(encoding="utf-8-sig"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise SampleError(f"{path}: expected a JSON list of records, found no valid JSON: {error}") from None
    if not isinstance(records, list):
        raise SampleError(f"{path}: expected a JSON list of records, found {type(records).__name__}")
    return records


def as_record(value: Any, where: str) -> dict[str, Any]:
    """Return a record as a dictionary, or refuse it."""
    if not isinstance(value, dict):
        raise UnusableRecordError(where, f"record is {type(value).__name__}, expected an object")
    return value


def find_file(root: Path | str, names: Iterable[str], what: str) -> Path:
    """Return the first of several file names that exists below a root.

    Raises:
        FileNotFoundError: If the root or all of the files are absent; the message says what was looked for.
    """
    root, names = Path(root), list(names)
    if not root.is_dir():
        raise FileNotFoundError(
            f"{what}: the folder {root} does not exist; set data.root to where the set was unpacked"
        )
    for name in names:
        if (root / name).is_file():
            return root / name
    raise FileNotFoundError(f"{what}: none of {', '.join(names)} in {root}; keep the file names of the release")


def one_of(what: str, given: str, known: Iterable[str]) -> str:
    """Return a name if it is known, else raise with the nearest known one.

    Examples:
        >>> one_of("split", "tets", ["train", "test"])
        Traceback (most recent call last):
        ValueError: split 'tets' is unknown; did you mean 'test'? Known: train, test
    """
    known = list(known)
    if given in known:
        return given
    near = difflib.get_close_matches(given, known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    raise ValueError(f"{what} {given!r} is unknown{hint} Known: {', '.join(known)}")


def check_options(
    name: str, load: Callable[..., Iterator[Sample]], options: Mapping[str, Any], known: Iterable[str] = ()
) -> None:
    """Refuse an option that a loader does not take, naming the nearest one that it does.

    Args:
        name: Name of the set.
        load: Its loader; one that passes options on tests them itself.
        options: What was given.
        known: Options that are taken besides those of the loader.

    Raises:
        ValueError: If an option is unknown.
    """
    parameters = inspect.signature(load).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return
    known = [*known, *(parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY)]
    for option in options:
        one_of(f"option of {name}", option, known)
