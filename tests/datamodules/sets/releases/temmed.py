"""TemMed-Bench: a list of study pairs, and the places of the selected questions in it."""

from __future__ import annotations

import json
from pathlib import Path

KEPT, ABSENT = 2, 1
SKIPPED = {"place is not in the list": 1}
TABLE = "Get_Data/TestSet_VQA_ReportGeneration.json"


def write(root: Path) -> None:
    studies = [
        {
            "image_path": f"train/patient0000{number}/study2/view1_frontal.jpg",
            "historical_image_path": f"train/patient0000{number}/study1/view1_frontal.jpg",
            "VQA_Final": [{"VQA_question": "Has the effusion grown?", "VQA_answer": "Yes"}] * 2,
            "reference_images": [],
        }
        for number in range(2)
    ]
    for study in (1, 2):
        path = root / "PNG" / f"train/patient00000/study{study}/view1_frontal.png"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"not read")
    selected = [{"img_id": 0, "question_id": 1}, {"img_id": 1, "question_id": 0}, {"img_id": 2, "question_id": 0}]
    (root / "Get_Data").mkdir()
    (root / TABLE).write_text(json.dumps(studies), encoding="utf-8")
    (root / "Get_Data" / "TestSet_SelectedVQA_2000.json").write_text(json.dumps(selected), encoding="utf-8")
