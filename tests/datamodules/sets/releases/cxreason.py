"""CXReasonBench as released: a list of cases by task, one JSON a case and stage."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

KEPT, ABSENT = 9, 1
SKIPPED = {"no file of this stage": 1}
TABLE = "dx_by_dicoms.json"
STUDY = "p10/p10000032/s50414267/aa.jpg"


def write(root: Path) -> None:
    stages: dict[str, tuple[str, Any, Any, Any]] = {
        "init": ("basic", "Is there cardiomegaly? Options: (a) Yes, (b) No", "(a) Yes", [STUDY]),
        "stage1": ("ratio", ["Which criterion?", "Which threshold?"], ["The ratio.", "0.5"], []),
        "stage2": ("one", ["Which picture shows the heart?"], ["1st image"], [["/cardiomegaly/aa/1.png"]]),
        "stage3": ("basic", "What is the ratio?", "0.45 - 0.55", []),
        "stage4": ("basic", "Is there cardiomegaly?", "(a) Yes", []),
    }
    for dicom in ("aa", "bb"):
        for stage, (folder, question, answer, paths) in stages.items():
            path = root / "qa/cardiomegaly/path1" / stage / folder / f"{dicom}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            record = {"question": question, "answer": answer, "img_path": paths, "viewpoint": "PA"}
            if dicom == "aa" or stage in ("init", "stage1"):
                path.write_text(json.dumps(record), encoding="utf-8")
    (root / TABLE).write_text(json.dumps({"cardiomegaly": ["aa", "bb"]}), encoding="utf-8")
    (root / "files" / STUDY).parent.mkdir(parents=True)
    (root / "files" / STUDY).write_bytes(b"not read")
