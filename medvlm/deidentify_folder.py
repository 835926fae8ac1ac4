"""A folder of DICOM files de-identified into another: resumable, nothing overwritten, every decision in a log.

``OUT/STUDY/SERIES/INSTANCE.dcm`` by new UIDs; what may show a name goes to ``OUT/quarantine/``. ``OUT/log.jsonl`` tells
of each file by a keyed hash of its place, for names of folders and files may name patients too.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medvlm.datamodules.readers.common import READ_ERRORS
from medvlm.datamodules.readers.sniff import HEAD, kind_of
from medvlm.deidentify import deidentify
from medvlm.deidentify_risk import risk_of
from medvlm.deidentify_rules import EDITION
from medvlm.deidentify_values import Pseudonyms
from medvlm.files import atomic_file, write_whole
from medvlm.reporting.progress import progress_bar
from medvlm.study import ImageError, MedvlmError

LOG, QUARANTINE = "log.jsonl", "quarantine"
NOT_DONE = (
    "Pixels, tables and samples were not searched for text or faces: metadata alone decided what was set apart.",
    "A person must look at every image before it leaves the house; what is under quarantine/ is NOT de-identified.",
    "Faces can be rebuilt from CT and MR volumes of the head; they are not removed.",
    "Text of reports was replaced, not cleaned: take the report's text from your own system, and clean it as text.",
    "Enumerated values (CS) and names of the scanner and its software stay as they were typed, unless they hold a word "
    "of a person's name or of the patient's numbers.",
    "Whoever has the key file can tell which input made which output: keep it apart from both, or destroy it.",
)
"""What a reader of the result must know."""


class FolderError(MedvlmError, ValueError):
    """Folders or options do not fit together; nothing was written."""


@dataclass(slots=True)
class Summary:
    """What became of the files.

    Attributes:
        counts: Files by verdict: clean, quarantine, refused, failed, skipped (no DICOM), done before.
        reasons: How often each reason was given.
        removed: Elements that went, by kind.
        problems: Paths that were refused, failed or skipped, each with the reason; for the operator's eyes only.
    """

    counts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    removed: Counter[str] = field(default_factory=Counter)
    problems: list[tuple[Path, str]] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether every DICOM file was written and none was set apart."""
        return not any(self.counts[verdict] for verdict in ("quarantine", "refused", "failed"))

    def lines(self) -> list[str]:
        """What to print: counts, reasons, and what was not done; no name of a file."""
        order = ("clean", "quarantine", "refused", "failed", "skipped", "done before")
        counts = ", ".join(f"{self.counts[name]:,} {name}" for name in order if self.counts[name])
        removed = ", ".join(f"{count:,} {kind}" for kind, count in self.removed.most_common() if count)
        why = [f"  {count:,} x {reason}" for reason, count in self.reasons.most_common()]
        return [
            counts or "no files",
            *([f"Elements that went or changed: {removed}."] if removed else []),
            *(["Set apart, refused or failed because:", *why] if why else []),
            *NOT_DONE,
        ]


def deidentify_folder(
    source: Path, out: Path, key: bytes, *, keep_characteristics: bool = False, progress: bool = False
) -> Summary:
    """De-identify every DICOM file below a folder (or one file).

    Args:
        source: Input; never written to.
        out: Output, outside of the input.
        key: At least 16 secret bytes: the same key gives the same UIDs, patient IDs and shifts of dates.
        keep_characteristics: Whether age (at most 90), sex, size, weight, smoking and pregnancy stay.
        progress: Whether a bar is shown.

    Raises:
        FolderError: If the folders overlap, or ``out`` was made with another key or other options.
        ImportError: If dicom-anonymizer, whose rules are used, is not installed.
    """
    source, out = Path(source), Path(out)
    check_folders(source, out)
    summary = Summary()
    pseudonyms = Pseudonyms(key)
    files = sorted(_files(source, summary))
    with (
        _Log(out, pseudonyms, keep_characteristics) as log,
        progress_bar(len(files), show=progress, label="de-identified", unit="files") as step,
    ):
        for file in files:
            _one(file, source, out, pseudonyms, log, summary)
            step()
    write_whole(out / "README.txt", "\n".join(["De-identified by medvlm. Not for clinical use.", *NOT_DONE, ""]))
    return summary


def check_folders(source: Path, out: Path) -> None:
    """Refuse folders of which one could overwrite the other.

    Args:
        source: Input.
        out: Output.

    Raises:
        FolderError: If the input is absent, the output is a file, or one lies in the other.
    """
    if not source.exists():
        raise FolderError(f"{source} does not exist.")
    inside, outside = source.resolve(), out.resolve()
    if inside == outside or inside in outside.parents or outside in inside.parents:
        raise FolderError(f"{out} and {source} overlap; give an output folder outside of the input.")
    if out.is_file():
        raise FolderError(f"{out} is a file; expected a folder, new or of an earlier run.")


def _files(source: Path, summary: Summary) -> Iterator[Path]:
    """Regular files below a folder; links are not followed, unreadable folders are told."""
    if source.is_file():
        yield source
        return

    def told(error: OSError) -> None:
        summary.counts["failed"] += 1
        summary.problems.append((Path(error.filename), f"the folder cannot be read ({error.strerror})"))

    for folder, _, names in os.walk(source, onerror=told):
        for name in names:
            path = Path(folder) / name
            if path.is_symlink() or not path.is_file():
                summary.counts["skipped"] += 1
                summary.problems.append((path, "a link, pipe or device"))
            else:
                yield path


class _Log:
    """The log of a run and of those before it: what was done is not done again."""

    def __init__(self, out: Path, pseudonyms: Pseudonyms, keep_characteristics: bool) -> None:
        self.path, self.pseudonyms, self.keep = out / LOG, pseudonyms, keep_characteristics
        self.out = out
        options = ["keep_characteristics"] if keep_characteristics else []
        self._head = {"profile": f"PS3.15 {EDITION}", "options": options, "key": pseudonyms.name("key", "check", 8)}
        self.done: dict[str, dict[str, Any]] = {}

    def __enter__(self) -> _Log:
        lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []
        if lines and _parsed(lines[0]) != self._head:
            raise FolderError(
                f"{self.out} was made with another key, other options or another edition of the rules; give a new "
                "folder, so that no patient gets two names in one."
            )
        self.done = {record["input"]: record for record in map(_parsed, lines[1:]) if "input" in record}
        self.makers = {record["output"]: name for name, record in self.done.items() if record.get("output")}
        self.out.mkdir(parents=True, exist_ok=True)
        torn = lines and not self.path.read_bytes().endswith(b"\n")
        self._file = self.path.open("a", encoding="utf-8")
        self._file.write("\n" if torn else "" if lines else json.dumps(self._head) + "\n")
        return self

    def __exit__(self, *unused: object) -> None:
        self._file.close()

    def name(self, file: Path, source: Path) -> str:
        """What stands for a file: a keyed hash of its place."""
        return self.pseudonyms.name("file", str(file.relative_to(source)) if file != source else file.name)

    def is_done(self, name: str, stamp: str) -> bool:
        """Whether a file was decided on as it is now, and what was written of it is still there."""
        record = self.done.get(name, {})
        return record.get("stamp") == stamp and (not record.get("output") or (self.out / record["output"]).is_file())

    def add(self, record: dict[str, Any]) -> None:
        """Write a record, at once on disk for a run that dies."""
        self._file.write(json.dumps(record) + "\n")
        self._file.flush()
        self.done[record["input"]] = record
        if record.get("output"):
            self.makers[record["output"]] = record["input"]


def _one(file: Path, source: Path, out: Path, pseudonyms: Pseudonyms, log: _Log, summary: Summary) -> None:
    """De-identify a file and say what became of it."""
    name, stamp = log.name(file, source), ""
    try:
        status = file.stat()
        stamp = pseudonyms.name("stamp", f"{status.st_size} {status.st_mtime_ns}")  # a time may be that of the study
        if log.is_done(name, stamp):
            summary.counts["done before"] += 1
            return
        record = _written(file, name, out, pseudonyms, log, summary)
    except ImageError as error:  # its message is ours and quotes nothing
        record = {"verdict": "failed", "reasons": [str(error)]}
    except READ_ERRORS as error:  # its message may quote the header
        record = {"verdict": "failed", "reasons": [f"it cannot be read ({type(error).__name__})"]}
    old = log.done.get(name, {}).get("output")
    log.add({"input": name, "stamp": stamp, **record})
    if old and old != record.get("output"):  # the file has changed, and what was clean may be no more
        (out / old).unlink(missing_ok=True)
    summary.counts[record["verdict"]] += 1
    summary.reasons.update(record["reasons"])
    if record["verdict"] in ("failed", "refused", "skipped"):
        summary.problems.append((file, "; ".join(record["reasons"])))


def _written(file: Path, name: str, out: Path, pseudonyms: Pseudonyms, log: _Log, summary: Summary) -> dict[str, Any]:
    """Write what may be written of a file; the log's record of it."""
    from pydicom import dcmread

    with file.open("rb") as head:
        if kind_of(first := head.read(HEAD)) != "dicom":
            return {"verdict": "skipped", "reasons": ["no DICOM file" if first else "an empty file"]}
    dataset = dcmread(file, force=True)
    risk = risk_of(dataset)
    if risk.verdict == "refused":
        return {"verdict": "refused", "reasons": list(risk.reasons)}
    cleaned = deidentify(dataset, pseudonyms, keep_characteristics=log.keep)
    new = cleaned.dataset
    place = Path(str(new.StudyInstanceUID), str(new.SeriesInstanceUID), f"{new.SOPInstanceUID}.dcm")
    place = place if risk.verdict == "clean" else QUARANTINE / place
    if log.makers.get(str(place), name) != name:
        return {"verdict": "refused", "reasons": ["another file has the same SOP instance UID (0008,0018)"]}
    with atomic_file(out / place) as target:
        new.save_as(target, enforce_file_format=True)
    summary.removed.update(cleaned.removed)
    return {
        "verdict": risk.verdict, "reasons": list(risk.reasons), "output": str(place),
        "removed": dict(cleaned.removed),
    }  # fmt: skip


def _parsed(line: str) -> dict[str, Any]:
    """A line of the log; nothing for one that was cut off."""
    try:
        record = json.loads(line)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}
