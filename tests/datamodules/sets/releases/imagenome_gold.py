"""The gold set of Chest ImaGenome as released, with the metadata table of MIMIC-CXR-JPG beside it."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace

IMAGENOME = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("_imagenome.py"))))
KEPT, ABSENT = 4, 1  # the earlier image is not there
TABLE = "gold_dataset/gold_object_attribute_with_coordinates.txt"


def write(root: Path) -> None:
    IMAGENOME.gold(root)
    IMAGENOME.metadata(root)
    IMAGENOME.images(root, "now")
