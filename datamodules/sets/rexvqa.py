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

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from medvlm.study import ImageRef, Sample, SampleError

from .cards import SetCard
from .choices import LETTER_ALONE, LETTERED, choice_answer, without_letters
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
    required_text,
)

FILES = {"train": "train_vqa_data.json", "validate": "valid_vqa_data.json", "test": "test_vqa_data.json"}
CATEGORIES = {"task": "task_name", "category": "category", "class": "class", "subcategory": "subcategory"}
ARCHIVE = "../deid_png/"
MEMBER_COLON = re.compile(r"\s*:\s*")
MEMBER_END = re.compile(r"\s*(?:,|(?=\}))")
CHUNK = 1 << 20


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
    one_of("split", split, SPLITS)
    names = FILES if split == "all" else {split: FILES[split]}
    paths = {name: find_file(root, [f"metadata/{file}", file], "ReXVQA") for name, file in names.items()}
    folder = Path(root) / "deid_png" if images is None else Path(images)
    if images is not None and not folder.is_dir():
        raise FileNotFoundError(f"ReXVQA: the image folder {folder} does not exist; give the unpacked deid_png")

    def make(item: tuple[str, str, Any]) -> Sample:
        return _sample(item[0], item[1], as_record(item[2], item[1]), folder)

    records = ((name, key, value) for name, path in paths.items() for key, value in read_members(path))
    return collect(records, make, name=f"ReXVQA {split}", report=report, absent=absent)


def _sample(split: str, key: str, record: dict[str, Any], folder: Path) -> Sample:
    """Make a sample of one record."""
    options, lettered = _options(record, key)
    return Sample(
        id=key,
        images=_images(record, folder, key),
        question=required_text(record, "question", key),
        answer=_answer(required_text(record, "correct_answer", key), options, lettered, key),
        kind="choice",
        options=options,
        group=required_text(record, "PatientID", key),
        split=split,
        categories={name: field_text(record, field, key) for name, field in CATEGORIES.items()},
        rationale=field_text(record, "correct_answer_explanation", key),
        extra=record,
    )


def _images(record: dict[str, Any], folder: Path, where: str) -> tuple[ImageRef, ...]:
    """Read the image paths of a study; only the archive's own folder name is cut off, as a prefix."""
    value = record.get("ImagePath")
    value = [value] if isinstance(value, str) else value
    if not isinstance(value, list) or not value or not all(isinstance(path, str) and path for path in value):
        raise UnusableRecordError(where, "no images: ImagePath is no list of paths")
    names = (path.removeprefix(ARCHIVE) for path in value)
    return tuple(ImageRef(inside(folder, name, where)) for name in names)


def _options(record: dict[str, Any], where: str) -> tuple[tuple[str, ...], bool]:
    """Read the options without their letters, and say whether the letters follow the positions."""
    value = record.get("options")
    if not isinstance(value, list) or not all(isinstance(text, str) and text.strip() for text in value):
        raise UnusableRecordError(where, "options: expected a list of texts")
    return without_letters(value)


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


def read_members(path: Path) -> Iterator[tuple[str, Any]]:
    """Give the members of one JSON object one after the other: the training file is too large to hold at once.

    Raises:
        SampleError: If the file is cut off or holds no object; the message says after which member.
    """
    decoder, text, last = json.JSONDecoder(), "", "the start"
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        text = file.read(CHUNK).lstrip()
        if not text.startswith("{"):
            raise SampleError(f"{path}: expected a JSON object of questions, found {text[:20]!r}")
        text = text[1:].lstrip()
        while not text.startswith("}"):
            try:
                key, end = decoder.raw_decode(text)
                colon = MEMBER_COLON.match(text, end)
                value, end = decoder.raw_decode(text, colon.end() if colon else len(text))
                follows = MEMBER_END.match(text, end)
                if follows is None or not isinstance(key, str):
                    raise json.JSONDecodeError("expected a comma or a closing brace", text, end)
            except json.JSONDecodeError as error:
                more = file.read(max(CHUNK, len(text)))
                if not more:
                    raise SampleError(f"{path}: no valid JSON after {last}: {error.msg}") from None
                text += more
                continue
            yield key, value
            last, text = key, text[follows.end() :].lstrip()


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
