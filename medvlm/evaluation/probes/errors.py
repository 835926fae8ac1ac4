"""Does a model notice an error in a report, and can it say where and what is right: MEDEC's and MedRECT's question.

Of the reports of the set that can be made wrong, half are shown as they are and half with one wrong sentence (a side
swapped, a size changed, a finding denied or put in), with their images.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from random import Random

from medvlm.evaluation.parser import answer_text
from medvlm.evaluation.probes.planting import Planted, plant, sentences_of
from medvlm.evaluation.probes.probe import Derived, Probe, Setting, ranked, without_rows
from medvlm.evaluation.probes.verdicts import Verdict, read_verdict, score_verdicts
from medvlm.evaluation.records import Record
from medvlm.evaluation.sections.section import Cell, Section
from medvlm.evaluation.statistics import mean_interval
from medvlm.study import Sample

NAME = "errors"
LONGEST = 4000
"""Characters of a report; longer ones are left out."""
_TITLE = "Errors in reports: noticed, found and corrected"
_ABOUT = (
    "Half of the reports are the set's own, half have one wrong sentence (rule-based: side, size, a finding denied or "
    "put in), shown with their images: is there an error, in which sentence, and how should it read (the form of "
    "MEDEC, arXiv 2412.19260, and MedRECT, arXiv 2511.00421). Always saying none gives detection "
    "accuracy 0.5, sensitivity 0 and specificity 1 where the halves are even."
)
_COLUMNS = ("score", "value", "n")
_QUESTION = (
    "The sentences of this report are numbered, and one may be wrong. If none is, answer none; else answer with the "
    "number of the wrong sentence, then with the corrected sentence.\n"
)
_INSTRUCTION = "Answer none, or the number and the corrected sentence."


def _derive(samples: Sequence[Sample], setting: Setting) -> Derived:
    reports = [sample for sample in samples if sample.kind == "report" and sample.answer.strip()]
    if not reports:
        return Derived((), ("nothing to ask: the set has no reports",))
    left: Counter[str] = Counter()
    made: list[Sample] = []
    kinds: Counter[str] = Counter()
    seen = set()
    for sample in ranked(reports, setting.seed):
        if len(made) == setting.most:
            break
        sentences = sentences_of(sample.answer)
        if (key := (sample.images, tuple(sentences))) in seen:
            continue
        seen.add(key)
        if len(sample.answer) > LONGEST:
            left[f"longer than {LONGEST} characters"] += 1
            continue
        planted = plant(sentences, Random(f"{setting.seed}/{sample.id}"))
        if planted is None:
            left["no English sentence on a finding of the chest that can be made wrong"] += 1
            continue
        wrong = planted if len(made) % 2 == 0 else None
        kinds["right" if wrong is None else wrong.kind] += 1
        made.append(_asked(sample, sentences, wrong))
    counts = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    notes = [f"{len(made)} reports are shown ({counts})" if made else "nothing to ask: no report can be made wrong"]
    notes += [f"{count} of {len(reports)} reports left out: {why}" for why, count in left.items()]
    return Derived(tuple(sorted(made, key=lambda sample: sample.id)), tuple(notes))


def _asked(sample: Sample, sentences: Sequence[str], planted: Planted | None) -> Sample:
    shown = list(sentences)
    if planted is not None:
        shown[planted.place] = planted.wrong
    return replace(
        sample,
        id=f"{sample.id}#{NAME}",
        question=_QUESTION + "\n".join(f"{number} {text}" for number, text in enumerate(shown)),
        answer="none" if planted is None else f"{planted.place} {sentences[planted.place]}",
        kind="open",
        categories={"error": "", "wrong": ""} if planted is None else {"error": planted.kind, "wrong": planted.wrong},
        rationale="",
        weak_answer=None,
        extra={},
    )


def _section(records: Sequence[Record], probed: Sequence[Record], notes: Sequence[str], seed: int) -> Section:
    if not probed:
        return without_rows(NAME, _TITLE, _ABOUT, _COLUMNS, notes)
    wanted = [_truth(record) for record in probed]
    given = [read_verdict(answer_text(record.text)) for record in probed]
    clusters = [record.cluster for record in probed]
    wrong = [record.categories["wrong"] for record in probed]
    scores = score_verdicts(wanted, given, clusters, wrong=wrong, seed=seed)
    rows: list[tuple[Cell, ...]] = [(score.name, score.value, score.n) for score in scores]
    for kind in sorted({record.categories["error"] for record in probed} - {""}):
        part = [place for place, record in enumerate(probed) if record.categories["error"] == kind]
        found = [float(given[place].flag is True) for place in part]
        value = mean_interval(found, [clusters[place] for place in part], seed=seed)
        rows.append((f"sensitivity: {kind}", value, len(part)))
    return Section(NAME, _TITLE, _ABOUT, _COLUMNS, tuple(rows), notes=tuple(notes))


def _truth(record: Record) -> Verdict:
    place, _, correction = record.reference.partition(" ")
    return Verdict(True, int(place), correction) if record.categories["error"] else Verdict(False)


PROBE = Probe(
    NAME,
    "reports, half with one wrong sentence: is it noticed, found and corrected?",
    1,
    _derive,
    _section,
    max_new_tokens=128,
    instructions={"open": _INSTRUCTION},
    in_words=True,
)
