"""ReXVQA in its documented form: an object of records by question id."""

from __future__ import annotations

import json
from pathlib import Path

KEPT, ABSENT = 2, 1
TABLE = "metadata/test_vqa_data.json"


def write(root: Path) -> None:
    record = {
        "question": "Which finding is present?",
        "options": ["A. Pleural effusion", "B. Pneumothorax", "C. Cardiomegaly", "D. No finding"],
        "correct_answer": "B",
        "correct_answer_explanation": "A thin line without markings beyond it.",
        "task_name": "presence_assessment",
        "category": "Presence Assessment",
        "class": "Pleura",
        "subcategory": "Pneumothorax",
        "study_id": "s1",
        "PatientID": "p1",
        "ImagePath": ["../deid_png/p1/front.png"],
        "ImageViewPosition": ["PA"],
    }
    (root / "metadata").mkdir(parents=True)
    (root / "deid_png" / "p1").mkdir(parents=True)
    (root / "deid_png" / "p1" / "front.png").write_bytes(b"not read")
    other = {**record, "ImagePath": ["../deid_png/p1/side.png"], "correct_answer": "A. Pleural effusion"}
    (root / TABLE).write_text(json.dumps({"q0": record, "q1": other}), encoding="utf-8")
