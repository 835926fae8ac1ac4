"""Does a model decline what it must not answer: questions of the set, shown pictures that have nothing to do with them.

A picture can be refused twice: by the input checks, which know which modalities and shapes the model's intensity
recipes fit, and by the model in words.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean
from typing import Literal

from medvlm.evaluation.parser import answer_text
from medvlm.evaluation.probes.pictures import write_pictures
from medvlm.evaluation.probes.probe import Derived, Probe, Setting, ranked, without_rows
from medvlm.evaluation.probes.refusals import declines
from medvlm.evaluation.probes.rewriting import negate
from medvlm.evaluation.records import Record
from medvlm.evaluation.sections.section import Cell, Section
from medvlm.evaluation.statistics import mean_interval
from medvlm.evaluation.text import clean, polarity
from medvlm.study import ImageRef, Sample

NAME = "refusal"
QUESTIONS = 50
"""Questions put to each picture."""
_ANOTHER = "another part of the body"
_TITLE = "Refusal: questions of the set, shown what they cannot be answered from"
_ABOUT = (
    "Share refused of pictures that are not medical, of another modality or of another part of the body (higher is "
    "better), by the input checks or in words (English and Chinese phrases; a cautious finding is no refusal), and "
    "share answered as if nothing were wrong (lower is better). On the set's own images, in the last row, refusing is "
    "the fault: there lower is better. Confidence is the mean probability a token of what was answered."
)
_COLUMNS = ("shown", "refused", "by check", "in words", "answered", "no answer", "confidence", "n")
_CHECKS = ("RecipeMismatch:", "ImageError:", "GeometryError:")
_OWN = "the set's own images"
_ABOUT_IMAGE = re.compile(
    r"\b(?:imag\w*|pictures?|films?|planes?|planar|views?|modalit\w*|scans?|sections?|slices?|studys?|studies|cts?|mris?"
    r"|mr|x[- ]?rays?|cxr|radiographs?|photo\w*|weighted|contrast|normal|abnormal\w*|healthy|organs?|stains?|axial"
    r"|coronal|sagg?ittal|any\s?thing|plain)\b|图|影像|模态|扫描|切面|平面|加权|器官|正常|异常|健康",
    re.IGNORECASE,
)
_PLACE = re.compile(r"\bwhere\b|\b(?:which|what) (?:side|zone|part|lobe|lung|disease)\b|哪|何处|何位置", re.IGNORECASE)
_PARTS = {"chest": r"chest|lung|heart|mediastin|thora", "head": r"head|brain|skull", "abdomen": r"abd"}
_AWAY = {"chest": "head", "abdomen": "head", "head": "chest"}
Outcome = Literal["by the input check", "in words", "answered", "no answer"]


def _derive(samples: Sequence[Sample], setting: Setting) -> Derived:
    fit = [sample for sample in samples if sample.images and _needs_its_image(sample)]
    distinct: dict[tuple[str, tuple[str, ...]], Sample] = {}
    for sample in ranked(fit, setting.seed):
        distinct.setdefault((clean(sample.question).casefold(), sample.options), sample)
    if not distinct:
        return Derived((), ("nothing to ask: no question of the set is about what only its own images can show",))
    chosen = list(distinct.values())[: min(QUESTIONS, setting.most)]
    pictures = write_pictures(setting.folder / f"probe-{NAME}", chest=setting.chest, seed=setting.seed)
    made = [_shown(sample, name, (ImageRef(path),)) for name, path in pictures.items() for sample in chosen]
    elsewhere = _elsewhere(samples, chosen)
    notes = [f"{len(chosen)} questions a picture, each text once, drawn by their ids from {len(fit)}; questions about "
             "the image itself (modality, plane, normal or not) are left out: a picture may answer them"]  # fmt: skip
    if not elsewhere:
        notes.append(f"{_ANOTHER}: not asked, the set does not say of two distant parts which image shows which")
    return Derived((*made, *elsewhere), tuple(notes))


def _needs_its_image(sample: Sample) -> bool:
    """Whether a question is about a finding or a place that its own images alone can show."""
    if sample.kind == "report":
        return True
    if _ABOUT_IMAGE.search(sample.question):
        return False
    if sample.kind == "closed":
        return bool(polarity(sample.answer) and negate(sample.question).text)
    return sample.kind == "choice" or (sample.kind == "open" and bool(_PLACE.search(sample.question)))


def _shown(sample: Sample, picture: str, images: tuple[ImageRef, ...]) -> Sample:
    return replace(
        sample,
        id=f"{sample.id}#{NAME}/{picture}",
        images=images,
        categories={**sample.categories, "picture": picture, "of": sample.id},
        rationale="",
        weak_answer=None,
        extra={},
    )


def _part(sample: Sample) -> str | None:
    """The part of the body that a sample says it shows; None where it names none, or several."""
    said = sample.categories.get("organ") or sample.categories.get("location") or ""
    found = [part for part, words in _PARTS.items() if re.search(words, said, re.IGNORECASE)]
    return found[0] if len(found) == 1 else None


def _elsewhere(samples: Sequence[Sample], chosen: Sequence[Sample]) -> list[Sample]:
    """The questions with an image of a distant part of the body, where the set has one."""
    images: dict[str, list[tuple[ImageRef, ...]]] = {}
    for sample in sorted(samples, key=lambda sample: sample.id):
        if (part := _part(sample)) and len(sample.images) == 1 and sample.images not in images.setdefault(part, []):
            images[part].append(sample.images)
    made = []
    for place, sample in enumerate(chosen):
        others = images.get(_AWAY.get(_part(sample) or "", ""), [])
        if others and sample.kind != "report":
            made.append(_shown(sample, _ANOTHER, others[place % len(others)]))
    return made


def outcome(record: Record) -> Outcome:
    """What became of a question that was shown a wrong picture.

    Args:
        record: Its record.
    """
    if record.error:
        return "by the input check" if record.error.startswith(_CHECKS) else "no answer"
    said = answer_text(record.text)
    if not said:
        return "no answer"
    letter = record.value if record.kind == "choice" else None
    option = record.options[ord(letter) - ord("A")] if letter else ""
    return "in words" if declines(option or said, record.kind) else "answered"


def _section(records: Sequence[Record], probed: Sequence[Record], notes: Sequence[str], seed: int) -> Section:
    if not probed:
        return without_rows(NAME, _TITLE, _ABOUT, _COLUMNS, notes)
    own = {record.id: record for record in records}
    pictures: dict[str, list[Record]] = {}
    for record in probed:
        pictures.setdefault(record.categories["picture"], []).append(record)
    used = list({record.categories["of"]: own[record.categories["of"]] for record in probed}.values())
    clusters = {record.id: own[record.categories["of"]].cluster for record in probed}
    clusters |= {record.id: record.cluster for record in used}
    parts = {**pictures, "all of these": list(probed), _OWN: used}
    rows = tuple(_row(name, part, clusters, seed) for name, part in parts.items())
    unread = sum(bool(record.error) and not record.error.startswith(_CHECKS) for record in probed)
    more = (f"{unread} could not be shown for another reason than the input checks",) if unread else ()
    return Section(NAME, _TITLE, _ABOUT, _COLUMNS, rows, notes=(*notes, *more))


def _row(name: str, part: Sequence[Record], clusters: dict[str, str], seed: int) -> tuple[Cell, ...]:
    outcomes = [outcome(record) for record in part]
    counts = Counter(outcomes)
    refused = [float(one in ("by the input check", "in words")) for one in outcomes]
    sure = [
        record.confidence
        for record, one in zip(part, outcomes, strict=True)
        if one == "answered" and record.confidence is not None
    ]
    shares = (counts[one] / len(part) for one in ("by the input check", "in words", "answered", "no answer"))
    value = mean_interval(refused, [clusters[record.id] for record in part], seed=seed)
    return (name, value, *shares, fmean(sure) if sure else None, len(part))


PROBE = Probe(
    NAME,
    "questions shown pictures that are not medical or of another kind: are they refused?",
    1,
    _derive,
    _section,
    in_words=True,
)
