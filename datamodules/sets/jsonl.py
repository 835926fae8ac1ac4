r"""The format for your own data: a text file with one JSON object a line, for 2D images, volumes and several images.

::

    {"id": "1", "images": ["img/a.png"], "question": "Is there an effusion?", "answer": "yes", "group": "patient-7"}
    {"id": "2", "images": [{"path": "ct/p9.nii.gz", "volume": true}], "question": "Write the report.",
     "answer": "FINDINGS: ...", "kind": "report", "group": "patient-9", "split": "test"}
    {"id": "3", "images": ["now.dcm", "before.dcm"], "question": "What changed?", "answer": "worse",
     "kind": "choice", "options": ["better", "same", "worse"], "group": "patient-3", "rationale": "..."}

(each record on one line). Fields:

============  =========  =========================================================================================
id            required   unique in the file
images        required   list, in the order shown; each a path or ``{"path": ..., "volume": true}`` for a volume (a
                         NIfTI file or a folder of DICOM slices); ``{"path": ..., "box": [x0, y0, x1, y1], "size":
                         [height, width]}`` shows a part of a whole slide (level-0 pixels) at a size; ``"modality":
                         "CT"`` says what a file that cannot say it holds (NIfTI). Relative paths start at the file's
                         own folder. An empty list for a question on text alone
question      required   text, without options and without image placeholders
answer        required   ``choice``: the text of the right option, not its letter; ``closed``: yes or no; ``box``:
                         ``[x0, y0, x1, y1]`` as shares of width and height, 0 to 1, or a list of several such, or
                         ``[]`` where there is none; ``number``: a number
kind          optional   choice, closed, open, report, box or number; without it: choice if there are options, closed
                         if the answer is yes or no, else open
options       choice     list of texts, in the order shown; letters A, B, C follow from the position
group         optional   the patient or image that must stay on one side of a split; without it: the first image's path,
                         or the id if there is none
split         optional   train (default), validate or test
categories    optional   object of texts, by which scores are broken down
rationale     optional   reasoning to imitate
weak_answer   optional   the answer that a report miner gives, right or wrong
imitate       optional   text that supervised tuning imitates as it stands, in place of rationale and answer
============  =========  =========================================================================================

Every other field is kept in ``Sample.extra``. ``python tools/convert.py check DATA.jsonl`` tests a file and
its pixels.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from medvlm.study import AnswerKind, ImageRef, Region, Sample

from .cards import SetCard
from .choices import choice_answer
from .polarity import yes_no
from .records import (
    SPLITS,
    Absent,
    LoadReport,
    UnusableRecordError,
    as_record,
    collect,
    field_text,
    one_of,
    required_text,
)

FIELDS = frozenset(Sample.__dataclass_fields__) - {"extra"}
KINDS: tuple[AnswerKind, ...] = get_args(AnswerKind)
SPLIT_SPELLINGS = {"": "train", "val": "validate", "valid": "validate", "validation": "validate", "dev": "validate"}


def load_jsonl(
    root: Path | str, split: str, *, report: LoadReport | None = None, absent: Absent = "keep"
) -> Iterator[Sample]:
    """Give the samples of a JSONL file, in its order.

    Args:
        root: The file, or a folder that holds it as ``data.jsonl``.
        split: ``train``, ``validate``, ``test`` or ``all``.
        report: Filled with what was read, kept and left out.
        absent: Whether samples whose image file is not there are given (``keep``) or left out (``skip``).

    Raises:
        FileNotFoundError: If there is no such file.
        SampleError: After the last line, if nothing in it is usable.
    """
    one_of("split", split, SPLITS)
    path = Path(root) / "data.jsonl" if Path(root).is_dir() else Path(root)
    if not path.is_file():
        raise FileNotFoundError(f"jsonl: {path} does not exist; set data.root to a .jsonl file or its folder")

    def make(line: tuple[int, str]) -> Sample:
        return parse_line(line[1], path.parent, f"line {line[0]}")

    lines = (line for line in read_lines(path) if split in ("all", _split_of(line[1])))
    return collect(lines, make, name=f"{path} {split}", report=report, absent=absent)


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Give the lines of a file that are not blank, with their numbers from 1; bad UTF-8 shows as replacement signs."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield number, line


def parse_line(line: str, folder: Path, where: str) -> Sample:
    """Make a sample of one line.

    Args:
        line: A JSON object.
        folder: Where relative image paths start.
        where: What to call a record that has no id.

    Raises:
        UnusableRecordError: If the line is no record of this format; the message names the record and the field.
    """
    record = _decode(line, where)
    where = field_text(record, "id", where) or where
    sample_id = required_text(record, "id", where)
    images = _images(record, folder, where)
    options = _texts(record, "options", where)
    kind = _kind(record, options, where)
    return Sample(
        id=sample_id,
        images=images,
        question=required_text(record, "question", where),
        answer=_answer(record, kind, options, where),
        kind=kind,
        options=options,
        group=field_text(record, "group", where) or (_name(images[0].path, folder) if images else sample_id),
        split=_split(record, where),
        categories=_categories(record, where),
        rationale=field_text(record, "rationale", where),
        weak_answer=field_text(record, "weak_answer", where) or None,
        extra={key: value for key, value in record.items() if key not in FIELDS},
    )


def _decode(line: str, where: str) -> dict[str, Any]:
    """Decode one line."""
    try:
        return as_record(json.loads(line), where)
    except json.JSONDecodeError as error:
        raise UnusableRecordError(where, f"no valid JSON: {error.msg}") from None
    except RecursionError:
        raise UnusableRecordError(where, "no valid JSON: nested too deeply") from None


def _name(path: Path, folder: Path) -> str:
    """Write an image's path as the file does, so that a group does not depend on where the data lie."""
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.as_posix()


def _split_of(line: str) -> str:
    """Say to which split a line belongs; one that cannot be read belongs to ``train``, where it is counted."""
    try:
        return _split(_decode(line, ""), "")
    except UnusableRecordError:
        return "train"


def _split(record: Mapping[str, Any], where: str) -> str:
    """Read the split of a record."""
    text = field_text(record, "split", where).lower()
    split = SPLIT_SPELLINGS.get(text, text)
    if split not in SPLITS[:3]:
        raise UnusableRecordError(where, "split is not train, validate or test", text)
    return split


def _images(record: Mapping[str, Any], folder: Path, where: str) -> tuple[ImageRef, ...]:
    """Read the image list of a record."""
    value = record.get("images")
    if not isinstance(value, list):
        raise UnusableRecordError(where, "no images: expected a list of paths, empty for a question on text alone")
    return tuple(_image(item, folder, where) for item in value)


def _image(item: Any, folder: Path, where: str) -> ImageRef:
    """Read one entry of an image list."""
    fields = {"path": item} if isinstance(item, str) else as_record(item, where)
    unknown = sorted(set(fields) - {"path", "volume", "box", "size", "modality"})
    path, volume, modality = fields.get("path"), fields.get("volume", False), fields.get("modality")
    named = isinstance(path, str) and bool(path.strip()) and "\0" not in path
    if unknown or not named or not isinstance(volume, bool) or not isinstance(modality, str | None):
        raise UnusableRecordError(where, 'image is not a path or {"path": ..., "volume": true}', item)
    return ImageRef(folder / str(path).strip(), volume, _region(fields, where), modality=modality)


def _region(fields: Mapping[str, Any], where: str) -> Region | None:
    """Read the part of a slide that an image entry shows."""
    if "box" not in fields and "size" not in fields:
        return None
    values = [*_whole(fields.get("box"), 4), *_whole(fields.get("size"), 2)]
    if len(values) != 6 or values[0] >= values[2] or values[1] >= values[3] or min(values[4:]) < 1:
        said = 'a part of a slide is {"path": ..., "box": [x0, y0, x1, y1], "size": [height, width]}, in pixels'
        raise UnusableRecordError(where, said, dict(fields))
    x0, y0, x1, y1, height, width = values
    return Region((x0, y0, x1, y1), (height, width))


def _whole(value: Any, count: int) -> list[int]:
    """Whole numbers of a list; none of them where it is not one of that length."""
    good = isinstance(value, list) and len(value) == count and all(type(item) is int for item in value)
    return value if good else []


def _texts(record: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    """Read a list of texts."""
    value = record.get(key) or []
    if not isinstance(value, list) or not all(isinstance(item, str) and item.strip() for item in value):
        raise UnusableRecordError(where, f"{key}: expected a list of texts")
    return tuple(item.strip() for item in value)


def _kind(record: Mapping[str, Any], options: tuple[str, ...], where: str) -> AnswerKind:
    """Read or derive the kind of a record."""
    text = field_text(record, "kind", where)
    for kind in KINDS:
        if text == kind:
            return kind
    if text:
        raise UnusableRecordError(where, f"kind is not one of {', '.join(KINDS)}", text)
    if options:
        return "choice"
    answer = record.get("answer")
    return "closed" if isinstance(answer, str) and yes_no(answer) else "open"


def _answer(record: Mapping[str, Any], kind: AnswerKind, options: tuple[str, ...], where: str) -> str:
    """Read the answer in the form that its kind asks for."""
    if kind == "box":
        return box_text(record.get("answer"), where)
    answer = required_text(record, "answer", where)
    if kind == "choice":
        return choice_answer(answer, options, where)
    if kind == "closed" and yes_no(answer) is None:
        raise UnusableRecordError(where, "closed answer is not yes or no", answer)
    if kind == "number" and not is_number(answer):
        raise UnusableRecordError(where, "answer is no number", answer)
    return yes_no(answer) or answer if kind == "closed" else answer


def box_text(value: Any, where: str) -> str:
    """Write a box as four shares with two decimals, several by ``;``, and ``none`` where there is none.

    Examples:
        >>> box_text([0, 0.25, 0.5, 1], "1"), box_text("0.1 0.2 0.3 0.4", "1")
        ('0.00 0.25 0.50 1.00', '0.10 0.20 0.30 0.40')
        >>> box_text([[0, 0, 0.5, 1], [0.5, 0, 1, 1]], "1"), box_text([], "1")
        ('0.00 0.00 0.50 1.00; 0.50 0.00 1.00 1.00', 'none')
    """
    if isinstance(value, list) and all(isinstance(box, list) and len(box) == 4 for box in value):
        return "; ".join(box_text(box, where) for box in value) or "none"
    parts = value.split() if isinstance(value, str) else value
    if not isinstance(parts, list) or len(parts) != 4 or not all(is_number(part) for part in parts):
        raise UnusableRecordError(where, "box is not four numbers x0 y0 x1 y1", value)
    x0, y0, x1, y1 = (float(part) for part in parts)
    if not (0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1):
        raise UnusableRecordError(where, "box is not x0 < x1 and y0 < y1 as shares from 0 to 1", value)
    return f"{x0:.2f} {y0:.2f} {x1:.2f} {y1:.2f}"


def is_number(value: Any) -> bool:
    """Say whether a value is a finite number or text of one."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return False
    try:
        return math.isfinite(float(value))
    except (ValueError, OverflowError):
        return False


def _categories(record: Mapping[str, Any], where: str) -> dict[str, str]:
    """Read the categories of a record."""
    value = record.get("categories") or {}
    if not isinstance(value, dict):
        raise UnusableRecordError(where, "categories: expected an object of texts")
    return {key: field_text(value, key, where) for key in value}


CARD = SetCard(
    name="jsonl",
    title="your own data",
    paper="none",
    licence="your own",
    access="open",
    source="a JSONL file in the format of medvlm.datamodules.sets.jsonl",
    kinds=KINDS,
    load=load_jsonl,
)
