"""VQA-RAD as released on OSF: one JSON list and a folder of images."""

from __future__ import annotations

import json
from pathlib import Path

KEPT, ABSENT = 2, 1
TABLE = "VQA_RAD Dataset Public.json"


def write(root: Path) -> None:
    record = {
        "qid": 1,
        "phrase_type": "test_freeform",
        "qid_linked_id": "06e26b2c",
        "image_case_url": "https://medpix.nlm.nih.gov/case?id=1",
        "image_name": "synpic1.jpg",
        "image_organ": "CHEST",
        "evaluation": "not evaluated",
        "question": "Are the lungs normal appearing?",
        "question_rephrase": "NULL",
        "question_relation": "NULL",
        "question_frame": "NULL",
        "question_type": "ABN",
        "answer": "No",
        "answer_type": "CLOSED ",
    }
    second = {"qid": "2", "image_name": "synpic2.jpg", "answer": 4, "answer_type": "OPEN"}
    records = [record, {**record, **second}, {**record, "qid": 3, "phrase_type": "freeform"}]
    (root / "VQA_RAD Image Folder").mkdir(parents=True)
    (root / "VQA_RAD Image Folder" / "synpic1.jpg").write_bytes(b"not read")
    (root / TABLE).write_text(json.dumps(records), encoding="utf-8")
