"""The silver set of Chest ImaGenome as released, with the metadata table of MIMIC-CXR-JPG beside it."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace

IMAGENOME = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("_imagenome.py"))))
KEPT, ABSENT = 7, 2  # the earlier image is not there
SKIPPED = {"image of a patient of the gold set": 1, "no scene graph": 1}
TABLE = "silver_dataset/splits/test.csv"


def write(root: Path) -> None:
    IMAGENOME.silver(root)
    IMAGENOME.metadata(root)
    IMAGENOME.images(root, "now")
