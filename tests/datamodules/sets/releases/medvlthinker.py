"""MedVLThinker's form: options as JSON text, no images (m23k)."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

KEPT, ABSENT = 2, 0
SKIPPED = {"answer is no letter of the 2 options": 1}
SPLIT = "train"
TABLE = "data/train-00000-of-00001.parquet"


def write(root: Path) -> None:
    columns = {
        "question": ["Which drug comes first?", "Which side?", "Which one?"],
        "options": [json.dumps({"A": "Aspirin", "B": "Heparin"})] * 3,
        "answer_label": ["A", "B", "C"],
        "answer": ["Aspirin", "Heparin", "neither"],
        "reasoning": ["It acts at once.", None, None],
        "dataset_name": ["medqa"] * 3,
        "dataset_index": [0, 1, 2],
        "pass_count": [3, 16, 0],
    }
    (root / "data").mkdir(parents=True)
    table = importlib.import_module("pyarrow").table(columns)
    importlib.import_module("pyarrow.parquet").write_table(table, root / TABLE)
