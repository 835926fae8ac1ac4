"""MIMIC-CXR-JPG as released, with the report zip of MIMIC-CXR beside its tables."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace

MIMIC = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("_mimic.py"))))

KEPT, ABSENT = 2, 1
SKIPPED = {"the report has no findings": 1}
TABLE = "mimic-cxr-2.0.0-split.csv.gz"


def write(root: Path) -> None:
    MIMIC.tables(root)
    MIMIC.images(root, ".jpg")
    MIMIC.report_zip(root / "mimic-cxr-reports.zip")
