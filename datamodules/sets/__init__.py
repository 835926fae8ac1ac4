"""Sets of questions about images: each a function ``(root, split, **options)`` that gives samples and reads no pixels.

A set is one file with its loader and its ``CARD`` (licence, access, counts); ``SETS`` is built from the cards, and
``medvlm convert sets`` lists them.

Examples:
    >>> load_set("vqa-rad", ".", "test")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: set 'vqa-rad' is unknown; did you mean 'vqa_rad'? Known: vqa_rad, vqa_rad_hf, ...
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from medvlm.study import Sample

from . import (
    deeptumor,
    gmai,
    jsonl,
    llava_med,
    m3d_cap,
    m3d_vqa,
    medmcqa,
    medqa,
    medvlthinker,
    medxpert,
    omnimed,
    path_mmu,
    pathvqa,
    phantom,
    pmc_vqa,
    pubmedqa,
    quilt_vqa,
    radiology,
    rexvqa,
    shards,
    slake,
    temmed,
    vqa_rad,
    vqa_rad_hf,
)
from .cards import SetCard, check_counts
from .records import LoadReport, UnusableRecordError, check_options, one_of

__all__ = ["SETS", "LoadReport", "SetCard", "UnusableRecordError", "load_set"]

CARDS = (
    vqa_rad.CARD,
    vqa_rad_hf.CARD,
    slake.CARD,
    pathvqa.CARD,
    pmc_vqa.CARD,
    omnimed.CARD,
    medxpert.CARD_MM,
    medxpert.CARD_TEXT,
    gmai.CARD,
    quilt_vqa.CARD,
    path_mmu.CARD,
    llava_med.CARD,
    temmed.CARD,
    m3d_cap.CARD,
    m3d_vqa.CARD,
    deeptumor.CARD,
    medqa.CARD,
    medmcqa.CARD,
    pubmedqa.CARD,
    medvlthinker.CARD,
    rexvqa.CARD,
    *radiology.CARDS,
    jsonl.CARD,
    shards.CARD,
    phantom.THORAX,
    phantom.TISSUE,
)
SETS: dict[str, SetCard] = {card.name: card for card in CARDS}


def load_set(
    name: str, root: Path | str, split: str, *, strict_counts: bool = False, **options: Any
) -> Iterator[Sample]:
    """Give the samples of a set by its name.

    Args:
        name: A key of ``SETS``.
        root: Folder (or file) of the set.
        split: ``train``, ``validate``, ``test`` or ``all``.
        strict_counts: Whether a release with another number of records than its card says is an error after the last
            record; else it is said in ``report.notes``. Options that choose among records switch the count off.
        options: What the set takes; every set takes ``report`` and ``absent``.

    Raises:
        ValueError: If the set, the split or an option is unknown; the message names the nearest known one.
        FileNotFoundError: If the set is not at ``root``.
        SampleError: After the last record, if none was usable, or a count differs with ``strict_counts``.
    """
    card = SETS[one_of("set", name, SETS)]
    check_options(name, card.load, options, known=("strict_counts",))
    report = options.pop("report", None) or LoadReport()
    samples = card.load(root, split, report=report, **options)
    if set(options) - {"absent"}:
        return samples
    return check_counts(samples, card, split, report, strict=strict_counts)
