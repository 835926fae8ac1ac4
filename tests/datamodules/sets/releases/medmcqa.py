"""MedMCQA: JSON lines in which the right option counts from 1."""

from __future__ import annotations

import json
from pathlib import Path

KEPT, ABSENT = 2, 0
SKIPPED = {"cop names no option": 1}
SPLIT = "validate"
TABLE = "dev.json"


def write(root: Path) -> None:
    record = {
        "id": "e9ad821a",
        "question": "Which vitamin is supplied from only animal source?",
        "opa": "Vitamin C",
        "opb": "Vitamin B7",
        "opc": "Vitamin B12",
        "opd": "Vitamin D",
        "cop": 3,
        "choice_type": "single",
        "exp": "It is found in animal products only.",
        "subject_name": "Biochemistry",
        "topic_name": None,
    }
    records = [record, {**record, "id": "e3d3c4e1", "cop": 1, "exp": None}, {**record, "id": "f1", "cop": 0}]
    root.mkdir(parents=True)
    (root / TABLE).write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
