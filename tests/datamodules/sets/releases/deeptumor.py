"""DeepTumorVQA 2: JSON lines for the benchmark, volumes below benchmark/ct."""

from __future__ import annotations

import json
from pathlib import Path

KEPT, ABSENT = 2, 1
SKIPPED = {"no choices in the text of the question": 1}
TABLE = "benchmark/test_qa.jsonl"


def write(root: Path) -> None:
    record = {
        "qid": "bench_00017",
        "image_id": "BDMAP_00008446",
        "spacing": "[0.83 0.83 5.0]",
        "shape": "(512, 512, 116)",
        "sex": None,
        "age": None,
        "question": "How would you classify the splenic enlargement based on volume?",
        "answer": "Normal (no splenomegaly)",
        "mc_question": "How would you classify it? A: Normal (no splenomegaly) B: Moderate C: Severe D: Mild",
        "correct_option": "A",
        "organ": "spleen",
        "lesion": False,
        "question_type": "medical reasoning",
        "question_subtype": "splenomegaly grading",
        "requires_tools": ["segment_organ", "measure"],
    }
    volume = root / "benchmark" / "ct" / "BDMAP_00008446" / "ct.nii.gz"
    volume.parent.mkdir(parents=True)
    volume.write_bytes(b"not read")
    records = [
        record,
        {**record, "qid": "bench_00018", "image_id": "BDMAP_00000002", "correct_option": "D"},
        {**record, "qid": "bench_00019", "mc_question": "How large is the spleen?"},
    ]
    (root / TABLE).write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
