r"""DeepTumorVQA (Chen et al. 2025): questions about tumours in abdominal CT volumes, releases 1 and 2.

::

    2: root/benchmark/test_qa.jsonl    root/train/train_qa.csv    root/train/val_qa_pool.csv
       root/benchmark/ct/<image id>/ct.nii.gz    root/benchmark/images_2d/whole/<image id>.png     # also below train/
    1: root/{train,val}_multi_choice.jsonl   root/{train,val}_free_text.jsonl       # or train.csv, validation.csv
       root/ct/<image id>/ct.nii.gz

Volumes for training are those of AbdomenAtlas3.0Mini (``images`` = the folder that holds ``BDMAP_*``). Names of fields
differ between files (``image_id`` and ``Image ID``, ``mc_question`` and ``multiple_choice_question``, ``question type``
with a space); case and separators do not count here, and the record in ``extra`` keeps them. Choices stand in the
text of the question ("... A: Normal B: Severe"); ``form="open"`` asks without them, and a numeric answer is then kind
``number``. The pictures are one slice each, windowed 400 wide at 50.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from medvlm.study import AnswerKind, ImageRef, Sample

from .cards import SetCard
from .choices import option_at
from .jsonl import is_number
from .polarity import yes_no
from .records import Absent, LoadReport, UnusableRecordError, collect, one_of
from .row import Row, rows_of, split_files
from .table import read_jsonl, read_table

Form = Literal["choice", "open"]
SECOND = {
    "train": ["train/train_qa.csv"],
    "validate": ["train/val_qa_pool.csv"],
    "test": ["benchmark/test_qa.jsonl"],
}
FIRST = {
    "train": ["train_{}.jsonl", "train.jsonl", "train.csv"],
    "validate": ["val_{}.jsonl", "validation.jsonl", "validation.csv", "val.csv"],
}
FORMS = {"choice": "multi_choice", "open": "free_text"}
CATEGORIES = ("question_type", "question_subtype", "organ")
RAW = "\0raw"


def load_deeptumor(
    root: Path | str,
    split: str,
    *,
    release: Literal[1, 2] = 2,
    form: Form = "choice",
    view: Literal["volume", "picture"] = "volume",
    images: Path | str | None = None,
    report: LoadReport | None = None,
    absent: Absent = "keep",
) -> Iterator[Sample]:
    """Give the samples of DeepTumorVQA, one a question, in the order of the files.

    Args:
        root: Folder of the release.
        split: ``train``, ``validate``, ``all``, and for release 2 ``test``.
        release: 1 or 2.
        form: ``choice``, or ``open`` (the same questions without choices).
        view: The CT ``volume``, or the ``picture`` of one slice that release 2 brings.
        images: Folder that holds ``<image id>/ct.nii.gz``; without it the release's own (``ct`` beside the questions).
        report: Filled with what was read, kept and left out.
        absent: Whether samples whose volume is not there are given (``keep``) or left out (``skip``).

    Raises:
        FileNotFoundError: If the folder or a question file is absent.
        ValueError: If the split or an option is unknown, or the release has no such split.
    """
    if release not in (1, 2):
        raise ValueError(f"release={release!r}: expected 1 or 2")
    one_of("form", form, FORMS)
    one_of("view", view, ("volume", "picture"))
    first = {part: [name.format(FORMS[form]) for name in names] for part, names in FIRST.items()}
    paths = split_files(root, split, first if release == 1 else SECOND, CARD.title)

    def make(row: Row) -> Sample:
        return _sample(row, form, _image(row, paths[row.split].parent, view, images))

    return collect(_rows(paths), make, name=f"{CARD.title} {split}", report=report, absent=absent)


def _rows(paths: dict[str, Path]) -> Iterator[Row | UnusableRecordError]:
    """Give the records with their field names in one form, and as they were."""
    for row in rows_of(paths, _read):
        if isinstance(row, UnusableRecordError):
            yield row
        else:
            named = {field_name(key): value for key, value in row.fields.items()}
            yield replace(row, fields={**named, RAW: row.fields})


def _read(path: Path) -> Iterator[Any]:
    """Read the records of a file."""
    return read_jsonl(path) if path.suffix == ".jsonl" else read_table(path, ("Image ID|image_id|image id",))


def field_name(text: str) -> str:
    """Write the name of a field in one form.

    Examples:
        >>> field_name("Image ID"), field_name("question type")
        ('image_id', 'question_type')
    """
    return re.sub(r"[\s_]+", "_", text.strip().lower())


def _image(row: Row, home: Path, view: str, images: Path | str | None) -> ImageRef:
    """Return the volume or picture of a record."""
    name = row.need("image_id")
    if view == "picture":
        return row.image(home / "images_2d" / "whole", f"{name}.png")
    return row.image(home / "ct" if images is None else Path(images), f"{name}/ct.nii.gz", volume=True, modality="CT")


def _sample(row: Row, form: Form, image: ImageRef) -> Sample:
    """Make a sample of one record."""
    kind, question, answer, options = _choice(row) if form == "choice" else _open(row)
    return Sample(
        id=row.text("qid", "question_id") or row.where,
        images=(image,),
        question=question,
        answer=answer,
        kind=kind,
        options=options,
        group=row.need("image_id"),
        split=row.split,
        categories=row.categories({key: key for key in CATEGORIES}),
        extra=row.fields[RAW],
    )


def _choice(row: Row) -> tuple[AnswerKind, str, str, tuple[str, ...]]:
    """Return kind, question, answer and options of a question with choices in its text."""
    question, options = split_choices(row.need("mc_question", "multiple_choice_question", "question"))
    if len(options) < 2:
        raise row.refuse("no choices in the text of the question")
    return "choice", question, option_at(row.need("correct_option"), options, row.where), options


def _open(row: Row) -> tuple[AnswerKind, str, str, tuple[str, ...]]:
    """Return kind, question, answer and options of a question without choices."""
    answer = row.need("answer")
    polarity = yes_no(answer)
    kind: AnswerKind = "closed" if polarity else "number" if is_number(answer) else "open"
    return kind, row.need("question"), polarity or answer, ()


def split_choices(text: str) -> tuple[str, tuple[str, ...]]:
    """Divide a question from the choices that stand in its text; without choices the second part is empty.

    Examples:
        >>> split_choices("Which grade? A: Normal B: Severe C: Mild")
        ('Which grade?', ('Normal', 'Severe', 'Mild'))
    """
    marks: list[re.Match[str]] = []
    for letter in "ABCDEFGH":
        mark = re.compile(rf"(?:^|(?<=\s)){letter}\s*[:.)]\s*").search(text, marks[-1].end() if marks else 0)
        if mark is None:
            break
        marks.append(mark)
    ends = [*(mark.start() for mark in marks[1:]), len(text)]
    options = tuple(text[mark.end() : end].strip(" \n,;") for mark, end in zip(marks, ends, strict=False))
    return (text[: marks[0].start()] if marks else text).strip(), options


CARD = SetCard(
    name="deeptumor",
    title="DeepTumorVQA",
    paper="Chen et al. 2025, arXiv 2505.18915",
    licence="CC BY 4.0 for the questions; the volumes keep the terms of their sources",
    access="open",
    source="huggingface.co/datasets/tumor-vqa/DeepTumorVQA_2.0; volumes: AbdomenAtlas/AbdomenAtlas3.0Mini",
    kinds=("choice", "closed", "number", "open"),
    load=load_deeptumor,
    counts={"train": 428050, "validate": 47933, "test": 10000},
    note="counts are release 2; release 1 has 395,000 questions on 9,262 volumes. Written by rules, not by physicians",
)
