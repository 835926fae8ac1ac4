"""Small MIMIC-CXR and MIMIC-CXR-JPG folders in the exact layout of their releases."""

from __future__ import annotations

import csv
import gzip
import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

LABELS = [
    "Atelectasis",
    "Cardiomegaly",
    "Consolidation",
    "Edema",
    "Enlarged Cardiomediastinum",
    "Fracture",
    "Lung Lesion",
    "Lung Opacity",
    "No Finding",
    "Pleural Effusion",
    "Pleural Other",
    "Pneumonia",
    "Pneumothorax",
    "Support Devices",
]
METADATA = [
    "dicom_id",
    "subject_id",
    "study_id",
    "PerformedProcedureStepDescription",
    "ViewPosition",
    "Rows",
    "Columns",
    "StudyDate",
    "StudyTime",
    "ProcedureCodeSequence_CodeMeaning",
    "ViewCodeSequence_CodeMeaning",
    "PatientOrientationCodeSequence_CodeMeaning",
]
# dicom_id, study_id, subject_id, split, view
IMAGES = (
    ("aa-lat", "50000001", "10000032", "test", "LATERAL"),
    ("aa-pa", "50000001", "10000032", "test", "PA"),
    ("bb-ap", "50000002", "10000032", "test", "AP"),
    ("cc-no", "50000003", "10000980", "test", ""),
    ("dd-pa", "50000004", "11000001", "train", "PA"),
    ("ee-pa", "50000005", "11000002", "validate", "PA"),
)
REPORTS = {
    "50000001": "FINAL REPORT\n INDICATION:  Cough.\n \n FINDINGS:  Clear lungs.\n \n IMPRESSION:  Normal.\n",
    "50000002": "FINAL REPORT\n FINDINGS:  Left effusion.\n",
    "50000003": "FINAL REPORT\n IMPRESSION:  No change.\n",
    "50000004": "FINAL REPORT\n FINDINGS:  Edema.\n",
    "50000005": "FINAL REPORT\n FINDINGS:  Nodule.\n",
}


def folder(patient: str, study: str) -> str:
    return f"files/p{patient[:2]}/p{patient}/s{study}"


def table(path: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    text = io.StringIO()
    csv.writer(text).writerows([header, *rows])
    path.parent.mkdir(parents=True, exist_ok=True)
    data = text.getvalue().encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


def tables(root: Path) -> None:
    split = [(image, study, patient, part) for image, study, patient, part, _ in IMAGES]
    meta = [
        (image, patient, study, "CHEST (PA AND LAT)", view, "2544", "3056", "21800506", "213014.53", "", "", "Erect")
        for image, study, patient, _, view in IMAGES
    ]
    labels = {"Edema": "1.0", "Fracture": "0.0", "Pneumonia": "-1.0"}
    states = [
        ("10000032", "50000001", *("1.0" if name == "No Finding" else "" for name in LABELS)),
        ("10000032", "50000002", *(labels.get(name, "") for name in LABELS)),
    ]
    table(root / "mimic-cxr-2.0.0-split.csv.gz", ("dicom_id", "study_id", "subject_id", "split"), split)
    table(root / "mimic-cxr-2.0.0-metadata.csv.gz", METADATA, meta)
    table(root / "mimic-cxr-2.0.0-chexpert.csv.gz", ("subject_id", "study_id", *LABELS), states)


def images(root: Path, suffix: str, absent: Sequence[str] = ("bb-ap",)) -> None:
    for image, study, patient, _, _ in IMAGES:
        path = root / folder(patient, study) / f"{image}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        if image not in absent:
            path.write_bytes(b"not read")


def report_files(root: Path) -> None:
    for study, patient in {study: patient for _, study, patient, _, _ in IMAGES}.items():
        path = root / f"{folder(patient, study)}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(REPORTS[study], encoding="utf-8")


def report_zip(path: Path, before: str = "") -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{before}files/", "")
        for study, patient in {study: patient for _, study, patient, _, _ in IMAGES}.items():
            archive.writestr(f"{before}{folder(patient, study)}.txt", REPORTS[study])
