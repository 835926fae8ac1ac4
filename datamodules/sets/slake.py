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
from typing import Any

from medvlm.study import ImageRef, Sample

from .cards import SetCard
from .polarity import yes_no
from .records import (
    SPLITS,
    Absent,
    LoadReport,
    UnusableRecordError,
    as_record,
    collect,
    field_text,
    find_file,
    inside,
    one_of,
    read_records,
    required_text,
)

LANGUAGES = ("en", "zh")
FILES = {"train": ("train.json",), "validate": ("validate.json", "validation.json"), "test": ("test.json",)}
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
    one_of("split", split, SPLITS)
    languages = (languages,) if isinstance(languages, str) else tuple(languages)
    if not languages:
        raise ValueError("languages is empty: expected 'en', 'zh' or both")
    for language in languages:
        one_of("language", language, LANGUAGES)
    report = LoadReport() if report is None else report
    if len(set(languages)) == 2:
        report.notes.append(LEAK)
    paths = {name: _find(root, name) for name in (FILES if split == "all" else (split,))}
    return collect(_read(paths, languages), _sample, name=f"SLAKE {split}", report=report, absent=absent)


def _find(root: Path | str, split: str) -> Path:
    """Find the question file of a split."""
    return find_file(root, [f"{folder}{name}" for folder in ("", "Slake1.0/") for name in FILES[split]], "SLAKE")


def _read(paths: dict[str, Path], languages: Sequence[str]) -> Iterator[tuple[str, Path, str, Any]]:
    """Give the raw records of some languages; one whose language cannot be read is given, to be counted."""
    for split, path in paths.items():
        for number, record in enumerate(read_records(path)):
            if not isinstance(record, dict) or record.get("q_lang") in {*languages, None}:
                yield split, path.parent, f"{path.name}[{number}]", record


def _sample(item: tuple[str, Path, str, Any]) -> Sample:
    """Make a sample of one record."""
    split, folder, where, value = item
    record = as_record(value, where)
    where = field_text(record, "qid", where) or where
    image = required_text(record, "img_name", where)
    answer = required_text(record, "answer", where)
    answer_type = field_text(record, "answer_type", where).lower()
    if answer_type not in ("closed", "open"):
        raise UnusableRecordError(where, "answer_type is not CLOSED or OPEN", answer_type)
    polarity = yes_no(answer) if answer_type == "closed" else None
    categories = {name: field_text(record, key, where) for name, key in CATEGORIES.items()}
    return Sample(
        id=where,
        images=(ImageRef(inside(folder / "imgs", image, where)),),
        question=required_text(record, "question", where),
        answer=polarity or answer,
        kind="closed" if polarity else "open",
        group=image,
        split=split,
        categories={"answer_type": answer_type, "language": required_text(record, "q_lang", where), **categories},
        extra=record,
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
