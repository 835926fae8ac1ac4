"""VQA-RAD as parquet (flaviagiammarino/vqa-rad): image, question and answer only, CC0.

::

    root/data/train-00000-of-00001-*.parquet         # also test-; the images are in the cells
    root/.medvlm/images/<hash>.jpg                   # written by the first reading

Four repeated questions of the training split are dropped in this release, and every field but the three is gone: a
question is ``closed`` if its answer is yes or no. Test images also occur in training, as in the OSF release
(``vqa_rad``), which is the one to prefer.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from medvlm.study import Sample

from .cards import SetCard
from .records import Absent, LoadReport
from .triplets import load_triplets

LEAK = "test images also occur in training; set vqa_rad with split_by='image' keeps them apart"


def load_vqa_rad_hf(
    root: Path | str, split: str, *, report: LoadReport | None = None, absent: Absent = "keep"
) -> Iterator[Sample]:
    """Give the samples of VQA-RAD's parquet release, one a question, in its order.

    Args:
        root: Folder that holds the parquet files.
        split: ``train``, ``test`` or ``all``.
        report: Filled with what was read, kept and left out.
        absent: Whether samples whose image file is not there are given (``keep``) or left out (``skip``).
    """
    report = LoadReport() if report is None else report
    report.notes.append(LEAK)
    splits = {"train": "train", "test": "test"}
    return load_triplets(root, split, name=CARD.title, splits=splits, report=report, absent=absent)


CARD = SetCard(
    name="vqa_rad_hf",
    title="VQA-RAD (parquet)",
    paper="Lau et al. 2018, doi 10.1038/sdata.2018.251",
    licence="CC0 1.0",
    access="open",
    source="huggingface.co/datasets/flaviagiammarino/vqa-rad",
    kinds=("closed", "open"),
    load=load_vqa_rad_hf,
    counts={"train": 1793, "test": 451},
    note="test images also occur in training; prefer vqa_rad, which has all fields",
)
