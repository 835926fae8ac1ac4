"""What a set is, who may have it and how many records its release holds: one card a set, beside its loader."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from medvlm.study import AnswerKind, Sample, SampleError

from .records import LoadReport

Access = Literal["open", "registration", "credentialed", "gated", "withdrawn"]


@dataclass(frozen=True, slots=True)
class SetCard:
    """The facts about one set.

    Attributes:
        name: Key of the set in ``SETS``.
        title: Its name as its authors write it.
        paper: Authors and year, with an arXiv number or a DOI where there is one.
        licence: Under what terms it is released, as its source states them.
        access: ``open`` (a download), ``registration`` (a form), ``credentialed`` (training and a signed agreement),
            ``gated`` (terms accepted on the hosting site) or ``withdrawn`` (no longer given out).
        source: Where to get it.
        kinds: The kinds of answer that its samples may have.
        load: The loader: ``(root, split, *, report, absent, ...)``.
        counts: Records of each split in the release, as the loader reads it without options; a split whose count is
            not published or not certain is left out.
        note: What a user must know before using it (shared images, disputed licence); empty if nothing.
    """

    name: str
    title: str
    paper: str
    licence: str
    access: Access
    source: str
    kinds: tuple[AnswerKind, ...]
    load: Callable[..., Iterator[Sample]]
    counts: Mapping[str, int] = field(default_factory=dict)
    note: str = ""

    def expected(self, split: str) -> int | None:
        """Return how many records the release holds in a split; of ``all``, the sum; None where it is not known."""
        return sum(self.counts.values()) or None if split == "all" else self.counts.get(split)


def check_counts(
    samples: Iterator[Sample], card: SetCard, split: str, report: LoadReport, *, strict: bool = False
) -> Iterator[Sample]:
    """Pass samples on, and after the last one say whether as many records were read as the release holds.

    Args:
        samples: What the loader gives while it fills ``report``.
        card: The card of the set.
        split: The split that is read.
        report: The report of the loader; a count that differs is said in its ``notes``.
        strict: Whether a count that differs is an error.

    Raises:
        SampleError: If ``strict`` and the count differs.
    """
    before = report.records
    yield from samples
    found, expected = report.records - before, card.expected(split)
    if expected is None or found == expected:
        return
    text = f"{card.title}: {found:,} {split} records, the release has {expected:,}"
    report.notes.append(text)
    if strict:
        raise SampleError(f"{text}; complete the download, or load without strict_counts")
