"""MS-CXR (Boecking et al. 2022): phrases of MIMIC-CXR reports with boxes by radiologists; credentialed.

::

    root/MS_CXR_Local_Alignment_v1.1.0.csv  (or v1.0.0)
    root/files/p10/p10233088/s54276838/<dicom>.jpg       # MIMIC-CXR-JPG; or give its folder as ``images``

One row a box, left, top, width and height in pixels of the image. The rows of one phrase in one image are one
question. Version 1.0.0 has no splits: all of it is ``test``. Most of its images are in MIMIC-CXR's own train split.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from medvlm.study import Sample

from .boxes import Several, box_answer, from_xywh, known_several, numbers
from .cards import SetCard
from .records import SPLITS, Absent, LoadReport, UnusableRecordError, collect, find_file, one_of
from .row import Row, rows_of
from .table import read_table

TITLE = "MS-CXR"
FILES = ("MS_CXR_Local_Alignment_v1.1.0.csv", "MS_CXR_Local_Alignment_v1.0.0.csv")
COLUMNS = ("dicom_id", "category_name", "label_text", "path", "x", "y", "w", "h", "image_width", "image_height")
SPELLINGS = {"": "test", "val": "validate", "valid": "validate", "validation": "validate"}
PATIENT = re.compile(r"^(?:files/)?p\d\d/p(?P<patient>\d+)/s\d+/[^/]+$")


def load_ms_cxr(
    root: Path | str,
    split: str,
    *,
    several: Several = "skip",
    images: Path | str | None = None,
    report: LoadReport | None = None,
    absent: Absent = "keep",
) -> Iterator[Sample]:
    """Give the phrases of MS-CXR, in the order of the table.

    Args:
        root: Folder of the table.
        split: ``train``, ``validate``, ``test`` or ``all``.
        several: What a phrase with several boxes becomes: ``skip`` leaves it out, ``hull`` asks for the box around all,
            ``list`` for all of them.
        images: The ``files`` folder of MIMIC-CXR-JPG; without it ``root/files``.
        report: Filled with what was read, kept and left out.
        absent: Whether samples whose image file is not there are given (``keep``) or left out (``skip``).

    Raises:
        FileNotFoundError: If the folder or the table is absent.
        ValueError: If an option is unknown.
    """
    one_of("split", split, SPLITS)
    many = known_several(several)
    path = find_file(root, FILES, TITLE)
    folder = Path(root) / "files" if images is None else Path(images)
    return collect(
        _phrases(path, split),
        lambda rows: _sample(rows, folder, many),
        name=f"{TITLE} {split}",
        report=report,
        absent=absent,
    )


def _phrases(path: Path, split: str) -> Iterator[list[Row] | UnusableRecordError]:
    """Give the rows of each phrase of a split together."""
    phrases: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows_of({"": path}, lambda table: read_table(table, COLUMNS)):
        if isinstance(row, UnusableRecordError):
            yield row
            continue
        text = row.text("split").lower()
        known = SPELLINGS.get(text, text)
        if split in ("all", known):
            key = (row.text("dicom_id"), row.text("category_name"), row.text("label_text"))
            phrases.setdefault(key, []).append(Row(row.fields, row.where, known))
    yield from phrases.values()


def _sample(rows: list[Row], folder: Path, several: Several) -> Sample:
    """Make a sample of the rows of one phrase."""
    row = rows[0].named(f"{rows[0].need('dicom_id')}-{rows[0].where}")
    match = PATIENT.match(row.need("path"))
    if match is None:
        raise row.refuse("path is not files/p10/p10233088/s54276838/<dicom>.jpg", row.text("path"))
    if row.split not in SPLITS[:3]:
        raise row.refuse("split is not train, val or test", row.split)
    width, height, *_ = numbers((row.text("image_width"), row.text("image_height"), 0, 0), row.where)
    boxes = [from_xywh(numbers((r.text(name) for name in "xywh"), row.where)) for r in rows]
    phrase = row.need("label_text")
    return Sample(
        id=row.where,
        images=(row.image(folder, row.text("path").removeprefix("files/")),),
        question=f"Locate what this phrase of the report describes: {phrase}",
        answer=box_answer(boxes, several, width, height, row.where),
        kind="box",
        group=match["patient"],
        split=row.split,
        categories={"category": row.text("category_name")},
        extra={**row.fields, "boxes": boxes},
    )


CARD = SetCard(
    name="ms_cxr",
    title=TITLE,
    paper="Boecking et al. 2022, arXiv 2204.09817",
    licence="PhysioNet Credentialed Health Data License 1.5.0",
    access="credentialed",
    source="physionet.org/content/ms-cxr; images: physionet.org/content/mimic-cxr-jpg",
    kinds=("box",),
    load=load_ms_cxr,
    note="1,047 images; most lie in the train split of MIMIC-CXR: keep those out of training before testing on it",
)
