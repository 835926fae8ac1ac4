"""OmniMedVQA: one JSON list a source set, below QA_information/Open-access."""

from __future__ import annotations

import json
from pathlib import Path

KEPT, ABSENT = 4, 3
SKIPPED = {"answer is none of the options (write the option's text, not its letter)": 1}
TABLE = "QA_information/Open-access/Chest CT Scan.json"


def write(root: Path) -> None:
    record = {
        "dataset": "Chest CT Scan",
        "question_id": "Chest CT Scan_0000",
        "question_type": "Modality Recognition",
        "question": "What imaging technique was employed for capturing this image?",
        "gt_answer": "CT",
        "image_path": "Images/Chest CT Scan/test/adenocarcinoma_left/000143 (6).png",
        "option_A": "Angiography",
        "option_B": "Electrocardiogram (ECG)",
        "option_C": "Mammogram",
        "option_D": "CT",
        "modality_type": "CT(Computed Tomography)",
    }
    other = {key: value for key, value in record.items() if key not in ("modality_type", "option_C", "option_D")}
    records = [
        record,
        {**other, "question_id": "Chest CT Scan_0001", "modality": "X-Ray", "option_A": "X-ray", "gt_answer": "x_ray."},
        {**record, "question_id": "Chest CT Scan_0002", "modality_type": "MR (Mag-netic Resonance Imaging)"},
        {**record, "question_id": "Chest CT Scan_0003", "gt_answer": "PET"},
        {**record, "question_id": "Chest CT Scan_0004", "modality_type": "OCT (Optical Coherence Tomography"},
    ]
    for place, changed in enumerate(records[1:], start=1):
        changed["image_path"] = f"Images/Chest CT Scan/test/{place}.png"
    for path in (root / TABLE, root / record["image_path"]):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"not read")
    (root / TABLE).write_text(json.dumps(records), encoding="utf-8")
