"""CheXpert (Irvin et al. 2019) and CheXpert Plus (Chambon et al. 2024): Stanford chest radiographs; by registration.

::

    CheXpert-v1.0[-small]/train.csv  valid.csv  train/patient00001/study1/view1_frontal.jpg     # chexpert
    df_chexpert_plus_240401.csv  PNG/train/patient00001/study1/view1_frontal.png                # chexpert_plus

``root`` is the folder of the tables, or (chexpert) its parent. The paths in the tables start with the name of some
release folder, which is cut off; those of Plus end in .jpg where the files are .png.

CheXpert has labels: one sample an image, by default one question for the list of its positive labels. Plus has the
reports: one sample an image; the images of a study share its report, and a patient is one group.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from medvlm.study import Sample

from .cards import SetCard
from .labels import LIST_QUESTION, OBSERVATIONS, closed_questions, list_answer, states_of
from .records import SPLITS, Absent, LoadReport, UnusableRecordError, collect, find_file, is_there, one_of
from .row import Row, known_split, rows_of
from .table import read_table
from .writing import Writing

Ask = Literal["list", "closed"]
FILES = {"train": "train.csv", "validate": "valid.csv"}
FOLDERS = ("", "CheXpert-v1.0-small/", "CheXpert-v1.0/")
COLUMNS = ("Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *OBSERVATIONS)
PLUS_TABLE = "df_chexpert_plus_240401.csv"
PLUS_COLUMNS = ("path_to_image", "deid_patient_id", "split", "section_findings", "section_impression")
PLUS_SPLITS = {"train": "train", "valid": "validate"}
SECTION = "section_"
PATIENT = re.compile(r"(?:^|/)(?P<path>(?:train|valid|test)/(?P<patient>patient\d+)/study\d+/[^/]+)$")


def load_chexpert(
    root: Path | str,
    split: str,
    *,
    ask: Ask = "list",
    frontal: bool = False,
    report: LoadReport | None = None,
    absent: Absent = "keep",
) -> Iterator[Sample]:
    """Give the images of CheXpert, in the order of its tables.

    Args:
        root: Folder of ``train.csv`` and ``valid.csv``, or its parent.
        split: ``train``, ``validate`` or ``all``.
        ask: ``list``, one question an image for its positive labels; ``closed``, one for each label that is certain.
        frontal: Whether lateral images are left out.
        report: Filled with what was read, kept and left out.
        absent: Whether samples whose image file is not there are given (``keep``) or left out (``skip``).

    Raises:
        FileNotFoundError: If the folder or a table is absent.
        ValueError: If the split or ``ask`` is unknown.
    """
    known_split(split, FILES, "CheXpert")
    one_of("ask", ask, ("list", "closed"))
    names = FILES if split == "all" else {split: FILES[split]}
    paths = {name: find_file(root, [folder + file for folder in FOLDERS], "CheXpert") for name, file in names.items()}

    def items() -> Iterator[tuple[Row, tuple[str, str, str] | None] | UnusableRecordError]:
        for row in rows_of(paths, lambda path: read_table(path, COLUMNS)):
            if isinstance(row, UnusableRecordError):
                yield row
            elif not frontal or row.text("Frontal/Lateral") == "Frontal":
                yield from _asked(row, ask)

    def make(item: tuple[Row, tuple[str, str, str] | None]) -> Sample:
        return _sample(*item, paths[item[0].split].parent)

    return collect(items(), make, name=f"CheXpert {split}", report=report, absent=absent)


def _asked(row: Row, ask: Ask) -> Iterator[tuple[Row, tuple[str, str, str] | None] | UnusableRecordError]:
    """Give an image once, or once for every label that can be asked for."""
    if ask == "list":
        yield row, None
        return
    try:
        yield from ((row, asked) for asked in closed_questions(states_of(row.fields, row.where)))
    except UnusableRecordError as error:
        yield error


def _sample(row: Row, asked: tuple[str, str, str] | None, folder: Path) -> Sample:
    """Make a sample of one image, or of one of its labels."""
    path, patient = _place(row, "Path")
    row = row.named(path)
    states = states_of(row.fields, row.where)
    if not states:
        raise row.refuse("the image has no labels")
    label, question, answer = asked or ("", LIST_QUESTION, list_answer(states))
    return Sample(
        id=f"{path}#{label}" if label else path,
        images=(row.image(folder, path),),
        question=question,
        answer=answer,
        kind="closed" if label else "open",
        group=patient,
        split=row.split,
        categories={**_about(row, "Frontal/Lateral", "AP/PA", "Sex"), **({"label": label} if label else {})},
        extra={**row.fields, "labels": states},
    )


def _place(row: Row, column: str) -> tuple[str, str]:
    """Return the path below the release folder and the patient."""
    match = PATIENT.search(row.need(column).replace("\\", "/"))
    if match is None:
        raise row.refuse("path is not train/patient00001/study1/view1_frontal.jpg", row.text(column))
    return match["path"], match["patient"]


def _about(row: Row, side: str, direction: str, sex: str) -> dict[str, str]:
    """Return view and sex, by which scores are broken down."""
    return {"view": row.text(direction) or row.text(side) or "unknown", "sex": row.text(sex) or "unknown"}


def load_chexpert_plus(
    root: Path | str,
    split: str,
    *,
    sections: Sequence[str] = ("findings",),
    context: Sequence[str] = (),
    frontal: bool = False,
    images: Path | str | None = None,
    report: LoadReport | None = None,
    absent: Absent = "keep",
) -> Iterator[Sample]:
    """Give the images of CheXpert Plus with their reports, in the order of its table.

    Args:
        root: Folder of ``df_chexpert_plus_240401.csv``.
        split: ``train``, ``validate`` or ``all``.
        sections: Sections to write, by the names of the table without ``section_``: ``findings``, ``impression``, ...
        context: Sections that are shown before the question: ``clinical_history``, ``comparison``, ...
        frontal: Whether lateral images are left out.
        images: Folder of the images; without it ``root/PNG``. Files may be .png or, in CheXpert's own folder, .jpg.
        report: Filled with what was read, kept and left out.
        absent: Whether samples whose image file is not there are given (``keep``) or left out (``skip``).

    Raises:
        FileNotFoundError: If the folder or the table is absent.
        ValueError: If the split is unknown.
    """
    known_split(one_of("split", split, SPLITS), ("train", "validate"), "CheXpert Plus")
    writing = Writing(sections, context)
    path = find_file(root, [PLUS_TABLE], "CheXpert Plus")
    folder = Path(root) / "PNG" if images is None else Path(images)

    def rows() -> Iterator[Row | UnusableRecordError]:
        for row in rows_of({"": path}, lambda table: read_table(table, PLUS_COLUMNS)):
            if isinstance(row, UnusableRecordError):
                yield row
                continue
            known = PLUS_SPLITS.get(row.text("split"), row.text("split"))
            lateral = frontal and row.text("frontal_lateral") != "Frontal"
            if split in ("all", known) and not lateral:
                yield Row(row.fields, row.where, known)

    return collect(
        rows(),
        lambda row: _plus_sample(row, folder, writing),
        name=f"CheXpert Plus {split}",
        report=report,
        absent=absent,
    )


def _plus_sample(row: Row, folder: Path, writing: Writing) -> Sample:
    """Make a sample of one image and the report of its study."""
    path, _ = _place(row, "path_to_image")
    row = row.named(path)
    if row.split not in PLUS_SPLITS.values():
        raise row.refuse("split is not train or valid", row.split)
    texts = {
        column.removeprefix(SECTION): " ".join(row.text(column).split())
        for column in row.fields
        if column.startswith(SECTION) and row.text(column) not in ("", "nan", "NaN")
    }
    image = row.image(folder, str(Path(path).with_suffix(".png")))
    jpg = row.image(folder, path)
    return Sample(
        id=path,
        images=(jpg if is_there(jpg.path) else image,),
        question=writing.question(texts),
        answer=writing.answer(texts, row.where),
        kind="report",
        group=row.need("deid_patient_id"),
        split=row.split,
        categories=_about(row, "frontal_lateral", "ap_pa", "sex"),
        extra={**row.fields, "sections": texts},
    )


CARD = SetCard(
    name="chexpert",
    title="CheXpert",
    paper="Irvin et al. 2019, arXiv 1901.07031",
    licence="Stanford University Dataset Research Use Agreement, no redistribution",
    access="registration",
    source="stanfordaimi.azurewebsites.net (CheXpert-v1.0 or CheXpert-v1.0-small)",
    kinds=("open", "closed"),
    load=load_chexpert,
    counts={"train": 223414, "validate": 234},
    note="labels of train are mined from reports (blank: not mentioned), those of validate are read by radiologists",
)
PLUS_CARD = SetCard(
    name="chexpert_plus",
    title="CheXpert Plus",
    paper="Chambon et al. 2024, arXiv 2405.19538",
    licence="Stanford University Dataset Research Use Agreement, no redistribution",
    access="registration",
    source="aimi.stanford.edu/datasets/chexpert-plus",
    kinds=("report",),
    load=load_chexpert_plus,
    note="223,462 images in all; the images of a study share one report; many reports have no findings section",
)
