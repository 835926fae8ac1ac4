"""The report of a study from the model's answers, and what it depends on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Literal

from medvlm.answer import Answer, Box, Provenance
from medvlm.identity import DISCLAIMER
from medvlm.predictor import Predictor
from medvlm.reporting.findings import merge, named_beside, said_of
from medvlm.reporting.questions import BOX, CHANGE, CHANGES, PRESENCE, REPORT, earlier, finding_of, sections
from medvlm.reporting.reader import Compared, Ready
from medvlm.reporting.report import SCHEMA, Finding, Instance, Origin, Presence, Sentence, Skipped, StudyReport, Used
from medvlm.reporting.templates import template_of
from medvlm.sentences import split_sentences
from medvlm.study import Repair

NO_PRIOR = "None was given."
_PRESENCE: dict[str | None, Presence] = {"yes": "present", "no": "absent", None: "unread"}


def run_key(
    predictor: Predictor, repair: Repair, max_new_tokens: int | None = None, min_confidence: float = 0.0
) -> str:
    """What a report depends on besides its study; another key means that it is written again.

    Args:
        predictor: Weights, recipes and prompts.
        repair: See ``write_reports``.
        max_new_tokens: See ``write_reports``.
        min_confidence: See `make_report`.
    """
    from medvlm.generation.prompts import prompt_hash

    parts = [
        SCHEMA,
        predictor.identity.weights,
        predictor.identity.reasoning,
        prompt_hash(),
        predictor.processor.image_processor.to_dict(),
        REPORT,
        PRESENCE,
        CHANGE,
        CHANGES,
        BOX if "box" in predictor.identity.kinds else None,
        repair,
        max_new_tokens,
        min_confidence,
        asdict(predictor.identity.accepts),
        predictor.identity.reads,
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def make_report(
    ready: Ready, answers: Sequence[Answer], key: str, created: str, *, min_confidence: float = 0.0
) -> StudyReport:
    """The report of one study.

    Args:
        ready: What was shown.
        answers: Those to `Ready.ask`.
        key: Of the run.
        created: When the run began.
        min_confidence: Below this confidence of its text the report abstains: text and findings are withheld, and the
            reason is said. Studies that a model does not take are no reports at all (`read_study`): that is known
            before the model is asked, and nothing of it belongs into an archive.
    """
    report = answers[0]
    presence, places, changes = (_by_finding(answers, kind) for kind in ("closed", "box", "choice"))
    found = [_finding(name, answer, places.get(name)) for name, answer in presence.items()]
    changed = dict(_changed(found, changes))
    texts = {"technique": technique(ready), "comparison": " ".join([comparison(ready), *changed])} | dict(
        zip(("findings", "impression"), sections(report.text), strict=True)
    )
    if abstained := _doubt(report, min_confidence):
        texts, found = {"technique": technique(ready), "comparison": comparison(ready)}, []
    sentences = tuple(_sentences(texts, report, changed))
    named = () if abstained else named_beside(presence, sentences)
    return StudyReport(
        study=ready.study.id,
        run=key,
        stamp=ready.study.stamp,
        created=created,
        sections={name: text for name, text in texts.items() if text},
        sentences=sentences,
        findings=(*(merge(one, said_of(one.name, sentences)) for one in found), *named),
        images=tuple(_used(ready, report.provenance)),
        origin=_origin(report.provenance),
        skipped=tuple(Skipped(what, reason) for what, reason in ready.skipped),
        abstained=abstained,
        complete=report.finished,
        confidence=round(report.confidence, 4),
        disclaimer=DISCLAIMER,
    )


def _doubt(report: Answer, least: float) -> str:
    """Why the text is withheld; empty where it is not."""
    if report.confidence >= least:
        return ""
    return f"the model's confidence in its text is {report.confidence:.2f}, below the {least:.2f} that was asked for"


def comparison(ready: Ready) -> str:
    """With what the study is compared: days between, for dates are the patient's.

    Args:
        ready: What was shown.
    """
    if ready.priors:
        return f"Compared with {' and '.join(earlier(one.days) for one in ready.priors)}."
    if not ready.study.priors:
        return NO_PRIOR
    found = " and ".join(earlier(one.days) for one in ready.study.priors)
    return f"{found[0].upper()}{found[1:]}: not shown to the model."


def _by_finding(answers: Sequence[Answer], kind: str) -> dict[str, Answer]:
    """Answers of one form by the finding they are about; they may be none."""
    return {finding_of(one.question): one for one in answers if one.kind == kind}


def _changed(found: Sequence[Finding], changes: Mapping[str, Answer]) -> Iterator[tuple[str, float]]:
    """A sentence for each finding that is there, or is there no more, with the probability of its answer."""
    for finding in found:
        change = changes.get(finding.name)
        if change and change.option and (finding.presence == "present" or change.option == "resolved"):
            yield f"{finding.name.capitalize()}: {change.option}.", change.confidence


def technique(ready: Ready) -> str:
    """What was looked at, from the headers alone: modality, view or number of slices, and how it was prepared.

    Args:
        ready: What was shown.
    """
    what = ready.chosen.name if ready.study.kind == "dicom" else f"{ready.study.kind} without a DICOM header"
    title = template_of(ready.chosen).title
    notes = "".join(f" {note[0].upper()}{note[1:]}." for note in ready.shown.notes)
    return f"{title}. {what[0].upper()}{what[1:]}.{notes}".removeprefix(". ")


def _sentences(texts: Mapping[str, str], report: Answer, changed: Mapping[str, float]) -> Iterator[Sentence]:
    """Each sentence of each section; those that the model wrote with the probability of their own tokens."""
    written = iter(report.sentences)
    for section, text in texts.items():
        for part in split_sentences(text):
            own = section in ("findings", "impression")
            match = next((one for one in written if one[0].endswith(part)), None) if own else None
            confidence = match[1] if match else changed.get(part) if section == "comparison" else None
            yield Sentence(section, part, None if confidence is None else round(confidence, 4))


def _finding(name: str, answer: Answer, place: Answer | None) -> Finding:
    presence = _PRESENCE.get(answer.parsed, "unread")
    boxes = place.boxes if place and presence == "present" else ()  # models put a box where nothing is, too
    return Finding(
        name=name,
        presence=presence,
        certainty=round(answer.confidence, 4),
        box=_box(boxes[0]) if boxes else None,
        question=answer.question,
        answer=answer.text,
    )


def _box(edges: Box) -> Box | None:
    """A box as reports hold it; None for one without an area inside the image."""
    x0, y0, x1, y1 = (round(min(max(edge, 0.0), 1.0), 4) for edge in edges)
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


def _used(ready: Ready, origin: Provenance) -> Iterator[Used]:
    """The study first, then its priors; the model was shown them the other way round."""
    *earlier_ones, last = origin.images
    yield _image(ready, last, "current")
    for prior, image in zip(ready.priors, earlier_ones, strict=True):
        yield _image(prior, image, "prior")


def _image(one: Ready | Compared, image: Mapping[str, str], role: Literal["current", "prior"]) -> Used:
    entries, first = one.chosen.entries, one.chosen.entries[0]
    return Used(
        what=one.chosen.name if one.study.kind == "dicom" else one.study.kind,
        role=role,
        modality=first.modality,
        study_uid=one.study.uid,
        series_uid=first.series,
        instances=tuple(Instance(entry.sop_class, entry.instance) for entry in entries if entry.instance),
        key=len(entries) // 2 if one.chosen.volume else 0,
        recipe=image["recipe"],
        source=image["source"],
    )


def _origin(origin: Provenance) -> Origin:
    return Origin(
        model=origin.model,
        weights=origin.weights,
        prompt=origin.prompt,
        decoding=origin.decoding,
        version=origin.version,
        notes=origin.notes,
        warnings=origin.warnings,
    )
