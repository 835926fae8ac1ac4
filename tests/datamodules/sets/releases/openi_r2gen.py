"""Open-i in R2Gen's form: one JSON object of three lists."""

from __future__ import annotations

import json
from pathlib import Path

KEPT, ABSENT = 2, 1
TABLE = "iu_xray/annotation.json"


def write(root: Path) -> None:
    def record(name: str, split: str) -> dict[str, object]:
        paths = [f"{name}/0.png", f"{name}/1.png"]
        return {"id": name, "report": "The heart size is normal .", "image_path": paths, "split": split}

    lists = {
        "train": [record("CXR2384_IM-0942", "train")],
        "val": [record("CXR10_IM-0002", "val")],
        "    ": [record("CXR1_IM-0001", "test"), record("CXR3_IM-1384", "test")],
    }
    folder = root / "iu_xray" / "images" / "CXR1_IM-0001"
    folder.mkdir(parents=True)
    for name in ("0.png", "1.png"):
        (folder / name).write_bytes(b"not read")
    (root / TABLE).write_text(json.dumps(lists), encoding="utf-8")
