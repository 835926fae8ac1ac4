"""MedQA: JSON lines with four options by letter."""

from __future__ import annotations

import json
from pathlib import Path

KEPT, ABSENT = 2, 0
SKIPPED = {"letter and text of the answer name two options": 1}
TABLE = "questions/US/4_options/phrases_no_exclude_test.jsonl"


def write(root: Path) -> None:
    record = {
        "question": "A man has had chest pain for an hour. Which drug comes first?",
        "answer": "Aspirin",
        "options": {"A": "Aspirin", "B": "Heparin", "C": "Atropine", "D": "Insulin"},
        "meta_info": "step2&3",
        "answer_idx": "A",
        "metamap_phrases": ["man", "chest pain"],
    }
    records = [record, {**record, "answer": "Insulin", "answer_idx": "D"}, {**record, "answer_idx": "B"}]
    (root / TABLE).parent.mkdir(parents=True)
    (root / TABLE).write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
