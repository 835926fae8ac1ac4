"""VinDr-CXR as released: boxes by reader (train) or agreed (test), images whose header says their size."""

from __future__ import annotations

from pathlib import Path

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

KEPT, ABSENT = 3, 0  # the boxes of an image that is not there have no size to be shares of
HEADERS = True
SKIPPED = {
    "several boxes answer one question": 1,
    "image absent, and with it the size that its boxes need": 1,
}
TABLE = "annotations/annotations_test.csv"
TRAIN = """image_id,rad_id,class_name,x_min,y_min,x_max,y_max
00a1,R1,Cardiomegaly,100,100,300,300
00a1,R2,Cardiomegaly,120,100,320,300
00a1,R3,No finding,,,,
00a1,R3,Other diseases,0,0,100,100
"""
TEST = """image_id,class_name,x_min,y_min,x_max,y_max
00a1,Cardiomegaly,100,100,300,300
00a1,Nodule/Mass,-20,150,450,250
00a1,Other disease,200,100,300,200
00a1,Pleural effusion,0,300,100,500
00a1,Pleural effusion,300,300,400,500
00b2,No finding,,,,
00c3,Nodule/Mass,10,10,90,90
"""


def header(path: Path, rows: int, columns: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    file = Dataset()
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file.file_meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    file.file_meta.MediaStorageSOPInstanceUID = UID("1.2.3")
    file.Rows, file.Columns = rows, columns
    file.save_as(path, enforce_file_format=True)


def write(root: Path) -> None:
    (root / "annotations").mkdir(parents=True)
    (root / "annotations/annotations_train.csv").write_text(TRAIN)
    (root / TABLE).write_text(TEST)
    for split in ("train", "test"):
        header(root / split / "00a1.dicom", 500, 400)
