"""GMAI-MMBench: a table with tabs, the image of each row as base64."""

from __future__ import annotations

import base64
import csv
from pathlib import Path

KEPT, ABSENT = 2, 0
SKIPPED = {"no image": 1, "row has another number of cells than the header": 1}
SPLIT = "validate"
TABLE = "GMAI_mm_bench_VAL.tsv"
HEADER = ["index", "image", "question", "A", "B", "C", "D", "E", "category", "clinical VQA task", "modality", "answer"]


def write(root: Path) -> None:
    image = base64.b64encode(b"\xff\xd8\xff not decoded" * 9000).decode()
    rows = [
        ["0", image, "Which organ?", "Liver", "Lung", "Heart", "Spleen", "None", "Lung", "organ", "CT", "B"],
        ["1", image, "Which side?", "Left", "Right", "", "", "", "Right", "side", "X-ray", "B"],
        ["2", "no base64!", "Which side?", "Left", "Right", "", "", "", "Right", "side", "X-ray", "B"],
        ["3", image],
    ]
    root.mkdir(parents=True)
    with (root / TABLE).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter="\t").writerows([HEADER, *rows])
