"""PathVQA (He et al. 2020) as parquet (flaviagiammarino/path-vqa): 32,632 questions on pathology pictures.

::

    root/data/train-00000-of-00007-*.parquet         # also validation- and test-; the images are in the cells
    root/.medvlm/images/<hash>.jpg                   # written by the first reading

The release has no type of answer: a question is ``closed`` if its answer is yes or no. Some pictures are CMYK. The
first release (``pvqa``, with pickled question files) is not read: a pickle runs code of whoever wrote it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from medvlm.study import Sample

from .cards import SetCard
from .records import Absent, LoadReport
from .triplets import load_triplets


def load_pathvqa(
    root: Path | str, split: str, *, report: LoadReport | None = None, absent: Absent = "keep"
) -> Iterator[Sample]:
    """Give the samples of PathVQA, one a question, in the order of the release.

    Args:
        root: Folder that holds the parquet files.
        split: ``train``, ``validate``, ``test`` or ``all``.
        report: Filled with what was read, kept and left out.
        absent: Whether samples whose image file is not there are given (``keep``) or left out (``skip``).
    """
    splits = {"train": "train", "validate": "validation", "test": "test"}
    return load_triplets(root, split, name=CARD.title, splits=splits, report=report, absent=absent)


CARD = SetCard(
    name="pathvqa",
    title="PathVQA",
    paper="He et al. 2020, arXiv 2003.10286",
    licence="MIT by its card; the pictures belong to two textbooks' publishers and PEIR: do not pass them on",
    access="open",
    source="huggingface.co/datasets/flaviagiammarino/path-vqa",
    kinds=("closed", "open"),
    load=load_pathvqa,
    counts={"train": 19654, "validate": 6259, "test": 6719},
)
