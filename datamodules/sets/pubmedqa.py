"""PubMedQA (Jin et al. 2019), the 1,000 questions labelled by experts, without images, MIT.

::

    root/data/ori_pqal.json               # an object {PubMed id: record}; also directly in root
    root/data/test_ground_truth.json      # an object {PubMed id: decision}: the official 500 test questions

A sample shows the abstract without its conclusion, then the question; the answer is yes, no or maybe, as a choice. The
conclusion (``LONG_ANSWER``) is the rationale. The 500 questions that are not in the test are train.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from medvlm.study import Sample, SampleError

from .cards import SetCard
from .choices import choice_answer
from .records import Absent, LoadReport, collect, find_file
from .row import Row, known_split

OPTIONS = ("yes", "no", "maybe")


def load_pubmedqa(
    root: Path | str, split: str, *, report: LoadReport | None = None, absent: Absent = "keep"
) -> Iterator[Sample]:
    """Give the samples of PubMedQA, one a question, in the order of the release; they have no images.

    Args:
        root: Folder that holds the two files, or ``data`` with them.
        split: ``train``, ``test`` or ``all``.
        report: Filled with what was read, kept and left out.
        absent: Taken for symmetry; there are no images to be absent.

    Raises:
        FileNotFoundError: If the folder or a file is absent.
        ValueError: If the split is unknown, or ``validate``.
    """
    known_split(split, ("train", "test"), CARD.title)
    records, truth = (
        find_file(root, [f"data/{name}", name], CARD.title) for name in ("ori_pqal.json", "test_ground_truth.json")
    )
    return collect(_rows(records, truth, split), _sample, name=f"PubMedQA {split}", report=report, absent=absent)


def _rows(path: Path, truth: Path, split: str) -> Iterator[Row]:
    """Give the records of a split."""
    test = _read(truth)
    for key, record in _read(path).items():
        part = "test" if key in test else "train"
        if split in ("all", part):
            yield Row(record if isinstance(record, dict) else {}, key, part)


def _read(path: Path) -> dict[str, Any]:
    """Read a JSON object."""
    try:
        value = json.loads(path.read_text(encoding="utf-8-sig"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise SampleError(f"{path}: expected a JSON object by PubMed id, found no valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise SampleError(f"{path}: expected a JSON object by PubMed id, found {type(value).__name__}")
    return value


def _sample(row: Row) -> Sample:
    """Make a sample of one record."""
    abstract = "\n".join(row.texts("CONTEXTS"))
    return Sample(
        id=row.where,
        images=(),
        question=f"{abstract}\n\n{row.need('QUESTION')}",
        answer=choice_answer(row.need("final_decision").lower(), OPTIONS, row.where),
        kind="choice",
        options=OPTIONS,
        group=row.where,
        split=row.split,
        categories={"year": row.text("YEAR")},
        rationale=row.text("LONG_ANSWER"),
        extra=row.fields,
    )


CARD = SetCard(
    name="pubmedqa",
    title="PubMedQA (labelled)",
    paper="Jin et al. 2019, arXiv 1909.06146",
    licence="MIT",
    access="open",
    source="github.com/pubmedqa/pubmedqa (data)",
    kinds=("choice",),
    load=load_pubmedqa,
    counts={"train": 500, "test": 500},
    note="without images",
)
