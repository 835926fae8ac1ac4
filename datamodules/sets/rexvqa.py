"""ReXVQA (arXiv 2506.04353): multiple choice on the chest radiographs of ReXGradient-160K; gated, non-commercial.

::

    root/metadata/test_vqa_data.json                 # also train_ and valid_: an object {question id: record}
    root/deid_png/<PatientID>/.../<SOP>.png          # the ReXGradient archive; or give its folder as ``images``

A record has ``options`` with the letter inside each text, ``correct_answer`` as a letter or as the text of an option,
and ``ImagePath``, a list of all images of the study (``../deid_png/...``). Written after the documented form and a
published loader; the release itself was not at hand. Where letters and positions of the options disagree, a letter
cannot be resolved, and the record is left out and counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from medvlm.study import ImageRef, Sample

from .cards import SetCard
from .choices import LETTER_ALONE, LETTERED, choice_answer, without_letters
from .records import Absent, LoadReport, UnusableRecordError, as_record, collect
from .row import Row, split_files
from .stream import read_members

NAMES = {"train": "train_vqa_data.json", "validate": "valid_vqa_data.json", "test": "test_vqa_data.json"}
FILES = {split: (f"metadata/{name}", name) for split, name in NAMES.items()}
CATEGORIES = {"task": "task_name", "category": "category", "class": "class", "subcategory": "subcategory"}
ARCHIVE = "../deid_png/"


def load_rexvqa(
    root: Path | str,
    split: str,
    *,
    images: Path | str | None = None,
    report: LoadReport | None = None,
    absent: Absent = "keep",
) -> Iterator[Sample]:
    """Give the samples of ReXVQA, one a question, in the order of the release.

    Args:
        root: Folder that holds ``metadata/``.
        split: ``train``, ``validate``, ``test`` or ``all``.
        images: The unpacked ``deid_png`` folder; without it ``root/deid_png``.
        report: Filled with what was read, kept and left out.
        absent: Whether samples whose image file is not there are given (``keep``) or left out (``skip``).

    Raises:
        FileNotFoundError: If the folder or the question file is absent.
    """
    paths = split_files(root, split, FILES, CARD.title)
    folder = Path(root) / "deid_png" if images is None else Path(images)
    if images is not None and not folder.is_dir():
        raise FileNotFoundError(f"ReXVQA: the image folder {folder} does not exist; give the unpacked deid_png")

    def make(item: tuple[str, str, Any]) -> Sample:
        part, key, value = item
        return _sample(Row(as_record(value, key), key, part), folder)

    records = ((part, key, value) for part, path in paths.items() for key, value in read_members(path))
    return collect(records, make, name=f"{CARD.title} {split}", report=report, absent=absent)


def _sample(row: Row, folder: Path) -> Sample:
    """Make a sample of one record."""
    options, lettered = without_letters(row.texts("options"))
    return Sample(
        id=row.where,
        images=_images(row, folder),
        question=row.need("question"),
        answer=_answer(row.need("correct_answer"), options, lettered, row.where),
        kind="choice",
        options=options,
        group=row.need("PatientID"),
        split=row.split,
        categories=row.categories(CATEGORIES),
        rationale=row.text("correct_answer_explanation"),
        extra=row.fields,
    )


def _images(row: Row, folder: Path) -> tuple[ImageRef, ...]:
    """Read the image paths of a study; only the archive's own folder name is cut off, as a prefix."""
    value = row.fields.get("ImagePath")
    value = [value] if isinstance(value, str) else value
    if not isinstance(value, list) or not value or not all(isinstance(path, str) and path for path in value):
        raise row.refuse("no images: ImagePath is no list of paths")
    return tuple(row.image(folder, path.removeprefix(ARCHIVE)) for path in value)


def _answer(answer: str, options: tuple[str, ...], lettered: bool, where: str) -> str:
    """Find the option that the answer names by letter, by text or by both."""
    letter = LETTER_ALONE.match(answer)
    if answer in options or letter is None:
        both = LETTERED.match(answer)
        return choice_answer(both[2].strip() if both and answer not in options else answer, options, where)
    if not lettered:
        raise UnusableRecordError(where, "letters of the options do not follow their positions")
    place = ord(letter[1]) - ord("A")
    if place >= len(options):
        raise UnusableRecordError(where, "answer is none of the options", answer)
    return choice_answer(options[place], options, where)


CARD = SetCard(
    name="rexvqa",
    title="ReXVQA",
    paper="Pal et al. 2025, arXiv 2506.04353",
    licence="ReXGradient non-commercial data agreement",
    access="gated",
    source="huggingface.co/datasets/rajpurkarlab/ReXVQA; images: rajpurkarlab/ReXGradient-160K",
    kinds=("choice",),
    load=load_rexvqa,
    note="about 696,000 questions on 160,000 studies; counts of its splits are not published",
)
