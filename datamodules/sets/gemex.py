"""GEMeX (Liu et al. 2024): four kinds of questions on MIMIC-CXR radiographs, with reasons and regions; credentialed.

::

    root/open_ended_question.jsonl  closed_ended_question.jsonl  single_choice_question.jsonl
    root/multi_choice_question.jsonl
    root/files/p10/p10046166/s50051329/<dicom>.jpg      # MIMIC-CXR-JPG; or give its folder as ``images``

``q_id`` is unique within a file only. A question with several right choices is open: its options follow the question,
its answer is their texts. The boxes stay in ``extra``: whether they are xywh rests on one reader's word. The files
that were public when this was written held twenty questions of each kind and name no split: all are ``train``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from medvlm.study import AnswerKind, Sample

from .cards import SetCard
from .choices import option_at, without_letters
from .mimic_files import study_folder
from .polarity import yes_no
from .records import Absent, LoadReport, UnusableRecordError, collect, find_file, one_of
from .row import Row, known_split, rows_of
from .table import read_jsonl

TITLE = "GEMeX"
FORMS = ("open_ended", "closed_ended", "single_choice", "multi_choice")
STUDY = "p10/p10046166/s50051329/"


def load_gemex(
    root: Path | str,
    split: str,
    *,
    forms: Sequence[str] = FORMS,
    images: Path | str | None = None,
    report: LoadReport | None = None,
    absent: Absent = "keep",
) -> Iterator[Sample]:
    """Give the questions of GEMeX, file by file.

    Args:
        root: Folder of the four files.
        split: ``train`` or ``all``: the files name no split.
        forms: Which of ``open_ended``, ``closed_ended``, ``single_choice`` and ``multi_choice``.
        images: The ``files`` folder of MIMIC-CXR-JPG; without it ``root/files``.
        report: Filled with what was read, kept and left out.
        absent: Whether samples whose image file is not there are given (``keep``) or left out (``skip``).

    Raises:
        FileNotFoundError: If the folder or a file is absent.
        ValueError: If the split or a form is unknown.
    """
    known_split(split, ("train",), TITLE)
    forms = (forms,) if isinstance(forms, str) else forms
    paths = {one_of("form", form, FORMS): find_file(root, [f"{form}_question.jsonl"], TITLE) for form in forms}
    folder = Path(root) / "files" if images is None else Path(images)

    def rows() -> Iterator[tuple[str, Row] | UnusableRecordError]:
        for form, path in paths.items():
            found = rows_of({"train": path}, read_jsonl)
            yield from (row if isinstance(row, UnusableRecordError) else (form, row) for row in found)

    return collect(rows(), lambda item: _sample(*item, folder), name=TITLE, report=report, absent=absent)


def _sample(form: str, row: Row, folder: Path) -> Sample:
    """Make a sample of one record."""
    row = row.named(f"{form}-{row.need('q_id')}")
    path = row.need("image_path").removeprefix("files/")
    parts = path.split("/")
    if len(parts) != 4 or study_folder(parts[1], parts[2]) != "/".join(parts[:3]):
        raise row.refuse(f"image_path is not {STUDY}<dicom>.jpg", path)
    question, answer, kind, options = _asked(form, row)
    return Sample(
        id=row.where,
        images=(row.image(folder, path),),
        question=question,
        answer=answer,
        kind=kind,
        options=options,
        group=parts[1].removeprefix("p"),
        split=row.split,
        categories={"form": form, "type": row.text("type")},
        rationale=row.text("reason"),
        extra=row.fields,
    )


def _asked(form: str, row: Row) -> tuple[str, str, AnswerKind, tuple[str, ...]]:
    """Return question, answer, kind and options of one record."""
    question = row.need("question")
    if form == "open_ended":
        return question, row.need("answer"), "open", ()
    if form == "closed_ended":
        polarity = yes_no(row.need("answer"))
        if polarity is None:
            raise row.refuse("closed answer is not yes or no", row.text("answer"))
        return question, polarity, "closed", ()
    options, in_order = without_letters(row.texts("choices"))
    if not in_order:
        raise row.refuse("letters of the options do not follow their positions")
    if form == "single_choice":
        return question, option_at(row.need("answer"), options, row.where), "choice", options
    letters = row.texts("answer")
    right = [option_at(letter, options, row.where) for letter in letters]
    listed = "\n".join(f"{chr(ord('A') + place)}. {option}" for place, option in enumerate(options))
    return f"{question} Name every right option.\n{listed}", "; ".join(right), "open", ()


CARD = SetCard(
    name="gemex",
    title=TITLE,
    paper="Liu et al. 2024, arXiv 2411.16778",
    licence="PhysioNet Credentialed Health Data License for the images; the questions state none that was seen",
    access="credentialed",
    source="huggingface.co/datasets/BoKelvin/GEMeX-VQA; images: physionet.org/content/mimic-cxr-jpg",
    kinds=("open", "closed", "choice"),
    load=load_gemex,
    note="1,605,575 questions on 151,025 images by the paper; the public files seen were a preview of 80",
)
