"""Quilt-VQA (Seyfioglu et al. 2023) as parquet (wisdomik/Quilt_VQA): questions on histopathology video frames, gated.

::

    root/data/train-00000-of-00001*.parquet          # its one split is called train and is the test set
    root/.medvlm/images/<hash>.jpg                   # written by the first reading

Columns image, question, answer, answer_type and context (the narration that the answer was taken from; it is in
``extra`` and is not shown). A question is ``closed`` if its answer is yes or no.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from medvlm.study import Sample

from .cards import SetCard
from .records import Absent, LoadReport
from .triplets import load_triplets


def load_quilt_vqa(
    root: Path | str, split: str, *, report: LoadReport | None = None, absent: Absent = "keep"
) -> Iterator[Sample]:
    """Give the samples of Quilt-VQA, one a question, in the order of the release.

    Args:
        root: Folder that holds the parquet file.
        split: ``test`` or ``all``.
        report: Filled with what was read, kept and left out.
        absent: Whether samples whose image file is not there are given (``keep``) or left out (``skip``).
    """
    splits = {"test": "train"}
    columns = ("answer_type",)
    return load_triplets(root, split, name=CARD.title, splits=splits, columns=columns, report=report, absent=absent)


CARD = SetCard(
    name="quilt_vqa",
    title="Quilt-VQA",
    paper="Seyfioglu et al. 2023, arXiv 2312.04746",
    licence="CC BY-NC-ND 3.0",
    access="gated",
    source="huggingface.co/datasets/wisdomik/Quilt_VQA",
    kinds=("closed", "open"),
    load=load_quilt_vqa,
    counts={"test": 985},
    note="a test set: its one split is called train in the release; its card speaks of 1,283 pairs, the file has 985",
)
