"""MedMCQA (Pal et al. 2022): questions of Indian medical entrance examinations, without images, Apache 2.0.

::

    root/train.json  dev.json                        # one JSON object a line; cop counts options from 1
    root/data/train-*.parquet  validation-*.parquet  # the Hugging Face form; cop counts from 0

The answers of the test split are not public, so there is none here. ``exp``, the explanation, is the rationale.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from medvlm.study import Sample

from .cards import SetCard
from .choices import choice_answer
from .parquet import find_shards, read_parquet
from .records import Absent, LoadReport, UnusableRecordError, collect
from .row import Row, known_split, rows_of
from .table import read_jsonl

LINES = {"train": "train.json", "validate": "dev.json"}
SHARDS = {"train": "train", "validate": "validation"}
OPTIONS = ("opa", "opb", "opc", "opd")


def load_medmcqa(
    root: Path | str, split: str, *, report: LoadReport | None = None, absent: Absent = "keep"
) -> Iterator[Sample]:
    """Give the samples of MedMCQA, one a question, in the order of the release; they have no images.

    Args:
        root: Folder that holds the JSON lines, or the parquet files.
        split: ``train``, ``validate`` or ``all``; the test split has no public answers.
        report: Filled with what was read, kept and left out.
        absent: Taken for symmetry; there are no images to be absent.

    Raises:
        FileNotFoundError: If the folder or a file is absent.
        ValueError: If the split is unknown or ``test``.
    """
    known_split(split, LINES, "MedMCQA with public answers")
    root = Path(root)
    parts = tuple(LINES) if split == "all" else (split,)
    shards = {
        part: [] if (root / LINES[part]).is_file() else find_shards(root, SHARDS[part], "MedMCQA") for part in parts
    }
    return collect(_rows(root, shards), _sample, name=f"MedMCQA {split}", report=report, absent=absent)


def _rows(root: Path, shards: dict[str, list[Path]]) -> Iterator[tuple[Row, int] | UnusableRecordError]:
    """Give the records with the number by which their first option is named."""
    for split, paths in shards.items():
        for path in paths or [root / LINES[split]]:
            for row in rows_of({split: path}, _read if paths else read_jsonl):
                yield row if isinstance(row, UnusableRecordError) else (row, 0 if paths else 1)


def _read(path: Path) -> Iterator[dict[str, object]]:
    """Give the rows of a parquet file."""
    return read_parquet(path, ("id", "question", "cop", *OPTIONS))


def _sample(item: tuple[Row, int]) -> Sample:
    """Make a sample of one record."""
    row, first = item
    row = row.named(row.text("id") or row.where)
    options = tuple(row.need(key) for key in OPTIONS)
    named = row.need("cop")
    place = int(named) - first if named.isdecimal() else -1
    if not 0 <= place < len(options):
        raise row.refuse("cop names no option", named)
    return Sample(
        id=row.need("id"),
        images=(),
        question=row.need("question"),
        answer=choice_answer(options[place], options, row.where),
        kind="choice",
        options=options,
        group=row.need("id"),
        split=row.split,
        categories=row.categories({"subject": "subject_name", "topic": "topic_name", "choice_type": "choice_type"}),
        rationale=row.text("exp"),
        extra=row.fields,
    )


CARD = SetCard(
    name="medmcqa",
    title="MedMCQA",
    paper="Pal et al. 2022, arXiv 2203.14371",
    licence="Apache-2.0",
    access="open",
    source="huggingface.co/datasets/openlifescienceai/medmcqa or github.com/medmcqa/medmcqa",
    kinds=("choice",),
    load=load_medmcqa,
    counts={"train": 182822, "validate": 4183},
    note="without images; the answers of its 6,150 test questions are not public: score on validate",
)
