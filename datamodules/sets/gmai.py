"""GMAI-MMBench (Chen et al. 2024): multiple choice over 285 sets and 38 modalities, for testing only; gated.

::

    root/GMAI_mm_bench_VAL.tsv                     # 9 GB: the image of each row is base64 in its cell
    root/.medvlm/images/<hash>.jpg                 # written by the first reading, with a copy of the table without
    root/.medvlm/GMAI_mm_bench_VAL.tsv             # images, which later readings take

Only the VAL part has public answers; it is the validate split here. Option E may be missing or the word None; the
letter of the answer counts all five. Two questions on equal images share a group.
"""

from __future__ import annotations

import base64
import codecs
import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from medvlm.files import atomic_file, write_whole
from medvlm.study import Sample

from .cards import SetCard
from .choices import LETTER_ALONE, choice_answer
from .images import image_folder, read_index, stamp_of, unwritable, write_image
from .records import Absent, LoadReport, UnusableRecordError, collect
from .row import Row, rows_of, split_files
from .table import read_table

FILES = {"validate": ["GMAI_mm_bench_VAL.tsv"]}
LETTERS = ("A", "B", "C", "D", "E")
COLUMNS = ("index", "image", "question", "A", "B", "answer")
NOTHING = ("", "None", "nan")
CATEGORIES = {
    "task": "clinical VQA task",
    "department": "department",
    "granularity": "perceptual granularity",
    "modality": "modality",
    "form": "original task",
}


def load_gmai(
    root: Path | str, split: str, *, report: LoadReport | None = None, absent: Absent = "keep"
) -> Iterator[Sample]:
    """Give the samples of GMAI-MMBench, one a question, in the order of the release.

    Args:
        root: Folder that holds the table.
        split: ``validate`` or ``all``; the answers of the test part are not public.
        report: Filled with what was read, kept and left out.
        absent: Whether samples whose image file is not there are given (``keep``) or left out (``skip``).

    Raises:
        FileNotFoundError: If the folder or the table is absent.
        SampleError: If the table lacks a column, or images cannot be written below the root.
        ValueError: If the split is unknown or ``test``.
    """
    paths = split_files(root, split, FILES, CARD.title)
    folder = image_folder(root)

    def make(row: Row) -> Sample:
        return _sample(row, folder)

    rows = rows_of(paths, lambda path: read_table(without_images(path, Path(root)), COLUMNS))
    return collect(rows, make, name=f"{CARD.title} {split}", report=report, absent=absent)


def without_images(path: Path, root: Path) -> Path:
    """Write the images of a table as files, and the table with their names in place of them; once.

    Args:
        path: A table whose column ``image`` is base64.
        root: Folder of the set.

    Returns:
        The table without images.

    Raises:
        SampleError: If the table lacks a column, or the files cannot be written.
    """
    folder = image_folder(root)
    small, stamp = folder.parent / path.name, stamp_of(path, "image")
    index = small.with_suffix(".json")
    if small.is_file() and read_index(index, stamp) is not None:
        return small
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_file(small, sync=False) as file:
            _copy(path, csv.writer(codecs.getwriter("utf-8")(file), delimiter="\t"), folder)
        write_whole(index, json.dumps({**stamp, "names": []}), sync=False)
    except OSError as error:
        raise unwritable(path, folder, error) from None
    return small


def _copy(path: Path, table: Any, folder: Path) -> None:
    """Write the rows of a table with the names of their images; a row that is no row stays none."""
    header: list[str] = []
    for row in read_table(path, COLUMNS):
        if isinstance(row, UnusableRecordError):
            table.writerow([row.record])
            continue
        if not header:
            header = list(row)
            table.writerow(header)
        row["image"] = _name(row["image"], folder)
        table.writerow([row[key] for key in header])


def _name(cell: str, folder: Path) -> str:
    """Write the image of a cell, and return its name; empty for a cell that holds none."""
    try:
        data = base64.b64decode(cell, validate=True)
    except ValueError:  # binascii.Error is one
        return ""
    return write_image(folder, data) if data else ""


def _sample(row: Row, folder: Path) -> Sample:
    """Make a sample of one row."""
    row = row.named(row.text("index") or row.where)
    image = row.need("image")
    choices = [row.text(letter) for letter in LETTERS]
    options = tuple(choice for choice in choices if choice not in NOTHING)
    letter = LETTER_ALONE.match(row.need("answer"))
    place = LETTERS.index(letter[1]) if letter and letter[1] in LETTERS else None
    if place is None:
        raise row.refuse("answer is no letter from A to E", row.text("answer"))
    return Sample(
        id=row.need("index"),
        images=(row.image(folder, image),),
        question=row.need("question"),
        answer=choice_answer(choices[place], options, row.where),
        kind="choice",
        options=options,
        group=image,
        split=row.split,
        categories=row.categories(CATEGORIES),
        extra=row.fields,
    )


CARD = SetCard(
    name="gmai",
    title="GMAI-MMBench",
    paper="Chen et al. 2024, arXiv 2408.03361",
    licence="apache-2.0 by its tag, CC BY-NC-SA by one of its curators: take it as non-commercial",
    access="gated",
    source="huggingface.co/datasets/OpenGVLab/GMAI-MMBench (GMAI_mm_bench_VAL.tsv)",
    kinds=("choice",),
    load=load_gmai,
    note="about 4,550 questions with public answers, for testing only; the first reading needs 9 GB of disk once more",
)
