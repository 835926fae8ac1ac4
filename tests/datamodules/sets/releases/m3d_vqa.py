"""M3D-VQA: a table with up to four choices, NA for none."""

from __future__ import annotations

import csv
from pathlib import Path

KEPT, ABSENT = 2, 1
SKIPPED = {"Answer Choice is no letter of the choices": 1}
TABLE = "M3D_VQA_test.csv"
HEADER = [
    "Image Path",
    "Text",
    "Question Type",
    "Question",
    "Choice A",
    "Choice B",
    "Choice C",
    "Choice D",
    "Answer",
    "Answer Choice",
]


def write(root: Path) -> None:
    first, second = (f"M3D_Cap_npy/ct_case/00000{number}/Axial_non_contrast.npy" for number in range(2))
    (root / first).parent.mkdir(parents=True)
    (root / first).write_bytes(b"not read")
    rows = [
        [first, "report", "1", "Which plane?", "Axial", "Coronal", "Sagittal", "Oblique", "Axial", "A"],
        [second, "report", "2", "Which phase?", "Portal", "NA", "NA", "Arterial", "Arterial", "D"],
        [second, "report", "3", "Which organ?", "Liver", "Spleen", "Kidney", "Lung", "Lung", "E"],
    ]
    with (root / TABLE).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([HEADER, *rows])
