"""Chest ImaGenome 1.0.0 (Wu et al. 2021): regions, findings and comparisons on MIMIC-CXR radiographs; credentialed.

::

    root/silver_dataset/scene_graph.zip (or its folder)   silver_dataset/splits/{train,valid,test,images_to_avoid}.csv
    root/gold_dataset/gold_*.csv, gold_*.txt              # imagenome_gold: 1,000 images of 500 patients, all test
    root/files/...  root/mimic-cxr-2.0.0-metadata.csv.gz  # of MIMIC-CXR-JPG; or give ``images`` and ``tables``

Three kinds of questions. ``box``: where a region is that shows something, as shares of the image, whose size is in
MIMIC-CXR-JPG's metadata table. ``presence``: whether a region shows a finding, yes or no, where the report says it and
does not contradict itself. ``comparison``: how a region changed since an earlier image, which is shown first.

Images of the patients of the gold set (``images_to_avoid``) are left out of silver and counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from medvlm.study import AnswerKind, ImageRef, Sample

from .boxes import as_shares
from .cards import SetCard
from .imagenome_graph import CHANGES, SilverGraphs, gold_graphs
from .imagenome_questions import Question, questions
from .mimic_files import Place, find_table, read_places
from .records import Absent, LoadReport, UnusableRecordError, collect, find_file, inside, one_of
from .row import known_split, split_files
from .table import read_table

Ask = Literal["box", "presence", "comparison"]
TITLE = "Chest ImaGenome"
FILES = {
    name: (f"silver_dataset/splits/{file}.csv",)
    for name, file in {"train": "train", "validate": "valid", "test": "test"}.items()
}
AVOID = "silver_dataset/splits/images_to_avoid.csv"
COLUMNS = ("subject_id", "study_id", "dicom_id")
OPTIONS = tuple(CHANGES.values())


Item = tuple[str, Question] | UnusableRecordError


def load_imagenome(
    root: Path | str,
    split: str,
    *,
    ask: Sequence[Ask] = ("box", "presence", "comparison"),
    images: Path | str | None = None,
    tables: Path | str | None = None,
    report: LoadReport | None = None,
    absent: Absent = "keep",
) -> Iterator[Sample]:
    """Give the questions on the silver scene graphs, image by image in the order of the split tables.

    Args:
        root: Folder of the release.
        split: ``train``, ``validate``, ``test`` or ``all``.
        ask: Which of ``box``, ``presence`` and ``comparison``.
        images: The ``files`` folder of MIMIC-CXR-JPG; without it ``root/files``.
        tables: Folder of MIMIC-CXR-JPG's ``mimic-cxr-2.0.0-metadata.csv.gz``; without it, the root.
        report: Filled with what was read, kept and left out.
        absent: Whether samples whose image file is not there are given (``keep``) or left out (``skip``).

    Raises:
        FileNotFoundError: If the folder, the scene graphs or a table are absent.
        ValueError: If the split or a kind of question is unknown.
    """
    paths = split_files(root, split, FILES, TITLE)
    avoid_path = find_file(root, [AVOID], TITLE)
    graphs, kinds = SilverGraphs(root), _kinds(ask)

    def items() -> Iterator[Item]:
        avoid = {row["dicom_id"] for row in _rows(avoid_path)}
        for name, path in paths.items():
            for row in _rows(path):
                image = row["dicom_id"]
                try:
                    if image in avoid:
                        raise UnusableRecordError(image, "image of a patient of the gold set")
                    graph = graphs.read(image)
                except UnusableRecordError as error:
                    yield error
                    continue
                yield from ((name, question) for question in questions(graph, kinds))

    return _load(root, items, f"{TITLE} {split}", images, tables, report, absent)


def load_imagenome_gold(
    root: Path | str,
    split: str,
    *,
    ask: Sequence[Ask] = ("box", "presence", "comparison"),
    images: Path | str | None = None,
    tables: Path | str | None = None,
    report: LoadReport | None = None,
    absent: Absent = "keep",
) -> Iterator[Sample]:
    """Give the questions on the gold set, whose boxes and findings were corrected by radiologists.

    Args:
        root: Folder of the release.
        split: ``test`` or ``all``.
        ask: Which of ``box``, ``presence`` and ``comparison``.
        images: The ``files`` folder of MIMIC-CXR-JPG; without it ``root/files``.
        tables: Folder of MIMIC-CXR-JPG's ``mimic-cxr-2.0.0-metadata.csv.gz``; without it, the root.
        report: Filled with what was read, kept and left out.
        absent: Whether samples whose image file is not there are given (``keep``) or left out (``skip``).

    Raises:
        FileNotFoundError: If the folder or a table is absent.
        ValueError: If the split or a kind of question is unknown.
    """
    known_split(split, ("test",), f"{TITLE} gold")
    kinds, graphs = _kinds(ask), gold_graphs(root)

    def items() -> Iterator[Item]:
        for graph in graphs.values():
            yield from (("test", question) for question in questions(graph, kinds))

    return _load(root, items, f"{TITLE} gold {split}", images, tables, report, absent)


def _kinds(ask: Sequence[Ask]) -> tuple[str, ...]:
    """Refuse kinds of questions that are unknown."""
    wanted = (ask,) if isinstance(ask, str) else tuple(ask)
    return tuple(one_of("ask", kind, ("box", "presence", "comparison")) for kind in wanted)


def _load(
    root: Path | str,
    items: Callable[[], Iterator[Item]],
    name: str,
    images: Path | str | None,
    tables: Path | str | None,
    report: LoadReport | None,
    absent: Absent,
) -> Iterator[Sample]:
    """Give the samples of questions, with the places of the images."""
    table = find_table(root, "metadata", tables, name)
    folder = Path(root) / "files" if images is None else Path(images)
    places = read_places(table)
    yield from collect(items(), lambda item: _sample(*item, places, folder), name=name, report=report, absent=absent)


def _rows(path: Path) -> Iterator[dict[str, str]]:
    """Give the rows of a split table."""
    for row in read_table(path, COLUMNS):
        if not isinstance(row, UnusableRecordError):
            yield row


def _sample(split: str, question: Question, places: Mapping[str, Place], folder: Path) -> Sample:
    """Make a sample of one question."""
    image = question.image[-1]
    ask: Ask = "comparison" if len(question.image) == 2 else "presence" if question.finding else "box"
    kinds: dict[Ask, AnswerKind] = {"box": "box", "presence": "closed", "comparison": "choice"}
    where = "-".join([*question.image, ask, question.region, question.finding]).replace(" ", "_")
    if not all(name in places for name in question.image):
        raise UnusableRecordError(where, "image is not in MIMIC-CXR-JPG's metadata table")
    place, answer = places[image], question.answer
    if ask == "box":
        x0, y0, x1, y1 = map(float, answer.split())
        answer = as_shares((x0, y0, x1, y1), place.width, place.height, where)
    return Sample(
        id=where,
        images=tuple(ImageRef(inside(folder, places[name].path(name), where)) for name in question.image),
        question=question.text,
        answer=answer,
        kind=kinds[ask],
        options=OPTIONS if ask == "comparison" else (),
        group=place.patient,
        split=split,
        categories={"task": ask, "region": question.region},
        extra={"dicom_ids": question.image, "region": question.region, "finding": question.finding},
    )


def _card(name: str, title: str, load: Callable[..., Iterator[Sample]], note: str) -> SetCard:
    """Make the card of one of the two sets."""
    return SetCard(
        name=name,
        title=title,
        paper="Wu et al. 2021, arXiv 2108.00316",
        licence="PhysioNet Credentialed Health Data License 1.5.0",
        access="credentialed",
        source="physionet.org/content/chest-imagenome; images and metadata: physionet.org/content/mimic-cxr-jpg",
        kinds=("box", "closed", "choice"),
        load=load,
        note=note,
    )


CARD = _card(
    "imagenome",
    TITLE,
    load_imagenome,
    "silver: 166,521, 23,953 and 47,393 images, mined from reports; a sample is a question, not an image",
)
GOLD_CARD = _card(
    "imagenome_gold",
    f"{TITLE} gold",
    load_imagenome_gold,
    "1,000 images of 500 patients, read by radiologists; a sample is a question, not an image",
)
