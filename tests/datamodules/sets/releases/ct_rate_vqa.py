"""The questions of CT-RATE: a list of conversations, with the metadata table and a volume."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

KEPT, ABSENT = 5, 1
SPLIT = "validate"
SKIPPED = {
    "conversations: expected a list of questions and answers": 1,
    "turns are not human and gpt in turn": 1,
    "no image": 1,
    "no row in the metadata table": 1,
}
TABLE = "dataset/vqa/valid_vqa.json"
METADATA = """VolumeName,Manufacturer,XYSpacing,RescaleIntercept,RescaleSlope,ZSpacing
{0}_1_a_1.nii.gz,Philips,"[0.34, 0.34]",-1024,1,1.5
{0}_2_a_1.nii.gz,Siemens Healthineers,"[0.7, 0.7]",-8192,1,1.0
"""


def turns(*texts: str, form: str | None = None) -> list[dict[str, Any]]:
    made = [{"from": ("human", "gpt")[place % 2], "value": text} for place, text in enumerate(texts)]
    return [{**turn, "type": form} if form and turn["from"] == "human" else turn for turn in made]


def write(root: Path) -> None:
    long = turns("<image>\nWhat is in the lung? <long_answer>", "A nodule.", "Where?<long_answer>", "On the left.")
    records: list[dict[str, Any]] = [
        {"id": "0", "image": "valid_1_a_1.nii.gz", "conversations": long},
        {"id": "1", "image": "valid_1_a_1.nii.gz", "conversations": turns("<image> Fluid? <short_answer>", "No.")},
        {"id": "2", "image": "valid_1_a_1.nii.gz", "conversations": turns("Report?", "All.", form="report_generation")},
        {"id": "3", "image": "valid_2_a_1.nii.gz", "conversations": turns("Heart size?", "Large.")},
        {"id": "4", "image": "valid_1_a_1.nii.gz", "conversations": []},
        {"id": "5", "image": "valid_1_a_1.nii.gz", "conversations": turns("x", "y")[::-1]},
        {"id": "6", "conversations": turns("Text only?", "Yes.")},
        {"id": "7", "image": "valid_3_a_1.nii.gz", "conversations": turns("Heart size?", "Large.")},
    ]
    (root / "dataset/vqa").mkdir(parents=True)
    (root / "dataset/metadata").mkdir()
    for volume, table in (("train", "train"), ("valid", "validation")):
        (root / f"dataset/vqa/{volume}_vqa.json").write_text(json.dumps(records))
        (root / f"dataset/metadata/{table}_metadata.csv").write_text(METADATA.format(volume))
    path = root / "dataset/valid_fixed/valid_1/valid_1_a/valid_1_a_1.nii.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not read")
