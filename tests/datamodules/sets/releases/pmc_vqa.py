"""PMC-VQA, version 2: a table with the letter in Answer, panels in figures/."""

from __future__ import annotations

import csv
from pathlib import Path

KEPT, ABSENT = 3, 2
SKIPPED = {"row has another number of cells than the header": 1}
TABLE = "test_2.csv"
HEADER = [
    "index",
    "Figure_path",
    "Caption",
    "Question",
    "Choice A",
    "Choice B",
    "Choice C",
    "Choice D",
    "Answer",
    "split",
]


def write(root: Path) -> None:
    (root / "figures").mkdir(parents=True)
    (root / "figures" / "PMC1_Fig4_11.jpg").write_bytes(b"not read")
    rows = [
        ["0", "PMC1_Fig4_11.jpg", "A, b.", "Which stain?", " A:HE ", " B:PAS ", " C:Gram ", " D:N/A ", "B", "test"],
        ["1", "PMC1_Fig4_12.jpg", "c", "Which stain?", "A:HE", "C:PAS", "D:Gram", "D:None", "D", "test"],
        ["2", "PMC2_Fig1_1.jpg", "d", "What is missing?", "A:HE", "B:PAS", "C:Gram", "D:N/A", "D", "test"],
        ["3", "PMC2_Fig1_1.jpg", "cut off"],
    ]
    with (root / TABLE).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([HEADER, *rows])
