"""MedXpertQA-Text: JSON lines; the question repeats its options."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

KEPT, ABSENT = 2, 0
SKIPPED = {"letters of the options do not follow each other from A": 1}
TABLE = "Text/test.jsonl"


def record(number: int, **changes: Any) -> dict[str, Any]:
    options = {"A": "Erythema infectiosum", "B": "Cutis marmorata", "C": "Erythema ab igne"}
    again = " ".join(f"({letter}) {text}" for letter, text in options.items())
    whole = {
        "id": f"Text-{number}",
        "question": f"What is the most probable diagnosis?\nAnswer Choices: {again}",
        "options": options,
        "label": "C",
        "medical_task": "Diagnosis",
        "body_system": "Lymphatic",
        "question_type": "Reasoning",
    }
    return {**whole, **changes}


def write(root: Path) -> None:
    (root / "Text").mkdir(parents=True)
    (root / "images").mkdir()
    (root / "images" / "MM-0-a.jpeg").write_bytes(b"not read")
    records = [record(0), record(1, label="A"), record(2, options={"A": "one", "C": "two"})]
    (root / TABLE).write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
