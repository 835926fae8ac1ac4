"""OmniMedVQA (Hu et al. 2024): multiple choice over 73 medical image sets, one JSON list each; for testing only.

::

    root/QA_information/Open-access/<Dataset>.json         # 42 files; Restricted-access/ has the others
    root/Images/<Dataset>/...                              # image_path in a record starts with Images/

(``root`` may also be the folder that holds ``OmniMedVQA/``.) The answer is the text of an option; where punctuation
or case differ (``x_ray.`` for ``X-ray``) it is matched without them. Options C and D may be missing. One record has
the key ``modality`` for ``modality_type``; two of the eight modalities are misspelt in the release and put right in
``categories``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from medvlm.study import Sample

from ..splits import fraction_of
from .cards import SetCard
from .choices import choice_answer
from .records import Absent, LoadReport, UnusableRecordError, collect, one_of, read_records
from .row import Row, known_split, rows_of

FOLDERS = {"open": ("Open-access",), "restricted": ("Restricted-access",), "all": ("Open-access", "Restricted-access")}
OPTIONS = ("option_A", "option_B", "option_C", "option_D")
MODALITIES = {
    "MR (Mag-netic Resonance Imaging)": "MR (Magnetic Resonance Imaging)",
    "OCT (Optical Coherence Tomography": "OCT (Optical Coherence Tomography)",
    "ultrasound": "Ultrasound",
}
NOISE = re.compile(r"[\W_]+")


def load_omnimed(
    root: Path | str,
    split: str,
    *,
    part: Literal["open", "restricted", "all"] = "open",
    train_share: float = 0.0,
    report: LoadReport | None = None,
    absent: Absent = "keep",
) -> Iterator[Sample]:
    """Give the samples of OmniMedVQA, one a question, in the order of the files' names.

    Args:
        root: Folder that holds ``QA_information`` and ``Images``, or its parent.
        split: ``test`` or ``all``; the set has no other, unless ``train_share`` makes one.
        part: ``open``, ``restricted`` or ``all``.
        train_share: Share of the images whose questions are ``train``, chosen by their names, for work that trains on
            the set (Med-R1).
        report: Filled with what was read, kept and left out.
        absent: Whether samples whose image file is not there are given (``keep``) or left out (``skip``).

    Raises:
        FileNotFoundError: If the folder or its question files are absent.
        ValueError: If the split or part is unknown, or the share is no share.
    """
    if not 0 <= train_share < 1:
        raise ValueError(f"train_share={train_share!r}: expected a share from 0 up to 1")
    known_split(split, ("train", "test") if train_share else ("test",), CARD.title)
    one_of("part", part, FOLDERS)
    home, paths = _find(Path(root), part)

    def make(row: Row) -> Sample:
        return _sample(row, home, side(row))

    def side(row: Row | UnusableRecordError) -> str:
        if isinstance(row, UnusableRecordError):
            return "test"  # named once
        return "train" if fraction_of(row.text("image_path")) < train_share else "test"

    rows = (row for path in paths for row in rows_of({"test": path}, read_records) if split in ("all", side(row)))
    return collect(rows, make, name=CARD.title, report=report, absent=absent)


def _find(root: Path, part: str) -> tuple[Path, list[Path]]:
    """Find the folder of the set and its question files."""
    if not root.is_dir():
        raise FileNotFoundError(f"OmniMedVQA: the folder {root} does not exist; set data.root to the unpacked set")
    for home in (root, root / "OmniMedVQA"):
        paths = [path for folder in FOLDERS[part] for path in sorted((home / "QA_information" / folder).glob("*.json"))]
        if paths:
            return home, paths
    raise FileNotFoundError(
        f"OmniMedVQA: no QA_information/{'|'.join(FOLDERS[part])}/*.json in {root}; keep the file names of the release"
    )


def _sample(row: Row, home: Path, split: str) -> Sample:
    """Make a sample of one record."""
    row = row.named(row.text("question_id") or row.where)
    image = row.need("image_path")
    options = tuple(text for text in (row.text(key) for key in OPTIONS) if text)
    modality = row.text("modality_type", "modality")
    return Sample(
        id=row.need("question_id"),
        images=(row.image(home, image),),
        question=row.need("question"),
        answer=_answer(row, options),
        kind="choice",
        options=options,
        group=image,
        split=split,
        categories={
            "modality": MODALITIES.get(modality, modality),
            "question_type": row.text("question_type"),
            "dataset": row.text("dataset"),
        },
        extra=row.fields,
    )


def _answer(row: Row, options: tuple[str, ...]) -> str:
    """Return the option that the answer means: the same text, or the only one alike without punctuation and case."""
    answer = row.need("gt_answer")
    if answer not in options:
        alike = [option for option in options if NOISE.sub("", option).casefold() == NOISE.sub("", answer).casefold()]
        answer = alike[0] if len(alike) == 1 else answer
    return choice_answer(answer, options, row.where)


CARD = SetCard(
    name="omnimed",
    title="OmniMedVQA",
    paper="Hu et al. 2024, arXiv 2402.09181",
    licence="that of each of its source sets; none for the whole",
    access="open",
    source="huggingface.co/datasets/foreverbeliever/OmniMedVQA (OmniMedVQA.zip)",
    kinds=("choice",),
    load=load_omnimed,
    counts={"test": 88996},
    note="counts are the open part (42 files); 127,995 questions with the restricted part. Only for testing",
)
