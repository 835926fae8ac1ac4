"""MIMIC-Ext-MIMIC-CXR-VQA as built with credentials: three JSON lists, images of MIMIC-CXR-JPG."""

from __future__ import annotations

import json
from pathlib import Path

KEPT, ABSENT = 4, 1
SKIPPED = {"no answer": 1, "answer: expected a text or a list of texts (questions without answers are not built)": 1}
TABLE = "test.json"


def write(root: Path) -> None:
    record = {
        "split": "test",
        "idx": 0,
        "image_id": "34c81443",
        "question": "Are there signs of both pleural effusion and lung cancer in the left lower lung zone?",
        "content_type": "attribute",
        "semantic_type": "verify",
        "template": "Are there signs of both ${attribute_1} and ${attribute_2} in the ${object}?",
        "template_program": "program_5",
        "template_arguments": {"object": {"0": "left lower lung zone"}, "attribute": {}, "viewpos": {}, "gender": {}},
        "answer": ["no"],
        "subject_id": 10000032,
        "study_id": 50414267,
        "image_path": "p10/p10000032/s50414267/34c81443.jpg",
    }
    changes: list[dict[str, object]] = [
        {},
        {"answer": "Yes", "image_path": ""},
        {"answer": ["m"], "content_type": "gender", "semantic_type": "query", "image_path": "p10/p1/s2/gone.jpg"},
        {"answer": [], "semantic_type": "query"},
        {"answer": []},
        {"answer": None},
    ]
    records = [{**record, **change, "idx": number} for number, change in enumerate(changes)]
    (root / "files/p10/p10000032/s50414267").mkdir(parents=True)
    (root / "files/p10/p10000032/s50414267/34c81443.jpg").write_bytes(b"not read")
    for name in ("train", "valid", "test"):
        (root / f"{name}.json").write_text(json.dumps(records), encoding="utf-8")
