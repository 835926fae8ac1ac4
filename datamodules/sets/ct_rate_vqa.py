"""The questions of CT-RATE (Hamamci et al. 2024, made for CT-CHAT): conversations about its volumes; gated.

::

    dataset/vqa/{train,valid}_vqa.json        # a list of {id, image, conversations: [{from, value, type}, ...]}
    dataset/metadata/..., dataset/{train,valid}[_fixed]/...       # as for ct_rate

Each question of a conversation, with the answer after it, is one sample. Its form is in ``type``, else in a mark in
its text (``<long_answer>``, ``<short_answer>``, ``<multiple_choice>``, ``<report_generation>``), which is taken out
together with ``<image>``. Options are part of the text, so that a choice is an open question here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from medvlm.study import AnswerKind, ImageRef, Sample

from .cards import SetCard
from .ct_rate_tables import SPLITS, find_table, read_metadata, read_name, read_rescale, volume_path
from .polarity import yes_no
from .records import Absent, LoadReport, UnusableRecordError, collect
from .row import Row, known_split, rows_of
from .stream import read_items

TITLE = "CT-RATE VQA"
MARK = re.compile(r"<(image|long_answer|short_answer|multiple_choice|report_generation)>")
REPORT = "report_generation"

Item = tuple[Row, int, str, str]


def load_ct_rate_vqa(
    root: Path | str,
    split: str,
    *,
    report: LoadReport | None = None,
    absent: Absent = "keep",
) -> Iterator[Sample]:
    """Give the questions on the volumes of CT-RATE, in the order of the file.

    Args:
        root: Folder above ``dataset/``, or ``dataset/``.
        split: ``train``, ``validate`` or ``all``.
        report: Filled with what was read, kept and left out.
        absent: Whether samples whose volume is not there are given (``keep``) or left out (``skip``).

    Raises:
        FileNotFoundError: If the folder or a file is absent.
        ValueError: If the split is unknown.
    """
    known_split(split, SPLITS, TITLE)
    names = tuple(SPLITS) if split == "all" else (split,)
    paths = {name: find_table(root, f"vqa/{SPLITS[name][1]}_vqa.json") for name in names}
    tables = [find_table(root, f"metadata/{SPLITS[name][0]}_metadata.csv") for name in names]

    def samples() -> Iterator[Sample]:
        metadata = {key: row for table in tables for key, row in read_metadata(table).items()}

        def make(item: Item) -> Sample:
            return _sample(item, metadata, paths[item[0].split].parents[1])

        rows = rows_of(paths, read_items)
        yield from collect(_turns(rows), make, name=f"{TITLE} {split}", report=report, absent=absent)

    return samples()


def _turns(rows: Iterator[Row | UnusableRecordError]) -> Iterator[Item | UnusableRecordError]:
    """Give each question of each conversation with the answer after it."""
    for row in rows:
        turns = [] if isinstance(row, UnusableRecordError) else row.fields.get("conversations")
        if isinstance(row, UnusableRecordError):
            yield row
        elif not isinstance(turns, list) or len(turns) < 2 or not all(isinstance(turn, dict) for turn in turns):
            yield row.refuse("conversations: expected a list of questions and answers")
        else:
            for place, (asked, said) in enumerate(zip(turns[::2], turns[1::2], strict=False)):
                if asked.get("from") != "human" or said.get("from") != "gpt":
                    yield row.refuse("turns are not human and gpt in turn")
                    break
                named = row.named(f"{row.where}-{place}")
                asked_text, said_text = (Row(turn, named.where, row.split).text("value") for turn in (asked, said))
                yield (
                    Row({**row.fields, "type": asked.get("type")}, named.where, row.split),
                    place,
                    asked_text,
                    said_text,
                )


def _sample(item: Item, metadata: Mapping[str, Mapping[str, str]], folder: Path) -> Sample:
    """Make a sample of one question."""
    row, place, asked, said = item
    volume = read_name(row.need("image"), row.where)
    row = row.named(f"{row.split}-{row.text('id') or volume.name}-{row.where}")
    question = " ".join(MARK.sub(" ", asked).split())
    if not question or not said:
        raise row.refuse("no question" if not question else "no answer")
    found = metadata.get(volume.name)
    if found is None:
        raise row.refuse("no row in the metadata table")
    form = row.text("type") or next((mark for mark in MARK.findall(asked) if mark != "image"), "unknown")
    polarity = yes_no(said)
    kind: AnswerKind = "report" if form == REPORT else "closed" if polarity else "open"
    path = volume_path(folder, SPLITS[row.split][1], volume, row.where)
    extra: dict[str, Any] = {key: value for key, value in row.fields.items() if key != "conversations"}
    return Sample(
        id=row.where,
        images=(ImageRef(path, volume=True, rescale=read_rescale(found, row.where)),),
        question=question,
        answer=polarity if kind == "closed" and polarity else said,
        kind=kind,
        group=volume.patient,
        split=row.split,
        categories={"form": form},
        extra={**extra, "turn": place},
    )


CARD = SetCard(
    name="ct_rate_vqa",
    title=TITLE,
    paper="Hamamci et al. 2024, arXiv 2403.17834",
    licence="CC BY-NC-SA 4.0",
    access="gated",
    source="huggingface.co/datasets/ibrahimhamamci/CT-RATE (dataset/vqa)",
    kinds=("open", "closed", "report"),
    load=load_ct_rate_vqa,
    note="about 2.7 million questions; written after published users of the files, the files themselves were not seen",
)
