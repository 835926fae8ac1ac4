"""What the JSON of a study holds, and what it depends on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from medvlm.answer import Answer
from medvlm.identity import DISCLAIMER
from medvlm.predictor import Predictor
from medvlm.reporting.questions import PRESENCE, REPORT, sections
from medvlm.reporting.reader import Ready
from medvlm.reporting.records import SCHEMA
from medvlm.study import Repair


def run_key(predictor: Predictor, repair: Repair) -> str:
    """What a report depends on besides its study; another key means that it is written again.

    Args:
        predictor: Weights, recipes and prompts.
        repair: See ``write_reports``.
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
        repair,
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def make_record(ready: Ready, answers: Sequence[Answer], key: str) -> dict[str, Any]:
    """The JSON of one study.

    Args:
        ready: What was shown.
        answers: The report, then one answer for each finding.
        key: Of the run.
    """
    report, *presence = answers
    findings, impression = sections(report.text)
    return {
        "schema": SCHEMA,
        "study": ready.study.id,
        "run": key,
        "stamp": ready.study.stamp,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "status": "preliminary, unverified",
        "disclaimer": DISCLAIMER,
        "findings": findings,
        "impression": impression,
        "complete": report.finished,
        "confidence": round(report.confidence, 4),
        "presence": [_brief(name, answer) for name, answer in zip(PRESENCE, presence, strict=True)],
        "image": _image(ready),
        "skipped": [{"what": what, "reason": reason} for what, reason in ready.skipped],
        "provenance": asdict(report.provenance),
    }


def _brief(name: str, answer: Answer) -> dict[str, Any]:
    return {
        "finding": name,
        "question": answer.question,
        "answer": answer.parsed,
        "text": answer.text,
        "how": answer.how,
        "confidence": round(answer.confidence, 4),
        "reasoning": answer.reasoning,
    }


def _image(ready: Ready) -> dict[str, Any]:
    entries, first = ready.chosen.entries, ready.chosen.entries[0]
    return {
        "what": ready.chosen.name if ready.study.kind == "dicom" else ready.study.kind,
        "modality": first.modality,
        "study_uid": ready.study.uid,
        "series_uid": first.series,
        "instance_uids": [entry.instance for entry in entries if entry.instance],
    }
