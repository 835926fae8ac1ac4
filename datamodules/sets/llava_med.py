"""LLaVA-Med (Li et al. 2023): instructions about figures of PubMed Central articles, for training.

::

    root/instruct/llava_med_instruct_60k_inline_mention.json    # also 10k, 60k, fig_captions; or in root itself
    root/alignment/llava_med_alignment_500k.json
    root/images/<id>.jpg                                        # fetched from the articles; many are gone

A record is a conversation; its key is misspelt ``conversatons`` in released files. ``<image>`` stands first or last in
the first turn. Each question with its answer is one sample: those of a conversation share the image, and a later one
may lean on an earlier one (``turns="first"`` leaves later ones out). The group is the article.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from medvlm.study import Sample

from .cards import SetCard
from .polarity import yes_no
from .records import Absent, LoadReport, UnusableRecordError, as_record, collect, find_file, one_of
from .row import Row, known_split
from .stream import read_items

FILES = {
    "60k_inline_mention": "instruct/llava_med_instruct_60k_inline_mention.json",
    "60k": "instruct/llava_med_instruct_60k.json",
    "10k": "instruct/llava_med_instruct_10k.json",
    "fig_captions": "instruct/llava_med_instruct_fig_captions.json",
    "alignment_500k": "alignment/llava_med_alignment_500k.json",
}
IMAGE = "<image>"


def load_llava_med(
    root: Path | str,
    split: str,
    *,
    part: str = "60k_inline_mention",
    turns: Literal["all", "first"] = "all",
    report: LoadReport | None = None,
    absent: Absent = "keep",
) -> Iterator[Sample]:
    """Give the questions of LLaVA-Med's conversations, in the order of the release.

    Args:
        root: Folder that holds ``instruct``, ``alignment`` and ``images``, or the files themselves.
        split: ``train`` or ``all``.
        part: ``60k_inline_mention``, ``60k``, ``10k``, ``fig_captions`` or ``alignment_500k``.
        turns: ``all`` questions of a conversation, or the ``first`` only.
        report: Filled with what was read, kept and left out; its records are questions.
        absent: Whether samples whose image file is not there are given (``keep``) or left out (``skip``).

    Raises:
        FileNotFoundError: If the folder or the file is absent.
        ValueError: If the split or an option is unknown.
    """
    known_split(split, ("train",), CARD.title)
    name = FILES[one_of("part", part, FILES)]
    one_of("turns", turns, ("all", "first"))
    path = find_file(root, [name, Path(name).name], CARD.title)

    def make(item: tuple[Row, str, str]) -> Sample:
        return _sample(*item, Path(root) / "images")

    return collect(_turns(path, turns), make, name=f"{CARD.title} {part}", report=report, absent=absent)


def _turns(path: Path, turns: str) -> Iterator[tuple[Row, str, str] | UnusableRecordError]:
    """Give the questions and answers of all conversations, each with its record."""
    for number, value in enumerate(read_items(path)):
        where = f"{path.name}[{number}]"
        try:
            row = Row(as_record(value, where), where, "train")
            row = row.named(row.text("id") or where)
            pairs = _pairs(row)
        except UnusableRecordError as error:
            yield error
            continue
        for place, (question, answer) in enumerate(pairs[: 1 if turns == "first" else None]):
            yield row.named(f"{row.where}-{place}"), question, answer


def _pairs(row: Row) -> list[tuple[str, str]]:
    """Read a conversation as questions and answers."""
    value: Any = row.fields.get("conversatons", row.fields.get("conversations"))
    if not isinstance(value, list) or not value:
        raise row.refuse("no conversation")
    said = [Row(as_record(turn, row.where), row.where, row.split) for turn in value]
    speakers = [turn.text("from") for turn in said]
    if len(said) % 2 or speakers != ["human", "gpt"] * (len(said) // 2):
        raise row.refuse("conversation does not change between human and gpt", ", ".join(speakers))
    texts = [turn.need("value") for turn in said]
    return list(zip(texts[::2], texts[1::2], strict=True))


def _sample(row: Row, question: str, answer: str, folder: Path) -> Sample:
    """Make a sample of one question."""
    image, text = row.need("image"), question.replace(IMAGE, "").strip()
    if not text:
        raise row.refuse("no question")
    domain = row.fields.get("domain")
    domains = sorted(name for name, true in domain.items() if true) if isinstance(domain, dict) else []
    polarity = yes_no(answer)
    return Sample(
        id=row.where,
        images=(row.image(folder, image),),
        question=text,
        answer=polarity or answer,
        kind="closed" if polarity else "open",
        group=image.partition("_")[0],
        split="train",
        categories={"domain": ", ".join(domains)},
        extra=row.fields,
    )


CARD = SetCard(
    name="llava_med",
    title="LLaVA-Med instruct",
    paper="Li et al. 2023, arXiv 2306.00890",
    licence="CC BY-NC 4.0; every figure has its article's licence",
    access="open",
    source="github.com/microsoft/LLaVA-Med (files and llava_med_image_urls.jsonl)",
    kinds=("open", "closed"),
    load=load_llava_med,
    note="written by a language model from captions; for training only. Many of the figures are gone",
)
