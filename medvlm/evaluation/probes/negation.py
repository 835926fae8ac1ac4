"""Does a model read "no": every yes/no question that can be rewritten safely is asked again with the opposite truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from medvlm.evaluation.probes.probe import Derived, Probe, Setting, ranked, without_rows
from medvlm.evaluation.probes.rewriting import negate
from medvlm.evaluation.records import Record
from medvlm.evaluation.sections.section import Cell, Section
from medvlm.evaluation.statistics import Interval, mean_interval, paired_difference
from medvlm.evaluation.text import polarity
from medvlm.study import Sample

NAME = "negation"
_TITLE = "Negation: the same question with the opposite truth"
_ABOUT = (
    'Minimal pairs: "Is there an effusion?" and "Is there no effusion?", truth flipped, both read literally. An '
    "answerer that ignores the negation says the same to both (contradiction 1, lower is better); a coin gets 0.25 of "
    "the pairs right and contradicts itself in half."
)
_COLUMNS = ("of the pairs", "value", "n")
_OPPOSITE = {"yes": "no", "no": "yes"}
_ENDING = "#negation"


def _derive(samples: Sequence[Sample], setting: Setting) -> Derived:
    asked = [sample for sample in samples if sample.kind == "closed" and polarity(sample.answer)]
    if not asked:
        return Derived((), ("nothing to ask: the set has no question whose answer is yes or no",))
    found = {sample.id: negate(sample.question) for sample in asked}
    made = [sample for sample in asked if found[sample.id].text]
    notes = [
        f"{len(made)} of {len(asked)} yes/no questions can be rewritten"
        + _left(Counter(found[sample.id].why for sample in asked if not found[sample.id].text))
    ]
    kept = {sample.id for sample in ranked(made, setting.seed)[: setting.most]}
    if len(kept) < len(made):
        notes.append(f"{len(kept)} of them, drawn by their ids, are asked")
    if not made:
        notes.insert(0, "nothing to ask: no question can be rewritten safely")
    return Derived(tuple(_negated(sample, found[sample.id].text) for sample in made if sample.id in kept), tuple(notes))


def _left(reasons: Counter[str]) -> str:
    """What was left out and why, the most frequent first."""
    return "; left out: " + ", ".join(f"{count} ({why})" for why, count in reasons.most_common()) if reasons else ""


def _negated(sample: Sample, question: str) -> Sample:
    return replace(
        sample,
        id=f"{sample.id}{_ENDING}",
        question=question,
        answer=_OPPOSITE[polarity(sample.answer) or ""],
        rationale="",
        weak_answer=None,
        extra={},
    )


def _section(records: Sequence[Record], probed: Sequence[Record], notes: Sequence[str], seed: int) -> Section:
    plain = {record.id: record for record in records}
    pairs = [(plain[record.id.removesuffix(_ENDING)], record) for record in probed]
    if not pairs:
        return without_rows(NAME, _TITLE, _ABOUT, _COLUMNS, notes)
    clusters = [first.cluster for first, _ in pairs]

    def share(of: Callable[[Record, Record], bool]) -> Interval:
        return mean_interval([float(of(*pair)) for pair in pairs], clusters, seed=seed)

    right = [[float(bool(record.correct)) for record in side] for side in zip(*pairs, strict=True)]
    rows: list[tuple[str, Cell]] = [
        ("both right", share(lambda first, second: bool(first.correct and second.correct))),
        ("contradiction: the same answer to both (lower is better)", share(_same)),
        ("accuracy as the set asks", share(lambda first, _: bool(first.correct))),
        ("accuracy of the opposite question", share(lambda _, second: bool(second.correct))),
        ("  as the set asks - opposite, paired", paired_difference(right[0], right[1], clusters, seed=seed)),
        ("no yes or no to one of them", share(lambda first, second: not (_said(first) and _said(second)))),
    ]
    truths = Counter(polarity(first.reference) for first, _ in pairs)
    if len(truths) == 1:
        notes = (*notes, f"as the set asks them, all are answered {next(iter(truths))}")
    return Section(NAME, _TITLE, _ABOUT, _COLUMNS, tuple((*row, len(pairs)) for row in rows), notes=tuple(notes))


def _said(record: Record) -> str | None:
    return polarity(record.value or "")


def _same(first: Record, second: Record) -> bool:
    return _said(first) is not None and _said(first) == _said(second)


PROBE = Probe(NAME, 'each yes/no question again with the opposite truth: is "no" read?', 1, _derive, _section)
