"""What a probe is: further questions made from those of a set, and a table of how they were answered."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from medvlm.evaluation.records import Record
from medvlm.evaluation.sections.section import Cell, Section
from medvlm.study import AnswerKind, Sample


@dataclass(frozen=True, slots=True)
class Setting:
    """What further questions are drawn from beside the set.

    Attributes:
        folder: Where a probe may write pictures of its own.
        chest: Whether the set is of the chest, so that tissue is what must be refused; else a radiograph is.
        seed: Seed of every draw.
        most: Most questions of the set that a probe takes; a lower number takes some of the same.
    """

    folder: Path
    chest: bool = True
    seed: int = 0
    most: int = 500


@dataclass(frozen=True, slots=True)
class Derived:
    """The questions of a probe.

    Attributes:
        samples: What is asked, with ids of their own; empty where the set has nothing to ask about.
        notes: What was left out, how much of it and why.
    """

    samples: tuple[Sample, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Probe:
    """Further questions and what is made of the answers.

    Attributes:
        name: One word; its records are ``probe-NAME.jsonl``.
        about: What it asks, in a sentence.
        version: Raised with every change that can change a score.
        derive: From the set, its questions; the same for the same samples in any order.
        section: From the set's records, the probe's, the notes of what was derived, and a seed, its table.
        max_new_tokens: Length of the longest answer that it needs, if that is more than the set's.
        instructions: What follows its questions, by kind, where that is not what follows the set's.
        in_words: Whether only an answer in words can be right, so that it is asked greedily where the set was answered
            by likelihoods or votes.
    """

    name: str
    about: str
    version: int
    derive: Callable[[Sequence[Sample], Setting], Derived]
    section: Callable[[Sequence[Record], Sequence[Record], Sequence[str], int], Section]
    max_new_tokens: int = 0
    instructions: Mapping[AnswerKind, str] = field(default_factory=dict)
    in_words: bool = False


def ranked(samples: Sequence[Sample], seed: int) -> list[Sample]:
    """The samples in an order that depends on their ids and the seed only, so that the first few are a fair draw.

    Args:
        samples: Samples in any order.
        seed: Another seed gives another order.
    """
    return sorted(samples, key=lambda sample: (hashlib.sha256(f"{seed}/{sample.id}".encode()).digest(), sample.id))


def without_rows(name: str, title: str, about: str, columns: Sequence[str], notes: Sequence[str]) -> Section:
    """The section of a probe that had nothing to ask; its notes say why.

    Args:
        name: Name of the section.
        title: What is written over it.
        about: How it would be computed.
        columns: Those of its table.
        notes: Why there is nothing.
    """
    rows: tuple[tuple[Cell, ...], ...] = ()
    return Section(name, title, about, tuple(columns), rows, notes=tuple(notes))
