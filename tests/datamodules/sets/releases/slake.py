"""SLAKE 1.0 as released: three JSON lists, images below imgs/."""

from __future__ import annotations

import json
from pathlib import Path

KEPT, ABSENT = 2, 1
SKIPPED = {"no answer": 1}
TABLE = "test.json"


def write(root: Path) -> None:
    record = {
        "img_id": 1,
        "img_name": "xmlab1/source.jpg",
        "question": "What modality is used to take this image?",
        "answer": "MRI",
        "q_lang": "en",
        "location": "Abdomen",
        "modality": "MRI",
        "answer_type": "OPEN",
        "base_type": "vqa",
        "content_type": "Modality",
        "triple": ["vhead", "_", "_"],
        "qid": 0,
    }
    (root / "imgs" / "xmlab1").mkdir(parents=True)
    (root / "imgs" / "xmlab1" / "source.jpg").write_bytes(b"not read")
    closed = {"qid": 1, "img_name": "xmlab2/source.jpg", "answer": "Yes", "answer_type": "CLOSED"}
    records = [record, {**record, **closed}, {**record, "qid": 2, "answer": ""}, {**record, "qid": 3, "q_lang": "zh"}]
    for name in ("train", "validate", "test"):
        (root / f"{name}.json").write_text(json.dumps(records), encoding="utf-8")
