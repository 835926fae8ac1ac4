"""MedXpertQA (Zuo et al. 2025): expert questions, with images (MM, five options) and without (Text), MIT.

::

    root/MM/dev.jsonl  test.jsonl     root/Text/dev.jsonl  test.jsonl     root/images/<file>      # images.zip

``question`` ends in the options once more (``Answer Choices: (A) ...``); they are cut off, for a sample has its options
apart. The answer is the letter in ``label``. The five ``dev`` questions of each part are the validate split.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from medvlm.study import Sample

from .cards import SetCard
from .choices import lettered_options, option_at
from .records import Absent, LoadReport, collect
from .row import Row, rows_of, split_files
from .table import read_jsonl

CHOICES_AGAIN = "\nAnswer Choices:"
CATEGORIES = {"task": "medical_task", "body_system": "body_system", "question_type": "question_type"}


def load_medxpert_mm(
    root: Path | str, split: str, *, report: LoadReport | None = None, absent: Absent = "keep"
) -> Iterator[Sample]:
    """Give the samples of MedXpertQA-MM, one a question, each with one or more images.

    Args:
        root: Folder that holds ``MM`` and ``images``.
        split: ``validate`` (five examples), ``test`` or ``all``.
        report: Filled with what was read, kept and left out.
        absent: Whether samples whose image file is not there are given (``keep``) or left out (``skip``).
    """
    return _load(root, split, "MM", report, absent)


def load_medxpert_text(
    root: Path | str, split: str, *, report: LoadReport | None = None, absent: Absent = "keep"
) -> Iterator[Sample]:
    """Give the samples of MedXpertQA-Text, one a question; they have no images.

    Args:
        root: Folder that holds ``Text``.
        split: ``validate`` (five examples), ``test`` or ``all``.
        report: Filled with what was read, kept and left out.
        absent: Taken for symmetry; there are no images to be absent.
    """
    return _load(root, split, "Text", report, absent)


def _load(root: Path | str, split: str, part: str, report: LoadReport | None, absent: Absent) -> Iterator[Sample]:
    """Give the samples of one part."""
    name = f"MedXpertQA-{part}"
    files = {"validate": [f"{part}/dev.jsonl"], "test": [f"{part}/test.jsonl"]}
    paths = split_files(root, split, files, name)

    def make(row: Row) -> Sample:
        return _sample(row, Path(root) / "images", part == "MM")

    return collect(rows_of(paths, read_jsonl), make, name=f"{name} {split}", report=report, absent=absent)


def _sample(row: Row, folder: Path, with_images: bool) -> Sample:
    """Make a sample of one record."""
    row = row.named(row.text("id") or row.where)
    options = lettered_options(row.fields.get("options"), row.where)
    names = row.texts("images") if with_images else ()
    if with_images and not names:
        raise row.refuse("no images")
    return Sample(
        id=row.need("id"),
        images=tuple(row.image(folder, name) for name in names),
        question=row.need("question").partition(CHOICES_AGAIN)[0].strip(),
        answer=option_at(row.need("label"), options, row.where),
        kind="choice",
        options=options,
        group=row.need("id"),
        split=row.split,
        categories=row.categories(CATEGORIES),
        extra=row.fields,
    )


_FACTS = {"paper": "Zuo et al. 2025, arXiv 2501.18362", "licence": "MIT"}
_SOURCE = "huggingface.co/datasets/TsinghuaC3I/MedXpertQA"

CARD_MM = SetCard(
    name="medxpert_mm",
    title="MedXpertQA-MM",
    **_FACTS,
    access="open",
    source=f"{_SOURCE} (MM and images.zip)",
    kinds=("choice",),
    load=load_medxpert_mm,
    counts={"validate": 5, "test": 2000},
)
CARD_TEXT = SetCard(
    name="medxpert_text",
    title="MedXpertQA-Text",
    **_FACTS,
    access="open",
    source=f"{_SOURCE} (Text)",
    kinds=("choice",),
    load=load_medxpert_text,
    counts={"validate": 5, "test": 2450},
)
