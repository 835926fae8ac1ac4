"""CheXpert Plus as released: one table, paths in .jpg for files in .png."""

from __future__ import annotations

import csv
from pathlib import Path

HEADER_TEXT = (
    "path_to_image,path_to_dcm,frontal_lateral,ap_pa,deid_patient_id,patient_report_date_order,report,"
    "section_narrative,section_clinical_history,section_history,section_comparison,section_technique,"
    "section_procedure_comments,section_findings,section_impression,section_end_of_impression,section_summary,"
    "section_accession_number,age,sex,race,ethnicity,interpreter_needed,insurance_type,recent_bmi,deceased,split"
)
HEADER = HEADER_TEXT.split(",")
KEPT, ABSENT = 2, 1
SPLIT = "train"
SKIPPED = {"the report has no findings": 1}
TABLE = "df_chexpert_plus_240401.csv"


def write(root: Path) -> None:
    def row(number: int, findings: str, split: str = "train") -> dict[str, str]:
        about = {
            "path_to_image": f"train/patient0000{number}/study1/view1_frontal.jpg",
            "path_to_dcm": f"train/patient0000{number}/study1/view1_frontal.dcm",
            "frontal_lateral": "Frontal",
            "ap_pa": "AP",
            "deid_patient_id": f"patient0000{number}",
            "section_findings": findings,
            "section_impression": "\n1. Stable.",
            "section_clinical_history": "nan",
            "sex": "Male",
            "split": split,
        }
        return {**dict.fromkeys(HEADER, ""), **about}

    rows = [row(1, " Heart is\n enlarged. "), row(2, "Clear."), row(3, ""), row(4, "Clear.", "valid")]
    (root / "PNG/train/patient00001/study1").mkdir(parents=True)
    (root / "PNG/train/patient00001/study1/view1_frontal.png").write_bytes(b"not read")
    with (root / TABLE).open("w", newline="") as file:
        table = csv.DictWriter(file, HEADER)
        table.writeheader()
        table.writerows(rows)
