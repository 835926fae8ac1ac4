"""Pairs of a set by corruption: chosen is the reference report, rejected the same report made wrong in one respect.

Every pair is decided by the seed, the sample and the name of the corruption alone, so that the order of the set and of
the corruptions changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from random import Random
from typing import get_args

from medvlm.generation.prompts import reference_text
from medvlm.preferences.corrupt import CORRUPTIONS, Corruption, stated
from medvlm.preferences.pairs import Pair
from medvlm.preferences.rationale import follow
from medvlm.study import Sample, SampleError

TRIES = 50
"""Reports of others that are looked at for one with other findings."""
ALL: tuple[Corruption, ...] = get_args(Corruption)


def corrupted_pairs(
    samples: Sequence[Sample],
    how: Sequence[Corruption] = ALL,
    *,
    reasoning: bool = False,
    each: int = 1,
    seed: int = 0,
) -> list[Pair]:
    """Pairs of the reports of a set.

    Args:
        samples: Those that are no reports are passed over.
        how: Corruptions by name; which of them a report gets is drawn among those that fit it.
        reasoning: Whether answers carry their rationale between tags.
        each: Most pairs of a report, each by another corruption.
        seed: Decides every draw.

    Raises:
        SampleError: If a corruption is unknown, no sample is a report, or none could be made wrong.
    """
    if unknown := sorted(set(how) - set(ALL)):
        raise SampleError(f"Unknown corruption(s) {', '.join(unknown)}; there are {', '.join(ALL)}.")
    reports = [sample for sample in samples if sample.kind == "report"]
    if not reports:
        raise SampleError(
            f"None of the {len(samples)} samples is a report; corruptions need reports (data.options.kinds: [report])."
        )
    pairs = [pair for sample in reports for pair in _of(sample, reports, how, reasoning, each, seed)]
    if not pairs:
        raise SampleError(f"None of the {len(reports)} reports could be made wrong by {', '.join(how)}.")
    return pairs


def _of(
    sample: Sample, reports: Sequence[Sample], how: Sequence[Corruption], reasoning: bool, each: int, seed: int
) -> Iterator[Pair]:
    """Pairs of one report, at most so many, in the order that the seed gives the corruptions."""
    order = sorted(how, key=lambda name: Random(f"{seed}/{sample.id}/{name}").random())
    chosen, made = reference_text(sample, reasoning=reasoning), 0
    for name in order:
        wrong = _wrong(sample, name, reports, Random(f"{seed}/{name}/{sample.id}"))
        if made == each or wrong is None:
            continue
        made += 1
        yield Pair(sample.id, chosen, reference_text(wrong, reasoning=reasoning), name)


def _wrong(sample: Sample, name: Corruption, reports: Sequence[Sample], rng: Random) -> Sample | None:
    """The sample with a wrong report, and a rationale that goes with it; None if the corruption does not fit."""
    if name == "other":
        found = stated(sample.answer)
        for _ in range(TRIES):
            other = rng.choice(reports)
            if other.group != sample.group and stated(other.answer) != found:  # the same in other words is no error
                return replace(sample, answer=other.answer, rationale=other.rationale)
        return None
    text = CORRUPTIONS[name](sample.answer, rng)
    if text is None or text.split() == sample.answer.split():
        return None
    return replace(sample, answer=text, rationale=follow(sample.rationale, name, sample.answer, text))
