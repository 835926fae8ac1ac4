"""LLaVA-Med instruct: a JSON list of conversations under a misspelt key."""

from __future__ import annotations

import json
from pathlib import Path

KEPT, ABSENT = 3, 1
SKIPPED = {"conversation does not change between human and gpt": 1}
SPLIT = "train"
TABLE = "instruct/llava_med_instruct_60k_inline_mention.json"


def write(root: Path) -> None:
    asked = [
        {"from": "human", "value": "<image>\nWhat is shown?"},
        {"from": "gpt", "value": "A CT scan of the chest."},
        {"from": "human", "value": "Is it enhanced?"},
        {"from": "gpt", "value": "Yes."},
    ]
    domain = {"chest_xray": False, "mri": False, "ct_scan": True, "histology": False, "gross": False}
    records = [
        {"id": "1_F2", "image": "1_F2.jpg", "domain": domain, "conversatons": asked},
        {"id": "2_F1", "image": "2_F1.jpg", "domain": domain, "conversations": asked[:2]},
        {"id": "3_F1", "image": "3_F1.jpg", "domain": domain, "conversatons": asked[1:]},
    ]
    for path in (root / "images" / "1_F2.jpg", root / TABLE):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"not read")
    (root / TABLE).write_text(json.dumps(records), encoding="utf-8")
