"""TemMed-Bench (Zhang et al. 2025): two visits of one patient; questions, reports and pairs about what changed.

::

    root/Get_Data/TestSet_VQA_ReportGeneration.json     # or *_Final.json, built by its notebooks; also in root
    root/Get_Data/TestSet_SelectedVQA_2000.json         # {img_id, question_id}: places in the list above
    root/Get_Data/TestSet_ImagePairSelection.json       # {condition_change, option {A, B, C: place}, right_option}
    root/Get_Data/TrainSet_KnowledgeCorpus.json         # or *_Final.json
    root/PNG/train/patient00001/study1/view1_frontal.png    # CheXpert Plus; or give its folder as ``images``

The release is an index into CheXpert Plus: pictures and reports come from there under its own terms. Paths end in .jpg
and the pictures in .png. The images of a sample are in the order of time: last visit, then this one. The files of the
test join by the place in the list, so records are never reordered. Reports are only in the ``_Final`` files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from medvlm.study import ImageRef, Sample

from .cards import SetCard
from .polarity import yes_no
from .records import Absent, LoadReport, as_record, collect, find_file, one_of, read_records
from .row import Row, known_split

TEST = ("TestSet_VQA_ReportGeneration_Final.json", "TestSet_VQA_ReportGeneration.json")
TRAIN = ("TrainSet_KnowledgeCorpus_Final.json", "TrainSet_KnowledgeCorpus.json")
REPORT = "The first image is the last visit, the second is this one. Report how the patient's condition has changed."
PAIRS = "Each two images are the last visit and this visit of one patient. Which pair shows this change: {}"
PAIR_NAMES = ("images 1 and 2", "images 3 and 4", "images 5 and 6")
PATIENT = re.compile(r"patient\d+")


def load_temmed(
    root: Path | str,
    split: str,
    *,
    task: Literal["vqa", "report", "pairs"] = "vqa",
    images: Path | str | None = None,
    report: LoadReport | None = None,
    absent: Absent = "keep",
) -> Iterator[Sample]:
    """Give the samples of TemMed-Bench, one a question, report or choice of pairs, in the order of the release.

    Args:
        root: Folder that holds ``Get_Data``, or its files.
        split: ``test``, and for reports also ``train``; ``all`` is every split that the task has.
        task: ``vqa`` (the 2,000 selected questions), ``report`` or ``pairs``.
        images: Folder of CheXpert Plus that holds ``train`` and ``valid``; ``root/PNG`` without it.
        report: Filled with what was read, kept and left out.
        absent: Whether samples of which an image file is not there are given (``keep``) or left out (``skip``).

    Raises:
        FileNotFoundError: If a folder or file is absent.
        ValueError: If the split or task is unknown, or the task has no such split.
    """
    one_of("task", task, ("vqa", "report", "pairs"))
    splits = ("train", "test") if task == "report" else ("test",)
    known_split(split, splits, f"{CARD.title} {task}")
    folder = Path(images) if images is not None else Path(root) / "PNG"
    wanted = splits if split == "all" else (split,)
    paths = {part: _find(root, *(TEST if part == "test" else TRAIN)) for part in wanted}
    other = {"vqa": "TestSet_SelectedVQA_2000.json", "pairs": "TestSet_ImagePairSelection.json"}.get(task)
    places = _find(root, other) if other else None

    def make(item: tuple[Row, list[Any]]) -> Sample:
        return {"vqa": _question, "report": _report, "pairs": _pairs}[task](*item, folder)

    return collect(_rows(paths, places), make, name=f"{CARD.title} {task} {split}", report=report, absent=absent)


def _find(root: Path | str, *names: str) -> Path:
    """Find one of some files, in the folder of the release or in the root."""
    return find_file(root, [f"{folder}{name}" for name in names for folder in ("Get_Data/", "")], CARD.title)


def _rows(paths: dict[str, Path], places: Path | None) -> Iterator[tuple[Row, list[Any]]]:
    """Give the records to make samples of, each with the list that their places count in."""
    for split, path in paths.items():
        studies = read_records(path)
        records = read_records(places) if places else studies
        for number, record in enumerate(records):
            yield Row(record if isinstance(record, dict) else {}, f"{(places or path).name}[{number}]", split), studies


def _at(row: Row, values: list[Any], place: object) -> Row:
    """Return the record at a place of a list."""
    if isinstance(place, bool) or not isinstance(place, int) or not 0 <= place < len(values):
        raise row.refuse("place is not in the list", place)
    return Row(as_record(values[place], row.where), row.where, row.split)


def _images(study: Row, folder: Path) -> tuple[ImageRef, ImageRef]:
    """Return the images of the last visit and of this one."""
    before, now = (study.need(key) for key in ("historical_image_path", "image_path"))
    return study.image(folder, _png(before)), study.image(folder, _png(now))


def _png(name: str) -> str:
    """Name the picture of CheXpert Plus for a path of CheXpert."""
    return re.sub(r"\.jpe?g$", ".png", name)


def _patient(study: Row) -> str:
    """Return the patient of a study, or its image where the path names none."""
    path = study.need("image_path")
    found = PATIENT.search(path)
    return found[0] if found else path


def _question(row: Row, studies: list[Any], folder: Path) -> Sample:
    """Make a sample of one selected question."""
    study = _at(row, studies, row.fields.get("img_id"))
    asked, place = study.fields.get("VQA_Final"), row.fields.get("question_id")
    if not isinstance(asked, list):
        raise row.refuse("VQA_Final: expected a list of questions", asked)
    question = _at(row, asked, place)
    answer = yes_no(question.need("VQA_answer"))
    if answer is None:
        raise row.refuse("answer is not yes or no", question.text("VQA_answer"))
    return Sample(
        id=f"vqa-{row.fields['img_id']}-{place}",
        images=_images(study, folder),
        question=question.need("VQA_question"),
        answer=answer,
        kind="closed",
        group=_patient(study),
        split=row.split,
        categories={"task": "vqa"},
        extra={**study.fields, **row.fields},
    )


def _report(row: Row, _: list[Any], folder: Path) -> Sample:
    """Make a sample of one report."""
    return Sample(
        id=f"report-{row.where}",
        images=_images(row, folder),
        question=REPORT,
        answer=row.need("condition_changes_report"),
        kind="report",
        group=_patient(row),
        split=row.split,
        categories={"task": "report"},
        extra=row.fields,
    )


def _pairs(row: Row, studies: list[Any], folder: Path) -> Sample:
    """Make a sample of one choice among three pairs of images."""
    option = as_record(row.fields.get("option"), row.where)
    pairs = [_at(row, studies, option.get(letter)) for letter in "ABC"]
    right = row.need("right_option").upper()
    if right not in ("A", "B", "C"):
        raise row.refuse("right_option is not A, B or C", right)
    place = "ABC".index(right)
    return Sample(
        id=f"pairs-{row.where}",
        images=tuple(image for pair in pairs for image in _images(pair, folder)),
        question=PAIRS.format(row.need("condition_change")),
        answer=PAIR_NAMES[place],
        kind="choice",
        options=PAIR_NAMES,
        group=_patient(pairs[place]),
        split=row.split,
        categories={"task": "pairs"},
        extra=row.fields,
    )


CARD = SetCard(
    name="temmed",
    title="TemMed-Bench",
    paper="Zhang et al. 2025, arXiv 2509.25143",
    licence="CC BY 4.0 for the index; pictures and reports under the CheXpert Plus research agreement",
    access="registration",
    source="github.com/Levi-ZJY/TemMed-Bench and huggingface.co/datasets/uclanlp/TemMed-Bench; images: CheXpert Plus",
    kinds=("closed", "report", "choice"),
    load=load_temmed,
    counts={"test": 2000},
    note="counts are the selected questions; task='report' has 1,000 for testing and over 17,000 for training",
)
