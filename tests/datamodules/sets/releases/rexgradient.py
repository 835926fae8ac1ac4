"""ReXGradient-160K as described: one JSON list of studies a split, images below deid_png."""

from __future__ import annotations

import json
from pathlib import Path

KEPT, ABSENT = 2, 1
SKIPPED = {"the report has no findings": 1, "ImagePath: expected a list of texts": 1}
TABLE = "metadata/test_metadata_view_position.json"


def write(root: Path) -> None:
    path = "../deid_png/GRDN1/GRDNA/studies/1.2/series/1.3/instances/1.4.png"
    record = {
        "id": "pGRDN1_aGRDNA_s1.2",
        "PatientID": "GRDN1",
        "AccessionNumber": "GRDNA",
        "StudyInstanceUid": "1.2",
        "PatientSex": "F",
        "PatientAge": "014Y",
        "StudyDate": "20120101",
        "Indication": "Cough.",
        "Comparison": "",
        "Findings": "Cardiomediastinal silhouette is normal.\nLungs are clear.",
        "Impression": "No acute disease.",
        "ImagePath": [path, path.replace("1.4", "1.5")],
        "ImageViewPosition": ["POSTERO_ANTERIOR", "LATERAL"],
        "ImageShape": [[2048, 2048], [2048, 2048]],
    }
    changes: list[dict[str, object]] = [
        {},
        {"ImagePath": ["../deid_png/gone.png"], "ImageViewPosition": [None]},
        {"Findings": None},
        {"ImagePath": None},
    ]
    records = [{**record, **change, "StudyInstanceUid": f"1.2.{n}"} for n, change in enumerate(changes)]
    folder = root / "deid_png/GRDN1/GRDNA/studies/1.2/series/1.3/instances"
    folder.mkdir(parents=True)
    for name in ("1.4.png", "1.5.png"):
        (folder / name).write_bytes(b"not read")
    (root / "metadata").mkdir()
    for name in ("train", "valid", "test"):
        (root / f"metadata/{name}_metadata_view_position.json").write_text(json.dumps(records), encoding="utf-8")
