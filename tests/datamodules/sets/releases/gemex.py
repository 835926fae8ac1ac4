"""GEMeX as released: a file of JSON lines for each form of question."""

from __future__ import annotations

import json
from pathlib import Path

KEPT, ABSENT = 2, 1
SPLIT = "train"
OPTIONS = {"forms": ("closed_ended",)}
SKIPPED = {"closed answer is not yes or no": 1, "image_path is not p10/p10046166/s50051329/<dicom>.jpg": 1}
TABLE = "closed_ended_question.jsonl"


def write(root: Path) -> None:
    record = {
        "q_id": 1,
        "image_path": "p10/p10046166/s50051329/abad.jpg",
        "question": "Is there an effusion?",
        "answer": "Yes.",
        "reason": "The angle is blunted.",
        "visual_regions": ["left costophrenic angle"],
        "visual_locations": [[10, 20, 30, 40]],
        "ori_report": "Small left effusion.",
        "type": "disease",
    }
    choices = ["A: left", "B: right", "C: both", "D: none"]
    gone = "p10/p10046166/s50051329/gone.jpg"
    changes: list[dict[str, object]] = [{}, {"answer": "Perhaps."}, {"image_path": "a.jpg"}, {"image_path": gone}]
    closed = [{**record, **change, "q_id": number} for number, change in enumerate(changes)]
    files = {
        "open_ended": [{**record, "answer": "A small left effusion."}],
        "closed_ended": closed,
        "single_choice": [{**record, "answer": "A", "choices": choices}],
        "multi_choice": [{**record, "answer": ["A", "B"], "choices": choices}],
    }
    folder = root / "files/p10/p10046166/s50051329"
    folder.mkdir(parents=True)
    (folder / "abad.jpg").write_bytes(b"not read")
    for name, records in files.items():
        lines = "".join(json.dumps(found) + "\n" for found in records)
        (root / f"{name}_question.jsonl").write_text(lines, encoding="utf-8")
