"""VinDr-CXR (Nguyen et al. 2022): 18,000 chest radiographs with boxes by radiologists; credentialed.

::

    root/annotations/annotations_{train,test}.csv        # Kaggle's form: root/train.csv, same columns and class_id
    root/{train,test}/<image_id>.dicom

In train three readers drew apart: the boxes of a class that overlap by more than ``merge_iou`` become their mean. In
test they agreed. ``No finding`` has no box. Boxes are in pixels and may pass the border of the image, whose size is
read from the header of the DICOM file (no pixels): a box on an image that is not there cannot be given.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from medvlm.study import Sample

from .boxes import Box, Several, box_answer, known_several, merge_readers, numbers
from .cards import SetCard
from .records import Absent, LoadReport, UnusableRecordError, collect, is_there
from .row import Row, rows_of, split_files
from .table import read_table

TITLE = "VinDr-CXR"
FILES = {
    "train": ("annotations/annotations_train.csv", "annotations_train.csv", "train.csv"),
    "test": ("annotations/annotations_test.csv", "annotations_test.csv"),
}
EDGES = ("x_min", "y_min", "x_max", "y_max")
COLUMNS = ("image_id", "class_name", *EDGES)
NO_FINDING = "no finding"
SPELLINGS = {"Other diseases": "Other disease"}


def load_vindr(
    root: Path | str,
    split: str,
    *,
    several: Several = "skip",
    merge_iou: float = 0.1,
    report: LoadReport | None = None,
    absent: Absent = "keep",
) -> Iterator[Sample]:
    """Give a box question for each class found in an image, in the order of the table.

    Args:
        root: Folder that holds ``annotations/`` and the image folders.
        split: ``train``, ``test`` or ``all``.
        several: What a class with several boxes becomes: ``skip`` leaves it out, ``hull`` asks for the box around all,
            ``list`` for all of them.
        merge_iou: Boxes of a class that overlap by more than this mean one thing.
        report: Filled with what was read, kept and left out.
        absent: Whether samples whose image file is not there are given (``keep``) or left out (``skip``).

    Raises:
        FileNotFoundError: If the folder or a table is absent.
        ValueError: If an option is unknown or ``merge_iou`` is not from 0 to 1.
    """
    many = known_several(several)
    if not 0 <= merge_iou <= 1:
        raise ValueError(f"merge_iou={merge_iou}: expected 0 to 1")
    paths = split_files(root, split, FILES, TITLE)
    return collect(
        _findings(paths),
        lambda rows: _sample(rows, Path(root), many, merge_iou),
        name=f"{TITLE} {split}",
        report=report,
        absent=absent,
    )


def _findings(paths: dict[str, Path]) -> Iterator[list[Row] | UnusableRecordError]:
    """Give the boxes of one class in one image together, of all readers."""
    for split, path in paths.items():
        found: dict[tuple[str, str], list[Row]] = {}
        for row in rows_of({split: path}, lambda table: read_table(table, COLUMNS)):
            if isinstance(row, UnusableRecordError):
                yield row
            elif row.text("class_name").lower() != NO_FINDING:
                name = SPELLINGS.get(row.text("class_name"), row.text("class_name"))
                found.setdefault((row.text("image_id"), name), []).append(row)
        yield from found.values()


def _sample(rows: list[Row], root: Path, several: Several, merge_iou: float) -> Sample:
    """Make a sample of the boxes of one class in one image."""
    first = rows[0]
    image, name = first.need("image_id"), first.need("class_name")
    name = SPELLINGS.get(name, name)
    row = first.named(f"{image}-{name.replace(' ', '_')}")
    read = [numbers((r.text(edge) for edge in EDGES), row.where) for r in rows]
    boxes = merge_readers(read, merge_iou) if first.split == "train" else sorted(read)
    reference = row.image(root / first.split, f"{image}.dicom")
    width, height = _size(reference.path, row)
    return Sample(
        id=row.where,
        images=(reference,),
        question=f"Locate this finding: {name.lower()}.",
        answer=box_answer([_inside(box) for box in boxes], several, width, height, row.where),
        kind="box",
        group=image,
        split=row.split,
        categories={"category": name},
        extra={"rows": [r.fields for r in rows], "boxes": boxes, "width": width, "height": height},
    )


def _inside(box: Box) -> Box:
    """Return a box whose corners are in order."""
    x0, y0, x1, y1 = box
    return min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)


def _size(path: Path, row: Row) -> tuple[int, int]:
    """Return width and height of a file, or refuse the record."""
    if not is_there(path):
        raise row.refuse("image absent, and with it the size that its boxes need")
    size = dicom_size(path)
    if size is None:
        raise row.refuse("the image's header has no Rows and Columns")
    return size


@lru_cache(maxsize=64)
def dicom_size(path: Path) -> tuple[int, int] | None:
    """Return width and height of a DICOM file from its header, without reading pixels; None if it has none.

    Args:
        path: A DICOM file.
    """
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError

    try:
        header = dcmread(path, stop_before_pixels=True, specific_tags=["Rows", "Columns"])
    except (InvalidDicomError, EOFError, OSError):
        return None
    rows, columns = header.get("Rows"), header.get("Columns")
    return (int(columns), int(rows)) if rows and columns else None


CARD = SetCard(
    name="vindr",
    title=TITLE,
    paper="Nguyen et al. 2022, arXiv 2012.15029",
    licence="PhysioNet Credentialed Health Data License 1.5.0",
    access="credentialed",
    source="physionet.org/content/vindr-cxr",
    kinds=("box",),
    load=load_vindr,
    note="15,000 train and 3,000 test images; patients are not named: an image is a group",
)
