"""PathMMU (Sun et al. 2024): multiple choice on pathology pictures in five parts, gated.

::

    root/data.json                         # {"Atlas": {"val": [...], "test": [...], "test_tiny": [...]}, "PubMed": ...}
    root/images/<img>                      # pictures that may be passed on
    root/books_set/images/<name>.png       # Atlas: ARCH's books_set.zip, named by ``source_img``

Options have letters ("A) " or "A. "), two to five of them; the answer is the text of an option, with its letter. Some
parts' pictures must be fetched from their sources (instructions.md of the release); those that are absent are counted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from medvlm.study import ImageRef, Sample, SampleError

from .cards import SetCard
from .choices import LETTERED, choice_answer, without_letters
from .records import Absent, LoadReport, as_record, collect, find_file, is_there, one_of
from .row import Row, known_split


def load_path_mmu(
    root: Path | str,
    split: str,
    *,
    parts: Sequence[str] = (),
    tiny: bool = False,
    report: LoadReport | None = None,
    absent: Absent = "keep",
) -> Iterator[Sample]:
    """Give the samples of PathMMU, one a question, part after part.

    Args:
        root: Folder that holds ``data.json`` and the pictures.
        split: ``validate``, ``test`` or ``all``.
        parts: Which of ``Atlas``, ``EduContent``, ``PubMed``, ``SocialPath`` and ``PathCLS``; all without it.
        tiny: Whether ``test`` is the small part that experts answered (``test_tiny``).
        report: Filled with what was read, kept and left out.
        absent: Whether samples whose image file is not there are given (``keep``) or left out (``skip``).

    Raises:
        FileNotFoundError: If the folder or ``data.json`` is absent.
        SampleError: If ``data.json`` holds no such object.
        ValueError: If the split or a part is unknown.
    """
    names = {"validate": "val", "test": "test_tiny" if tiny else "test"}
    known_split(split, names, CARD.title)
    path = find_file(root, ["data.json"], CARD.title)
    wanted = names if split == "all" else {split: names[split]}

    def make(item: tuple[str, int, Any, str]) -> Sample:
        part, number, record, name = item
        where = f"{part}-{name}-{number}"
        return _sample(Row(as_record(record, where), where, name), part, Path(root))

    rows = _read(path, wanted, (parts,) if isinstance(parts, str) else tuple(parts))
    return collect(rows, make, name=f"{CARD.title} {split}", report=report, absent=absent)


def _read(path: Path, wanted: Mapping[str, str], parts: tuple[str, ...]) -> Iterator[tuple[str, int, Any, str]]:
    """Give the records of some parts and splits: part, place, record, split."""
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise SampleError(f"{path}: expected a JSON object of parts, found no valid JSON: {error}") from None
    if not isinstance(data, dict) or not all(isinstance(value, dict) for value in data.values()):
        raise SampleError(f"{path}: expected a JSON object of parts, each an object of splits")
    for part in parts:
        one_of("part", part, data)
    for part in parts or data:
        for split, name in wanted.items():
            records = data[part].get(name) or []
            if not isinstance(records, list):
                raise SampleError(f"{path}: {part} {name}: expected a list, found {type(records).__name__}")
            for number, record in enumerate(records):
                yield part, number, record, split


def _sample(row: Row, part: str, root: Path) -> Sample:
    """Make a sample of one record."""
    image = row.need("img")
    options, _ = without_letters(row.texts("options"))
    answer = row.need("answer")
    lettered = LETTERED.match(answer)
    if lettered and answer not in options:
        answer = lettered[2].strip()
    return Sample(
        id=row.where,
        images=(_image(row, root, image),),
        question=row.need("question"),
        answer=choice_answer(answer, options, row.where),
        kind="choice",
        options=options,
        group=row.text("source_img") or image,
        split=row.split,
        categories={"part": part},
        rationale=row.text("explanation"),
        extra=row.fields,
    )


def _image(row: Row, root: Path, name: str) -> ImageRef:
    """Return the picture under its own name, or under that of its source if only that is there."""
    own = row.image(root / "images", name)
    source = row.text("source_img")
    if is_there(own.path) or not source:
        return own
    other = row.image(root, source)
    return other if is_there(other.path) else own


CARD = SetCard(
    name="path_mmu",
    title="PathMMU",
    paper="Sun et al. 2024, arXiv 2401.16355",
    licence="CC BY-ND 4.0; ARCH pictures CC BY-NC-SA 4.0",
    access="gated",
    source="huggingface.co/datasets/jamessyx/PathMMU; Atlas pictures: ARCH books_set.zip",
    kinds=("choice",),
    load=load_path_mmu,
    note="validate and test: Atlas 80 and 799, EduContent 146 and 1,683; counts of the other parts are not certain",
)
