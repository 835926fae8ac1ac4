"""MIMIC-CXR as released, reports as text files, with the tables of MIMIC-CXR-JPG beside them."""

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
    MIMIC.images(root, ".dcm")
    MIMIC.report_files(root)
