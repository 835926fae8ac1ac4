"""SLAKE 1.0 (Liu et al. 2021): 14,028 questions in English and Chinese on 642 images, CC BY 4.0.

::

    root/train.json  validate.json  test.json        # the Hugging Face copy calls the second one validation.json
    root/imgs/xmlab<N>/source.jpg                    # imgs.zip, unpacked; img_name in a record has no imgs/ before it

(``root`` may also be the folder that holds ``Slake1.0/``). The question files often travel without the images: absent
images are counted and the samples are given all the same.

The released splits are disjoint by image in English only; over both languages 130 images are in train and validate,
142 in train and test, 26 in validate and test.

A CLOSED question is kind ``closed`` if its answer is yes or no, in any of the Chinese forms, and its answer is then
``yes`` or ``no``; else it is ``open``. ``categories["answer_type"]`` says what the release calls it; the raw record is
in ``extra``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from medvlm.study import Sample

from .cards import SetCard
from .polarity import yes_no
from .records import Absent, LoadReport, UnusableRecordError, collect, one_of, read_records
from .row import Row, rows_of, split_files

LANGUAGES = ("en", "zh")
NAMES = {"train": ("train.json",), "validate": ("validate.json", "validation.json"), "test": ("test.json",)}
FILES = {split: [f"{home}{name}" for home in ("", "Slake1.0/") for name in names] for split, names in NAMES.items()}
CATEGORIES = {"organ": "location", "modality": "modality", "question_type": "content_type", "base": "base_type"}
LEAK = "English and Chinese together: the released splits share images (142 of train and test); English alone does not"


def load_slake(
    root: Path | str,
    split: str,
    *,
    languages: Sequence[str] = ("en",),
    report: LoadReport | None = None,
    absent: Absent = "keep",
) -> Iterator[Sample]:
    """Give the samples of SLAKE, one a question, in the order of the release.

    Args:
        root: Folder that holds the three question files and ``imgs/``, or its parent.
        split: ``train``, ``validate``, ``test`` or ``all``.
        languages: Which of ``en`` and ``zh``.
        report: Filled with what was read, kept and left out.
        absent: Whether samples whose image file is not there are given (``keep``) or left out (``skip``).

    Raises:
        FileNotFoundError: If the folder or a question file is absent.
        ValueError: If a split or language is unknown.
    """
    paths = split_files(root, split, FILES, CARD.title)
    languages = (languages,) if isinstance(languages, str) else tuple(languages)
    if not languages:
        raise ValueError("languages is empty: expected 'en', 'zh' or both")
    for language in languages:
        one_of("language", language, LANGUAGES)
    report = LoadReport() if report is None else report
    if len(set(languages)) == 2:
        report.notes.append(LEAK)

    def make(row: Row) -> Sample:
        return _sample(row, paths[row.split].parent / "imgs")

    # a record whose language cannot be read is given too, to be counted
    wanted = (*languages, None)
    rows = rows_of(paths, read_records)
    kept = (row for row in rows if isinstance(row, UnusableRecordError) or row.fields.get("q_lang") in wanted)
    return collect(kept, make, name=f"{CARD.title} {split}", report=report, absent=absent)


def _sample(row: Row, folder: Path) -> Sample:
    """Make a sample of one record."""
    row = row.named(row.text("qid") or row.where)
    image, answer = row.need("img_name"), row.need("answer")
    answer_type = row.text("answer_type").lower()
    if answer_type not in ("closed", "open"):
        raise row.refuse("answer_type is not CLOSED or OPEN", answer_type)
    polarity = yes_no(answer) if answer_type == "closed" else None
    return Sample(
        id=row.where,
        images=(row.image(folder, image),),
        question=row.need("question"),
        answer=polarity or answer,
        kind="closed" if polarity else "open",
        group=image,
        split=row.split,
        categories={"answer_type": answer_type, "language": row.need("q_lang"), **row.categories(CATEGORIES)},
        extra=row.fields,
    )


CARD = SetCard(
    name="slake",
    title="SLAKE 1.0",
    paper="Liu et al. 2021, arXiv 2102.09542",
    licence="CC BY 4.0",
    access="open",
    source="med-vqa.com/slake or huggingface.co/datasets/BoKelvin/SLAKE (question files and imgs.zip)",
    kinds=("closed", "open"),
    load=load_slake,
    counts={"train": 4919, "validate": 1053, "test": 1061},
    note="counts are English; both languages: 9,835, 2,099 and 2,094, and then the splits share images",
)
