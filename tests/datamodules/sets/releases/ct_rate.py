"""CT-RATE as released: tables of reports, metadata and labels, volumes in the fixed and the first tree."""

from __future__ import annotations

import csv
from pathlib import Path

KEPT, ABSENT = 3, 1
SPLIT = "validate"
SKIPPED = {
    "no row in the metadata table": 1,
    "volume name is not train_1_a_1.nii.gz": 1,
    "the report has no findings and no impression": 1,
}
TABLE = "dataset/radiology_text_reports/validation_reports.csv"
LABELS = (
    "Medical material,Arterial wall calcification,Cardiomegaly,Pericardial effusion,"
    "Coronary artery wall calcification,Hiatal hernia,Lymphadenopathy,Emphysema,Atelectasis,Lung nodule,Lung opacity,"
    "Pulmonary fibrotic sequela,Pleural effusion,Mosaic attenuation pattern,Peribronchial thickening,Consolidation,"
    "Bronchiectasis,Interlobular septal thickening"
)
REPORTS = """VolumeName,ClinicalInformation_EN,Technique_EN,Findings_EN,Impressions_EN
{0}_1_a_1.nii.gz,Cough.,Non-contrast images.,"Trachea, both main bronchi are open.",No finding.
{0}_1_a_2.nii.gz,Cough.,Non-contrast images.,"Trachea, both main bronchi are open.",No finding.
{0}_2_b_1.nii.gz,,,Nodule.,
{0}_3_a_1.nii.gz,,,Nodule.,
{0}_4.nii.gz,,,Nodule.,
{0}_5_a_1.nii.gz,,,,
"""
METADATA = """VolumeName,Manufacturer,PatientSex,PatientAge,Rows,XYSpacing,RescaleIntercept,RescaleSlope,ZSpacing
{0}_1_a_1.nii.gz,Philips,M,036Y,1024,"[0.341796875, 0.341796875]",-1024,1,1.5
{0}_1_a_2.nii.gz,Philips,M,036Y,512,"[0.68, 0.68]",-1024,1,3.0
{0}_2_b_1.nii.gz,Siemens Healthineers,F,050Y,512,"[0.7, 0.7]",-8192,1,1.0
{0}_5_a_1.nii.gz,GE,F,050Y,512,"[0.7, 0.7]",-1024,1,1.0
"""


def write(root: Path) -> None:
    data = root / "dataset"
    for folder in ("radiology_text_reports", "metadata", "multi_abnormality_labels"):
        (data / folder).mkdir(parents=True)
    for report, volume in (("train", "train"), ("validation", "valid")):
        (data / f"radiology_text_reports/{report}_reports.csv").write_text(REPORTS.format(volume))
        (data / f"metadata/{report}_metadata.csv").write_text(METADATA.format(volume))
        with (data / f"multi_abnormality_labels/{volume}_predicted_labels.csv").open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["VolumeName", *LABELS.split(",")])
            table.writerow([f"{volume}_1_a_1.nii.gz", *("1" if n in (0, 9) else "0" for n in range(18))])
            table.writerow([f"{volume}_2_b_1.nii.gz", *"0" * 18])
    for path in ("valid_fixed/valid_1/valid_1_a/valid_1_a_1.nii.gz", "valid/valid_2/valid_2_b/valid_2_b_1.nii.gz"):
        (data / path).parent.mkdir(parents=True)
        (data / path).write_bytes(b"not read")
