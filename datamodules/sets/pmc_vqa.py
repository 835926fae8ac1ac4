"""PMC-VQA (Zhang et al. 2023): multiple choice on figures of PubMed Central articles, versions 1 and 2.

::

    root/train.csv  test.csv  test_clean.csv   root/images/<Figure_path>      # version 1; some unzip to images/images/
    root/train_2.csv  test_2.csv               root/figures/<Figure_path>     # version 2: figures cut into panels

Version 1 has the answer as text in ``Answer`` (``Anwser`` in the first upload) and its letter in ``Answer_label``;
version 2 has the letter in ``Answer``. The choices carry a letter of their own that is wrong in some rows (A, C, D, D),
so a letter counts positions. A letter that is none (a lone quote) is passed over if the text names one option; letter
and text that name two options leave the record out. ``N/A`` is an answer.

The group is the article, whose figures often show one patient.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from medvlm.study import Sample

from .cards import SetCard
from .choices import LETTER_ALONE, choice_answer, option_at
from .records import Absent, LoadReport, collect
from .row import Row, known_split, rows_of, split_files
from .table import read_table

FILES = {1: {"train": ["train.csv"], "test": ["test.csv"]}, 2: {"train": ["train_2.csv"], "test": ["test_2.csv"]}}
CHOICES = ("Choice A", "Choice B", "Choice C", "Choice D")
COLUMNS = {
    1: ("Figure_path", "Question", "Answer|Anwser", *CHOICES, "Answer_label|Anwser_label"),
    2: ("Figure_path", "Question", "Answer", *CHOICES),
}
PREFIX = re.compile(r"""^[\s"'“”]*[A-D]\s*:\s*""")


def load_pmc_vqa(
    root: Path | str,
    split: str,
    *,
    version: Literal[1, 2] = 2,
    clean: bool = False,
    report: LoadReport | None = None,
    absent: Absent = "keep",
) -> Iterator[Sample]:
    """Give the samples of PMC-VQA, one a question, in the order of the release.

    Args:
        root: Folder that holds the tables and the unzipped images.
        split: ``train``, ``test`` or ``all``.
        version: 1 (whole figures) or 2 (panels).
        clean: Whether ``test`` is the checked part of version 1 (``test_clean.csv``).
        report: Filled with what was read, kept and left out.
        absent: Whether samples whose image file is not there are given (``keep``) or left out (``skip``).

    Raises:
        FileNotFoundError: If the folder or a table is absent.
        SampleError: If a table lacks a column.
        ValueError: If the split or version is unknown, or ``clean`` is asked of version 2.
    """
    if version not in FILES or (clean and version != 1):
        raise ValueError(
            f"version={version!r}, clean={clean!r}: expected version 1 or 2; only version 1 has clean=True"
        )
    files = {**FILES[version], "test": ["test_clean.csv"]} if clean else FILES[version]
    known_split(split, files, CARD.title)
    paths = split_files(root, split, files, CARD.title)
    folder = Path(root) / ("images" if version == 1 else "figures")
    folder = folder / folder.name if (folder / folder.name).is_dir() else folder

    def make(row: Row) -> Sample:
        return _sample(row, folder)

    rows = rows_of(paths, lambda path: read_table(path, COLUMNS[version]))
    return collect(rows, make, name=f"PMC-VQA {split}", report=report, absent=absent)


def _sample(row: Row, folder: Path) -> Sample:
    """Make a sample of one row."""
    image = row.need("Figure_path")
    options = tuple(without_prefix(row.need(choice)) for choice in CHOICES)
    return Sample(
        id=row.where,
        images=(row.image(folder, image),),
        question=row.need("Question"),
        answer=_answer(row, options),
        kind="choice",
        options=options,
        group=image.partition("_")[0],
        split=row.split,
        extra=row.fields,
    )


def without_prefix(choice: str) -> str:
    """Take the letter, stray spaces and stray quotes off a choice.

    Examples:
        >>> without_prefix(" A:Diffuse uptake pattern "), without_prefix("5' end")
        ('Diffuse uptake pattern', "5' end")
    """
    return PREFIX.sub("", choice).strip().strip('"').strip()


def _answer(row: Row, options: tuple[str, ...]) -> str:
    """Return the option that letter and text agree on."""
    label = row.text("Answer_label", "Anwser_label")
    text = row.need("Answer", "Anwser")
    if not label and LETTER_ALONE.match(text):
        return option_at(text, options, row.where)
    named = without_prefix(text)
    if not LETTER_ALONE.match(label.strip("\"' ")):
        return choice_answer(named, options, row.where)
    chosen = option_at(label.strip("\"' "), options, row.where)
    if named in options and named != chosen:
        raise row.refuse("letter and text of the answer name two options", f"{label}, {text}")
    return chosen


CARD = SetCard(
    name="pmc_vqa",
    title="PMC-VQA",
    paper="Zhang et al. 2023, arXiv 2305.10415",
    licence="none stated for the data; every figure has its article's licence (oa_comm_use_file_list.csv)",
    access="open",
    source="huggingface.co/datasets/xmcmic/PMC-VQA",
    kinds=("choice",),
    load=load_pmc_vqa,
    counts={"train": 152603, "test": 33430},
    note="counts are version 2; version 1 has about 227,000 questions in all",
)
