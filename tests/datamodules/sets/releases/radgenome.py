"""RadGenome-ChestCT as released: a table for each task, volumes below folders such as valid_1a."""

from __future__ import annotations

from pathlib import Path

KEPT, ABSENT = 3, 1
SPLIT = "validate"
SKIPPED = {"no Sentence": 1}
TABLE = "dataset/radgenome_files/validation_region_report.csv"
TABLES = {
    "region_report": (
        "Volumename,Anatomy,Sentence\n{0}_1_a_1.nii.gz,lung,Nodule in the left upper lobe.\n"
        "{0}_1_a_1.nii.gz,,No free fluid.\n{0}_2_a_1.nii.gz,trachea and bronchie,Open.\n{0}_1_a_1.nii.gz,bone,\n"
    ),
    "vqa_abnormality": "Volumename,Anatomy,Abnormality\n{0}_1_a_1.nii.gz,lung,nodule\n",
    "vqa_location": "Volumename,Anatomy,Abnormality\n{0}_1_a_1.nii.gz,lung,nodule\n{0}_1_a_1.nii.gz,,nodule\n",
    "vqa_presence": (
        "Volumename,Anatomy,Finding,Presence\n{0}_1_a_1.nii.gz,lung,nodule,Yes.\n{0}_1_a_1.nii.gz,,effusion,No.\n"
        "{0}_1_a_1.nii.gz,,effusion,Unclear\n"
    ),
    "vqa_size": "Volumename,Anatomy,Abnormality,Size\n{0}_1_a_1.nii.gz,lung,nodule,5 mm\n",
}


def write(root: Path) -> None:
    folder = root / "dataset/valid_preprocessed/valid_1/valid_1a"
    folder.mkdir(parents=True)
    (folder / "valid_1_a_1.nii.gz").write_bytes(b"not read")
    (root / "dataset/radgenome_files").mkdir()
    for table, volume in (("train", "train"), ("validation", "valid")):
        for name, text in TABLES.items():
            (root / f"dataset/radgenome_files/{table}_{name}.csv").write_text(text.format(volume))
