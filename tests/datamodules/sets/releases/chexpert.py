"""CheXpert as released: tables with paths that start with the name of the small release."""

from __future__ import annotations

import csv
from pathlib import Path

HEADER_TEXT = (
    "Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Enlarged Cardiomediastinum,Cardiomegaly,Lung Opacity,Lung Lesion,"
    "Edema,Consolidation,Pneumonia,Atelectasis,Pneumothorax,Pleural Effusion,Pleural Other,Fracture,Support Devices"
)
HEADER = HEADER_TEXT.split(",")
KEPT, ABSENT = 3, 1
SPLIT = "validate"
SKIPPED = {"the image has no labels": 1, "path is not train/patient00001/study1/view1_frontal.jpg": 1}
TABLE = "CheXpert-v1.0-small/valid.csv"


def write(root: Path) -> None:
    def row(path: str, view: tuple[str, str], **labels: str) -> dict[str, str]:
        about = {"Path": path, "Sex": "Female", "Age": "68", "Frontal/Lateral": view[0], "AP/PA": view[1]}
        return {**dict.fromkeys(HEADER, ""), **about, **{name.replace("_", " "): text for name, text in labels.items()}}

    frontal, lateral = ("Frontal", "AP"), ("Lateral", "")
    study = "CheXpert-v1.0-small/valid/patient64541/study1"
    rows = [
        row(f"{study}/view1_frontal.jpg", frontal, Edema="1.0", Fracture="0.0", Pneumonia="-1.0"),
        row(f"{study}/view2_lateral.jpg", lateral, No_Finding="1.0"),
        row("CheXpert-v1.0-small/valid/patient64542/study1/view1_frontal.jpg", frontal, Edema="0.0"),
        row("CheXpert-v1.0-small/valid/patient64543/study1/view1_frontal.jpg", frontal),
        row("somewhere.jpg", frontal, Edema="0.0"),
    ]
    folder = root / "CheXpert-v1.0-small"
    (folder / "valid/patient64541/study1").mkdir(parents=True)
    for name in ("view1_frontal.jpg", "view2_lateral.jpg"):
        (folder / "valid/patient64541/study1" / name).write_bytes(b"not read")
    for name in ("train.csv", "valid.csv"):
        with (folder / name).open("w", newline="") as file:
            table = csv.DictWriter(file, HEADER)
            table.writeheader()
            table.writerows(rows)
