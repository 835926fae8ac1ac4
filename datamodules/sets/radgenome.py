"""RadGenome-ChestCT (Zhang et al. 2024): reports and questions by region, on 25,692 volumes of CT-RATE; gated.

::

    dataset/radgenome_files/{train,validation}_{region_report,vqa_abnormality,vqa_location,vqa_presence,vqa_size}.csv
    dataset/{train,valid}_preprocessed/train_1/train_1a/train_1_a_1.nii.gz        # the folder is train_1a

``Volumename`` is written so; a blank ``Anatomy`` means the whole scan; one of the ten regions is spelled
``trachea and bronchie``. The volumes are not those of CT-RATE itself: no rescale goes with them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from medvlm.study import AnswerKind, Sample

from .cards import SetCard
from .ct_rate_tables import read_name
from .polarity import yes_no
from .records import Absent, LoadReport, collect, find_file, one_of
from .row import Row, known_split, rows_of
from .table import read_table

Ask = Literal["region_report", "vqa_abnormality", "vqa_location", "vqa_presence", "vqa_size"]
TITLE = "RadGenome-ChestCT"
SPLITS = {"train": ("train", "train"), "validate": ("validation", "valid")}
COLUMNS: dict[Ask, tuple[str, ...]] = {
    "region_report": ("Volumename", "Anatomy", "Sentence"),
    "vqa_abnormality": ("Volumename", "Anatomy", "Abnormality"),
    "vqa_location": ("Volumename", "Anatomy", "Abnormality"),
    "vqa_presence": ("Volumename", "Anatomy", "Finding", "Presence"),
    "vqa_size": ("Volumename", "Anatomy", "Abnormality", "Size"),
}
WHOLE = "whole scan"


def load_radgenome(
    root: Path | str,
    split: str,
    *,
    ask: Ask = "region_report",
    report: LoadReport | None = None,
    absent: Absent = "keep",
) -> Iterator[Sample]:
    """Give the rows of one table of RadGenome-ChestCT, in its order.

    Args:
        root: Folder above ``dataset/``, or ``dataset/``.
        split: ``train``, ``validate`` or ``all``.
        ask: Which table: ``region_report``, ``vqa_abnormality``, ``vqa_location``, ``vqa_presence`` or ``vqa_size``.
        report: Filled with what was read, kept and left out.
        absent: Whether samples whose volume is not there are given (``keep``) or left out (``skip``).

    Raises:
        FileNotFoundError: If the folder or the table is absent.
        ValueError: If the split or ``ask`` is unknown.
    """
    known_split(split, SPLITS, TITLE)
    one_of("ask", ask, tuple(COLUMNS))
    names = tuple(SPLITS) if split == "all" else (split,)
    tables = {name: _find(root, f"radgenome_files/{SPLITS[name][0]}_{ask}.csv") for name in names}
    folders = {name: path.parents[1] / f"{SPLITS[name][1]}_preprocessed" for name, path in tables.items()}
    rows = rows_of(tables, lambda path: read_table(path, COLUMNS[ask]))
    return collect(
        rows,
        lambda row: _sample(row, ask, folders[row.split]),
        name=f"{TITLE} {split}",
        report=report,
        absent=absent,
    )


def _find(root: Path | str, name: str) -> Path:
    """Find a table of the release."""
    return find_file(root, [f"dataset/{name}", name], TITLE)


def _sample(row: Row, ask: Ask, folder: Path) -> Sample:
    """Make a sample of one row; its place in the table is part of its id, for rows repeat."""
    volume = read_name(row.need("Volumename"), row.where)
    region = row.text("Anatomy") or WHOLE
    question, answer, kind = _asked(row, ask, region)
    return Sample(
        id=f"{volume.name}-{row.where}",
        images=(
            row.image(
                folder, f"{volume.patient}/{volume.patient}{volume.scan}/{volume.file}", volume=True, modality="CT"
            ),
        ),
        question=question,
        answer=answer,
        kind=kind,
        group=volume.patient,
        split=row.split,
        categories={"task": ask, "region": region},
        extra=row.fields,
    )


def _asked(row: Row, ask: Ask, region: str) -> tuple[str, str, AnswerKind]:
    """Return question, answer and kind of one row."""
    where = f"in this region of the CT: {region}" if region != WHOLE else "in this CT"
    if ask == "region_report":
        return f"Write the findings {where}.", row.need("Sentence"), "report"
    if ask == "vqa_abnormality":
        return f"What abnormality is seen {where}?", row.need("Abnormality"), "open"
    if ask == "vqa_location":
        if region == WHOLE:
            raise row.refuse("no Anatomy to answer with")
        return f"Where in this CT is this abnormality: {row.need('Abnormality')}?", region, "open"
    if ask == "vqa_size":
        return f"What is the size of this abnormality {where}: {row.need('Abnormality')}?", row.need("Size"), "open"
    presence = yes_no(row.need("Presence"))
    if presence is None:
        raise row.refuse("Presence is not yes or no", row.text("Presence"))
    return f"Is this finding present {where}: {row.need('Finding')}?", presence, "closed"


CARD = SetCard(
    name="radgenome",
    title=TITLE,
    paper="Zhang et al. 2024, arXiv 2404.16754",
    licence="CC BY-NC-SA 4.0 for the volumes of CT-RATE; that of the annotations is on its page",
    access="gated",
    source="huggingface.co/datasets/RadGenome/RadGenome-ChestCT",
    kinds=("report", "open", "closed"),
    load=load_radgenome,
    note="about 665,000 region reports and 1.3 million questions; counts of its tables are not certain",
)
