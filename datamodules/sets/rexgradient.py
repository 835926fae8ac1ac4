"""ReXGradient-160K (Zhang et al. 2025): 160,000 chest X-ray studies with reports of 79 sites; gated, non-commercial.

::

    root/metadata/{train,valid,test}_metadata_view_position.json
    root/deid_png/<PatientID>/<AccessionNumber>/studies/.../instances/<SOP>.png     # the archive; or ``images``

The CSV beside each JSON has no image paths. A record is a study with parallel lists (``ImagePath``,
``ImageViewPosition``, ...); whether they are a list or an object by id is not known for certain: both are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from medvlm.study import Sample

from .cards import SetCard
from .records import Absent, LoadReport, collect, read_records
from .rexvqa import ARCHIVE
from .row import Row, rows_of, split_files
from .stream import read_members
from .writing import Writing

NAMES = {"train": "train", "validate": "valid", "test": "test"}
FILES = {
    split: tuple(f"{folder}{name}_metadata_view_position.json" for folder in ("metadata/", ""))
    for split, name in NAMES.items()
}
SECTIONS = ("Indication", "Comparison", "Findings", "Impression")
NO_VIEW = ("", "N/A", "NONE", "UNKNOWN")
VIEWS = {"POSTERO_ANTERIOR": "PA", "ANTERO_POSTERIOR": "AP"}


def load_rexgradient(
    root: Path | str,
    split: str,
    *,
    sections: Sequence[str] = ("findings",),
    context: Sequence[str] = (),
    images: Path | str | None = None,
    report: LoadReport | None = None,
    absent: Absent = "keep",
) -> Iterator[Sample]:
    """Give the studies of ReXGradient-160K, in the order of the release.

    Args:
        root: Folder that holds ``metadata/``.
        split: ``train``, ``validate``, ``test`` or ``all``.
        sections: Sections to write: ``findings``, ``impression``.
        context: Sections that are shown before the question: ``indication``, ``comparison``.
        images: The unpacked ``deid_png`` folder; without it ``root/deid_png``.
        report: Filled with what was read, kept and left out.
        absent: Whether samples whose image file is not there are given (``keep``) or left out (``skip``).

    Raises:
        FileNotFoundError: If the folder or a metadata file is absent.
    """
    paths = split_files(root, split, FILES, "ReXGradient-160K")
    writing = Writing(sections, context)
    folder = Path(root) / "deid_png" if images is None else Path(images)
    rows = rows_of(paths, _read)
    return collect(
        rows,
        lambda row: _sample(row, folder, writing),
        name=f"ReXGradient-160K {split}",
        report=report,
        absent=absent,
    )


def _read(path: Path) -> Iterator[Any]:
    """Give the records of a list, or the values of an object with the id in the record."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        first = file.read(64).lstrip()[:1]
    if first != "{":
        yield from read_records(path)
        return
    for key, value in read_members(path):
        yield {"id": key, **value} if isinstance(value, dict) else value


def _sample(row: Row, folder: Path, writing: Writing) -> Sample:
    """Make a sample of one study."""
    row = row.named(row.need("StudyInstanceUid", "AccessionNumber", "id"))
    texts = {name.lower(): " ".join(row.text(name).split()) for name in SECTIONS if row.text(name)}
    names = row.texts("ImagePath")
    return Sample(
        id=row.where,
        images=tuple(row.image(folder, name.removeprefix(ARCHIVE)) for name in names),
        question=writing.question(texts),
        answer=writing.answer(texts, row.where),
        kind="report",
        group=row.need("PatientID"),
        split=row.split,
        categories={"view": _view(row.fields.get("ImageViewPosition")), "sex": row.text("PatientSex") or "unknown"},
        extra={**row.fields, "sections": texts},
    )


def _view(value: object) -> str:
    """Return the view of the first image in one spelling.

    Examples:
        >>> _view(["POSTERO_ANTERIOR", "LATERAL"]), _view([None]), _view("N/A")
        ('PA', 'unknown', 'unknown')
    """
    first = value[0] if isinstance(value, list) and value else value
    name = first.strip().upper() if isinstance(first, str) else ""
    return "unknown" if name in NO_VIEW else VIEWS.get(name, name)


CARD = SetCard(
    name="rexgradient",
    title="ReXGradient-160K",
    paper="Zhang et al. 2025, arXiv 2505.00228",
    licence="ReXGradient Non-Commercial Data Access and Use Agreement",
    access="gated",
    source="huggingface.co/datasets/rajpurkarlab/ReXGradient-160K",
    kinds=("report",),
    load=load_rexgradient,
    counts={"train": 140000, "validate": 10000, "test": 10000},
    note="counts are studies; its images are also those of ReXVQA",
)
