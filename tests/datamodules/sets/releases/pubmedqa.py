"""PubMedQA, labelled by experts: two JSON objects by PubMed id."""

from __future__ import annotations

import json
from pathlib import Path

KEPT, ABSENT = 2, 0
SKIPPED = {"answer is none of the options (write the option's text, not its letter)": 1}
TABLE = "data/ori_pqal.json"


def write(root: Path) -> None:
    record = {
        "QUESTION": "Do preoperative statins reduce atrial fibrillation after bypass grafting?",
        "CONTEXTS": ["Background.", "Results."],
        "LABELS": ["BACKGROUND", "RESULTS"],
        "MESHES": ["Humans"],
        "YEAR": "2011",
        "reasoning_required_pred": "yes",
        "reasoning_free_pred": "yes",
        "final_decision": "yes",
        "LONG_ANSWER": "They did.",
    }
    records = {
        "21645374": record,
        "16418930": {**record, "final_decision": "maybe"},
        "9488747": {**record, "final_decision": "unclear"},
        "17208539": record,
    }
    (root / "data").mkdir(parents=True)
    (root / TABLE).write_text(json.dumps(records), encoding="utf-8")
    truth = {"21645374": "yes", "16418930": "maybe", "9488747": "no"}
    (root / "data" / "test_ground_truth.json").write_text(json.dumps(truth), encoding="utf-8")
