"""The form of MedVLThinker (Huang et al. 2025) for training questions: m23k (text only), its PMC-VQA and its test sets.

::

    root/data/train-00000-of-00001.parquet           # test- for MedVLThinker-Eval
    root/.medvlm/images/<hash>.jpg                   # written by the first reading, where there are images

Columns question, options (a JSON object by letter, as text), answer_label, answer, reasoning, dataset_name,
dataset_index, and images where a question has any. ``reasoning`` is the rationale. A column ``pass_count`` (in how many
of 16 tries a model answered) stays in ``extra``, from where a curriculum can take it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from medvlm.study import Sample

from .cards import SetCard
from .choices import lettered_options, option_at
from .images import image_folder
from .parquet import find_shards, has_images, read_parquet, read_with_images
from .records import Absent, LoadReport, collect
from .row import Row, known_split

COLUMNS = ("question", "options", "answer_label")


def load_medvlthinker(
    root: Path | str, split: str, *, report: LoadReport | None = None, absent: Absent = "keep"
) -> Iterator[Sample]:
    """Give the samples of a release in this form, one a question, in its order.

    Args:
        root: Folder that holds the parquet files, or their folder ``data``.
        split: ``train`` or ``test``, whichever the release has, or ``all`` for both.
        report: Filled with what was read, kept and left out.
        absent: Whether samples whose image file is not there are given (``keep``) or left out (``skip``).

    Raises:
        ImportError: If pyarrow is absent.
        FileNotFoundError: If the folder or the files of a split are absent.
        ValueError: If the split is unknown.
    """
    known_split(split, ("train", "test"), CARD.title)
    root = Path(root)
    shards = {part: find_shards(root, part, CARD.title) for part in (("train", "test") if split == "all" else (split,))}

    def make(row: Row) -> Sample:
        return _sample(row, image_folder(root))

    return collect(_rows(root, shards), make, name=f"MedVLThinker {split}", report=report, absent=absent)


def _rows(root: Path, shards: dict[str, list[Path]]) -> Iterator[Row]:
    """Give the rows of all files of some splits, numbered from 0 in each split."""
    for split, paths in shards.items():
        number = 0
        for path in paths:
            with_images = has_images(path, "images")
            for record in (
                read_with_images(path, "images", COLUMNS, root) if with_images else read_parquet(path, COLUMNS)
            ):
                yield Row(record, f"{split}-{number}", split)
                number += 1


def _sample(row: Row, folder: Path) -> Sample:
    """Make a sample of one row."""
    try:
        choices = json.loads(row.need("options"))
    except json.JSONDecodeError as error:
        raise row.refuse(f"options: expected a JSON object as text: {error.msg}") from None
    options = lettered_options(choices, row.where)
    images = tuple(row.image(folder, name) for name in row.fields.get("images") or ())
    return Sample(
        id=row.where,
        images=images,
        question=row.need("question"),
        answer=option_at(row.need("answer_label"), options, row.where),
        kind="choice",
        options=options,
        group=images[0].path.name if images else row.where,
        split=row.split,
        categories=row.categories({"dataset": "dataset_name"}),
        rationale=row.text("reasoning"),
        extra=row.fields,
    )


CARD = SetCard(
    name="medvlthinker",
    title="MedVLThinker form (m23k and others)",
    paper="Huang et al. 2025, arXiv 2508.02669; m23k: Huang et al. 2025, arXiv 2504.00869",
    licence="Apache-2.0 for the collection; its questions keep the terms of their sources",
    access="open",
    source="huggingface.co/datasets/UCSC-VLAA/MedVLThinker-m23k-tokenized, -pmc_vqa, -Eval",
    kinds=("choice",),
    load=load_medvlthinker,
    note="m23k is text only, about 23,500 questions",
)
