"""M3D-Cap: an index of volumes and texts, one volume prepared, one as folder of slices."""

from __future__ import annotations

import json
from pathlib import Path

KEPT, ABSENT = 3, 1
SKIPPED = {"no text: the file of the caption is absent or empty": 1}
TABLE = "M3D_Cap_npy/M3D_Cap.json"


def write(root: Path) -> None:
    cases = [f"M3D_Cap_npy/ct_case/00000{number}" for number in range(4)]
    records = [{"image": f"{case}/Axial_non_contrast.npy", "text": f"{case}/text.txt"} for case in cases]
    for case in cases[:3]:
        (root / case).mkdir(parents=True)
        (root / case / "text.txt").write_text("Axial CT. A mass in the liver.\n", encoding="utf-8")
    (root / cases[0] / "Axial_non_contrast.npy").write_bytes(b"not read")
    slices = root / "M3D_Cap" / "ct_case" / "000001" / "Axial_non_contrast"
    slices.mkdir(parents=True)
    (slices / "0.png").write_bytes(b"not read")
    (root / TABLE).write_text(json.dumps({"train": [], "validation": [], "test": records}), encoding="utf-8")
