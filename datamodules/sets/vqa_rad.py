"""VQA-RAD (Lau et al. 2018) as released on OSF: 2,248 questions on 314 MedPix images, CC0.

::

    root/VQA_RAD Dataset Public.json
    root/VQA_RAD Image Folder/synpic<id>.jpg

The official test questions are those whose ``phrase_type`` starts with ``test`` (451). They are new questions on old
images: 202 of the 203 test images also occur in training. ``split_by="image"`` keeps all questions of an image on one
side, with about the same share of test questions.

A CLOSED question is kind ``closed`` if its answer is yes or no, else ``open`` (its answer cannot be yes or no);
``categories["answer_type"]`` always says what the release calls it. The raw record is kept in ``extra``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from medvlm.study import Sample

from ..splits import fraction_of
from .cards import SetCard
from .polarity import yes_no
from .records import Absent, LoadReport, UnusableRecordError, collect, find_file, one_of, read_records
from .row import Row, known_split, rows_of

RECORDS = "VQA_RAD Dataset Public.json"
IMAGES = "VQA_RAD Image Folder"
TEST_SHARE = 451 / 2248
LEAK = "official split: 202 of the 203 test images also occur in training; split_by='image' keeps them apart"
# Spellings that occur once or a few times in the release, for the type that they mean.
TYPE_SPELLINGS = {"ATRIB": "ATTRIB", "PRSE": "PRES"}
SplitBy = Literal["official", "image"]


def load_vqa_rad(
    root: Path | str,
    split: str,
    *,
    split_by: SplitBy = "official",
    seed: int = 0,
    report: LoadReport | None = None,
    absent: Absent = "keep",
) -> Iterator[Sample]:
    """Give the samples of VQA-RAD, one a question, in the order of the release.

    Args:
        root: Folder that holds the public JSON and the image folder.
        split: ``train``, ``test`` or ``all``.
        split_by: ``official`` or ``image`` (image-disjoint).
        seed: Which image-disjoint split.
        report: Filled with what was read, kept and left out.
        absent: Whether samples whose image file is not there are given (``keep``) or left out (``skip``).

    Raises:
        FileNotFoundError: If the folder or the JSON is absent.
        ValueError: If an option is unknown, or ``validate`` is asked for: the release has no such split.
    """
    known_split(split, ("train", "test"), CARD.title)
    one_of("split_by", split_by, ("official", "image"))
    path = find_file(root, [RECORDS], "VQA-RAD (its parquet form is the set vqa_rad_hf)")
    report = LoadReport() if report is None else report
    if split_by == "official":
        report.notes.append(LEAK)

    def make(row: Row) -> Sample:
        return _sample(replace(row, split=_split(row.fields, split_by, seed)), Path(root) / IMAGES)

    rows = rows_of({split: path}, read_records)
    kept = (
        row
        for row in rows
        if split == "all" or isinstance(row, UnusableRecordError) or _split(row.fields, split_by, seed) == split
    )
    return collect(kept, make, name=f"{CARD.title} {split}", report=report, absent=absent)


def _split(record: Mapping[str, Any], split_by: SplitBy, seed: int) -> str:
    """Say on which side a record is."""
    if split_by == "image":
        return "test" if fraction_of(str(record.get("image_name")), seed) < TEST_SHARE else "train"
    return "test" if str(record.get("phrase_type")).strip().startswith("test") else "train"


def _sample(row: Row, folder: Path) -> Sample:
    """Make a sample of one record."""
    row = row.named(row.text("qid") or row.where)
    image, answer = row.need("image_name"), row.need("answer")
    answer_type = row.text("answer_type").lower()
    if answer_type not in ("closed", "open"):
        raise row.refuse("answer_type is not CLOSED or OPEN", answer_type)
    polarity = yes_no(answer) if answer_type == "closed" else None
    return Sample(
        id=row.where,
        images=(row.image(folder, image),),
        question=row.need("question"),
        answer=polarity or answer,
        kind="closed" if polarity else "open",
        group=image,
        split=row.split,
        categories={
            "answer_type": answer_type,
            "organ": row.text("image_organ").upper(),
            "question_type": _question_type(row.text("question_type")),
            "phrase": row.text("phrase_type").removeprefix("test_"),
        },
        extra=row.fields,
    )


def _question_type(text: str) -> str:
    """Put the types of a question into one spelling and order (``POS, PRES`` and ``PRES, POS`` are one type)."""
    types = (part.strip().upper() for part in text.split(","))
    return ", ".join(sorted({TYPE_SPELLINGS.get(name, name) for name in types}))


CARD = SetCard(
    name="vqa_rad",
    title="VQA-RAD",
    paper="Lau et al. 2018, doi 10.1038/sdata.2018.251",
    licence="CC0 1.0",
    access="open",
    source="osf.io/89kps (json and image folder)",
    kinds=("closed", "open"),
    load=load_vqa_rad,
    counts={"train": 1797, "test": 451},
    note="202 of the 203 test images also occur in training; split_by='image' keeps them apart",
)
