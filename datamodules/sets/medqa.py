"""MedQA (Jin et al. 2020): questions of the US medical licensing examination, without images; train and test on text.

::

    root/questions/US/4_options/phrases_no_exclude_{train,dev,test}.jsonl       # or the three files in root itself
    root/questions/US/{train,dev,test}.jsonl                                    # the same questions with five options

The answer is the letter in ``answer_idx`` and its text in ``answer``. Records have no id: theirs is split and place.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from medvlm.study import Sample

from .cards import SetCard
from .choices import lettered_options, option_at
from .records import Absent, LoadReport, collect
from .row import Row, rows_of, split_files
from .table import read_jsonl

NAMES = {"train": "train", "validate": "dev", "test": "test"}


def load_medqa(
    root: Path | str,
    split: str,
    *,
    choices: Literal[4, 5] = 4,
    report: LoadReport | None = None,
    absent: Absent = "keep",
) -> Iterator[Sample]:
    """Give the samples of MedQA, one a question, in the order of the release; they have no images.

    Args:
        root: Folder that holds ``questions``, or the files of the four-option form.
        split: ``train``, ``validate``, ``test`` or ``all``.
        choices: 4 or 5 options a question.
        report: Filled with what was read, kept and left out.
        absent: Taken for symmetry; there are no images to be absent.

    Raises:
        FileNotFoundError: If the folder or a file is absent.
        ValueError: If the split or the number of options is unknown.
    """
    if choices not in (4, 5):
        raise ValueError(f"choices={choices!r}: expected 4 or 5")
    names = {4: ["questions/US/4_options/phrases_no_exclude_{}.jsonl", "phrases_no_exclude_{}.jsonl"]}
    forms = names.get(choices, ["questions/US/{}.jsonl"])
    files = {part: [form.format(name) for form in forms] for part, name in NAMES.items()}
    paths = split_files(root, split, files, CARD.title)
    return collect(rows_of(paths, read_jsonl), _sample, name=f"MedQA {split}", report=report, absent=absent)


def _sample(row: Row) -> Sample:
    """Make a sample of one record."""
    options = lettered_options(row.fields.get("options"), row.where)
    answer = option_at(row.need("answer_idx"), options, row.where)
    if row.text("answer") not in ("", answer):
        raise row.refuse("letter and text of the answer name two options", row.text("answer"))
    return Sample(
        id=row.where,
        images=(),
        question=row.need("question"),
        answer=answer,
        kind="choice",
        options=options,
        group=row.where,
        split=row.split,
        categories={"step": row.text("meta_info")},
        extra=row.fields,
    )


CARD = SetCard(
    name="medqa",
    title="MedQA",
    paper="Jin et al. 2020, arXiv 2009.13081",
    licence="MIT",
    access="open",
    source="github.com/jind11/MedQA (data_clean.zip) or huggingface.co/datasets/GBaker/MedQA-USMLE-4-options",
    kinds=("choice",),
    load=load_medqa,
    counts={"train": 10178, "validate": 1272, "test": 1273},
    note="without images; the copy on the Hugging Face hub has no dev file",
)
