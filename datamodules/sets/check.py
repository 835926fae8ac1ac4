"""Tests a JSONL file of one's own before training: every record, every image, every leak, by line number."""

from __future__ import annotations

import difflib
import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from medvlm.study import Image, ImageError, ImageRef, Region, Sample

from .jsonl import FIELDS, parse_line, read_lines
from .records import UnusableRecordError

Reader = Callable[..., Image]


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong in one line.

    Attributes:
        line: Line number, from 1; 0 for the file as a whole.
        level: ``error`` if training or a score would suffer, ``warning`` if it may be meant.
        text: What was found.
    """

    line: int
    level: Literal["error", "warning"]
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.level}: {self.text}" if self.line else f"{self.level}: {self.text}"


@dataclass
class CheckReport:
    """What a check of one file found.

    Attributes:
        records: Lines that are not blank.
        usable: Records that make a sample whose images can be read.
        images: Distinct images named.
        counts: Samples by (split, kind).
        problems: Everything found, by line.
    """

    records: int = 0
    usable: int = 0
    images: int = 0
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)

    @property
    def errors(self) -> int:
        """Number of errors; a file without any is ready."""
        return sum(problem.level == "error" for problem in self.problems)

    def add(self, line: int, level: Literal["error", "warning"], text: str) -> None:
        """Note one problem."""
        self.problems.append(Problem(line, level, text))

    def lines(self) -> list[str]:
        """Return the report as text: problems by line, then counts."""
        warnings = len(self.problems) - self.errors
        counts = [f"{split:9} {kind:7} {n}" for (split, kind), n in sorted(self.counts.items())]
        total = f"{self.records} records, {self.usable} usable, {self.images} images"
        return [*map(str, self.problems), *counts, f"{total}, {self.errors} errors, {warnings} warnings"]


def check_jsonl(path: Path | str, *, read: Reader | None = None) -> CheckReport:
    """Read every record and every image of a file and say what is wrong, all at once.

    Args:
        path: A file in the format of ``medvlm.datamodules.sets.jsonl``.
        read: Reads one image; ``medvlm.datamodules.readers.read_image`` without it.

    Raises:
        FileNotFoundError: If the file is absent.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; give the path of a .jsonl file")
    report, samples = CheckReport(), {}
    for line, text in read_lines(path):
        report.records += 1
        try:
            samples[line] = parse_line(text, path.parent, f"line {line}")
        except UnusableRecordError as error:
            report.add(line, "error", error.text)
    images = _Images(read or _read)
    for line, sample in samples.items():
        readable = images.check(line, sample, report)
        _check_fields(line, sample, report)
        report.usable += readable
        report.counts[sample.split, sample.kind] += 1
    report.images = len(images.seen)
    _check_repeats(samples, report)
    _check_leaks(samples, images, report)
    if not report.records:
        report.add(0, "error", "the file holds no record")
    report.problems.sort(key=lambda problem: problem.line)
    return report


def _read(path: Path, region: Region | None = None, modality: str | None = None) -> Image:
    """Read an image by its content; the readers load only when a file is checked."""
    from ..readers import read_image

    return read_image(path, region=region, modality=modality)


class _Images:
    """Reads each image once and remembers what was found."""

    def __init__(self, read: Reader) -> None:
        self.read = read
        self.seen: dict[ImageRef, tuple[str, str, str]] = {}

    def check(self, line: int, sample: Sample, report: CheckReport) -> bool:
        """Note what is wrong with the images of a sample, and say whether all can be read."""
        readable = True
        for image in sample.images:
            error, warning, _ = self.look(image)
            readable &= not error
            if error:
                report.add(line, "error", error)
            if warning:
                report.add(line, "warning", warning)
        return readable

    def look(self, image: ImageRef) -> tuple[str, str, str]:
        """Return the error, the warning and the fingerprint of the pixels of an image; each may be empty."""
        if image not in self.seen:
            self.seen[image] = self._look(image)
        return self.seen[image]

    def _look(self, image: ImageRef) -> tuple[str, str, str]:
        """Read an image."""
        if not image.path.exists():
            return f"image {image.path} does not exist", "", ""
        try:
            said = {"region": image.region, "modality": image.modality}
            found = self.read(image.path, **{name: value for name, value in said.items() if value is not None})
        except (ImageError, OSError) as error:
            return f"image {image.path} cannot be read: {error}", "", ""
        if found.is_volume != image.volume:
            kinds = ("a volume", "a 2D image") if found.is_volume else ("a 2D image", "a volume")
            return f"image {image.path} is {kinds[0]}, the record says {kinds[1]}: set volume", "", ""
        array = np.ascontiguousarray(found.array)
        blank = f"image {image.path}: every pixel has the same value" if np.ptp(array) == 0 else ""
        return "", blank, hashlib.sha256(f"{array.dtype}{array.shape}".encode() + array.tobytes()).hexdigest()


def _check_fields(line: int, sample: Sample, report: CheckReport) -> None:
    """Warn of a field that looks like a known one misspelt: it would be ignored without a word."""
    for name in sample.extra:
        near = difflib.get_close_matches(name, FIELDS, n=1, cutoff=0.8)
        if near:
            report.add(line, "warning", f"field {name!r} is unknown; did you mean {near[0]!r}?")


def _check_repeats(samples: dict[int, Sample], report: CheckReport) -> None:
    """Note ids used twice, and the same question asked twice of the same images."""
    ids: dict[str, int] = {}
    asked: dict[tuple[tuple[ImageRef, ...], str, tuple[str, ...]], int] = {}
    for line, sample in samples.items():
        first = ids.setdefault(sample.id, line)
        if first != line:
            report.add(line, "error", f"id {sample.id!r} is used in line {first} already")
        first = asked.setdefault((sample.images, sample.question, sample.options), line)
        if first != line:
            same = "answer" if samples[first].answer == sample.answer else "another answer"
            report.add(line, "warning", f"same images and question as line {first}, {same}")


def _check_leaks(samples: dict[int, Sample], images: _Images, report: CheckReport) -> None:
    """Note groups, image files and equal pixels that occur in more than one split."""
    first: dict[str, tuple[int, str]] = {}
    told: set[tuple[str, str]] = set()
    for line, sample in samples.items():
        marks = [(f"group {sample.group!r}", sample.group)]
        for image in sample.images:
            marks.append((f"image {image.path}", f"path:{image.path.resolve()}"))
            marks.append((f"the pixels of {image.path}", f"pixels:{images.look(image)[2] or image.path}"))
        for what, mark in marks:
            before, split = first.setdefault(mark, (line, sample.split))
            if split != sample.split and (mark, sample.split) not in told:
                told.add((mark, sample.split))
                report.add(line, "error", f"{what} is in {sample.split} here and in {split} in line {before}")
                break
