"""M3D-VQA (Bai et al. 2024): questions about the CT volumes of M3D-Cap, in tables.

::

    root/M3D_VQA_{train,val,test}.csv          # also M3D_VQA_test5k.csv and M3D_VQA_yn_train.csv, or below M3D_VQA/
    root/<Image Path>                          # a volume of M3D-Cap, see m3d_cap; or give its folder as ``images``

``NA`` in a choice means that there is none; the letter of the answer counts all four. ``Question Type`` is a number:
1 plane, 2 phase, 3 organ, 4 abnormality, 5 location. The group is the case.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from medvlm.study import AnswerKind, Sample

from .cards import SetCard
from .choices import LETTER_ALONE, choice_answer
from .m3d_cap import case_of, volume_of
from .polarity import yes_no
from .records import Absent, LoadReport, collect, one_of
from .row import Row, rows_of, split_files
from .table import read_table

FOLDERS = ("", "M3D_VQA/", "M3D-VQA/", "M3D-VQA/M3D_VQA/")
NAMES = {"train": "train", "validate": "val", "test": "test"}
CHOICES = ("Choice A", "Choice B", "Choice C", "Choice D")
TYPES = {"1": "plane", "2": "phase", "3": "organ", "4": "abnormality", "5": "location"}
Form = Literal["choice", "open", "yes_no"]


def load_m3d_vqa(
    root: Path | str,
    split: str,
    *,
    form: Form = "choice",
    small: bool = False,
    images: Path | str | None = None,
    report: LoadReport | None = None,
    absent: Absent = "keep",
) -> Iterator[Sample]:
    """Give the questions of M3D-VQA, one a row, in the order of the tables.

    Args:
        root: Folder that holds the tables.
        split: ``train``, ``validate``, ``test`` or ``all``.
        form: ``choice`` among up to four, ``open`` (the same questions without choices) or ``yes_no`` (tables of
            their own, of which only train is widely held).
        small: Whether ``test`` is the part of 5,000 questions.
        images: Folder from which ``Image Path`` starts; the root without it.
        report: Filled with what was read, kept and left out.
        absent: Whether samples whose volume is not there are given (``keep``) or left out (``skip``).

    Raises:
        FileNotFoundError: If the folder or a table is absent.
        SampleError: If a table lacks a column.
        ValueError: If the split or form is unknown.
    """
    one_of("form", form, ("choice", "open", "yes_no"))
    names = {**NAMES, "test": "test5k"} if small else NAMES
    infix = "yn_" if form == "yes_no" else ""
    files = {part: [f"{folder}M3D_VQA_{infix}{name}.csv" for folder in FOLDERS] for part, name in names.items()}
    paths = split_files(root, split, files, CARD.title)
    columns = ("Image Path", "Question", "Answer", *((*CHOICES, "Answer Choice") if form == "choice" else ()))
    folder = Path(root) if images is None else Path(images)

    def make(row: Row) -> Sample:
        return _sample(row, folder, form)

    rows = rows_of(paths, lambda path: read_table(path, columns))
    return collect(rows, make, name=f"{CARD.title} {split}", report=report, absent=absent)


def _sample(row: Row, folder: Path, form: Form) -> Sample:
    """Make a sample of one row."""
    name = row.need("Image Path")
    choices = tuple(row.text(key) for key in CHOICES) if form == "choice" else ()
    options = tuple(choice for choice in choices if choice not in ("", "NA"))
    kind: AnswerKind = "choice"
    if form == "choice":
        answer = _chosen(row, choices, options)
    else:
        kind, answer = _free(row, form)
    number = row.text("Question Type")
    return Sample(
        id=row.where,
        images=(volume_of(row, folder, name),),
        question=row.need("Question"),
        answer=answer,
        kind=kind,
        options=options,
        group=case_of(name),
        split=row.split,
        categories={"question_type": TYPES.get(number, number)},
        extra=row.fields,
    )


def _chosen(row: Row, choices: tuple[str, ...], options: tuple[str, ...]) -> str:
    """Return the choice that the letter names among all four, NA included."""
    letter = LETTER_ALONE.match(row.need("Answer Choice"))
    place = ord(letter[1]) - ord("A") if letter else len(choices)
    if place >= len(choices):
        raise row.refuse("Answer Choice is no letter of the choices", row.text("Answer Choice"))
    return choice_answer(choices[place], options, row.where)


def _free(row: Row, form: Form) -> tuple[AnswerKind, str]:
    """Return kind and answer of a question without choices."""
    answer = row.need("Answer")
    polarity = yes_no(answer)
    if form == "yes_no" and polarity is None:
        raise row.refuse("answer is not yes or no", answer)
    return ("closed", polarity) if polarity else ("open", answer)


CARD = SetCard(
    name="m3d_vqa",
    title="M3D-VQA",
    paper="Bai et al. 2024, arXiv 2404.00578",
    licence="apache-2.0 by its card; the volumes are M3D-Cap's",
    access="open",
    source="huggingface.co/datasets/GoodBaiBai88/M3D-VQA (tables); the volumes are M3D-Cap's, which is withdrawn",
    kinds=("choice", "closed", "open"),
    load=load_m3d_vqa,
    note="509,755 questions in all; published counts of the test split differ (13,791 to 13,814)",
)
