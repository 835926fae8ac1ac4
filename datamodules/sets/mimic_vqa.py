"""MIMIC-Ext-MIMIC-CXR-VQA (Bae et al. 2023): about 378,000 templated questions on MIMIC-CXR radiographs; credentialed.

::

    root/train.json  valid.json  test.json          # built with credentials; the _*.json of GitHub have no answers
    root/files/p10/p10000032/s50414267/<id>.jpg     # MIMIC-CXR-JPG; or give its folder as ``images``

(``root`` may also be the folder that holds ``dataset/`` or ``mimiccxrvqa/dataset/``.) ``answer`` is documented as a
text and found as a list, which may be empty: then it is ``none`` for a query and left out and counted elsewhere.
Several answers are one open answer, in order, separated by commas. ``m`` and ``f`` are male and female.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from medvlm.study import ImageRef, Sample

from .cards import SetCard
from .mimic_files import study_folder
from .polarity import yes_no
from .records import Absent, LoadReport, collect, read_records
from .row import Row, rows_of, split_files

FOLDERS = ("", "dataset/", "mimiccxrvqa/dataset/")
NAMES = {"train": "train.json", "validate": "valid.json", "test": "test.json"}
FILES = {split: tuple(folder + name for folder in FOLDERS) for split, name in NAMES.items()}
CATEGORIES = {"content": "content_type", "semantic": "semantic_type", "template": "template_program"}
LETTERS = {"m": "male", "f": "female"}
NOTHING = "none"


def load_mimic_vqa(
    root: Path | str,
    split: str,
    *,
    images: Path | str | None = None,
    report: LoadReport | None = None,
    absent: Absent = "keep",
) -> Iterator[Sample]:
    """Give the samples of MIMIC-Ext-MIMIC-CXR-VQA, one a question, in the order of the release.

    Args:
        root: Folder of the question files.
        split: ``train``, ``validate``, ``test`` or ``all``.
        images: The ``files`` folder of MIMIC-CXR-JPG; without it ``root/files``.
        report: Filled with what was read, kept and left out.
        absent: Whether samples whose image file is not there are given (``keep``) or left out (``skip``).

    Raises:
        FileNotFoundError: If the folder or a question file is absent.
    """
    paths = split_files(root, split, FILES, "MIMIC-CXR-VQA")
    folder = Path(root) / "files" if images is None else Path(images)
    rows = rows_of(paths, read_records)
    return collect(rows, lambda row: _sample(row, folder), name=f"MIMIC-CXR-VQA {split}", report=report, absent=absent)


def _sample(row: Row, folder: Path) -> Sample:
    """Make a sample of one record."""
    row = row.named(f"{row.split}-{row.need('idx')}")
    answers = _answers(row)
    polarity = yes_no(answers[0]) if len(answers) == 1 else None
    return Sample(
        id=row.where,
        images=(_image(row, folder),),
        question=row.need("question"),
        answer=polarity or ", ".join(answers),
        kind="closed" if polarity else "open",
        group=row.need("subject_id"),
        split=row.split,
        categories=row.categories(CATEGORIES),
        extra=row.fields,
    )


def _answers(row: Row) -> tuple[str, ...]:
    """Read the answers, whether a text, a list or none."""
    value = row.fields.get("answer")
    values = value if isinstance(value, list) else [value]
    found = [text.strip() for text in values if isinstance(text, str)]
    if len(found) < len(values):
        raise row.refuse("answer: expected a text or a list of texts (questions without answers are not built)", value)
    texts = tuple(LETTERS.get(text, text) for text in found if text)
    if not texts and row.text("semantic_type") != "query":
        raise row.refuse("no answer")
    return texts or (NOTHING,)


def _image(row: Row, folder: Path) -> ImageRef:
    """Return the image, by its path or, where the record has none, by patient, study and image."""
    path = row.text("image_path").removeprefix("files/")
    if not path:
        path = f"{study_folder(row.need('subject_id'), row.need('study_id'))}/{row.need('image_id')}.jpg"
    return row.image(folder, path)


CARD = SetCard(
    name="mimic_vqa",
    title="MIMIC-Ext-MIMIC-CXR-VQA",
    paper="Bae et al. 2023, arXiv 2310.18652",
    licence="PhysioNet Credentialed Health Data License 1.5.0",
    access="credentialed",
    source="physionet.org/content/mimic-ext-mimic-cxr-vqa; images: physionet.org/content/mimic-cxr-jpg",
    kinds=("closed", "open"),
    load=load_mimic_vqa,
    note="about 378,000 questions; counts of its splits are not certain",
)
