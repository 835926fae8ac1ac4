"""MS-CXR 1.1.0 as released: one row a box."""

from __future__ import annotations

from pathlib import Path

KEPT, ABSENT = 2, 1
SKIPPED = {"several boxes answer one question": 1}
TABLE = "MS_CXR_Local_Alignment_v1.1.0.csv"
ROWS = """category_name,label_text,path,x,y,w,h,dicom_id,image_width,image_height,split
Pneumothorax,left apical pneumothorax,files/p10/p10233088/s54276838/aa.jpg,1000,200,500,400,aa,2000,2500,test
Pleural Effusion,bilateral effusions,files/p10/p10233088/s54276838/aa.jpg,100,2000,300,300,aa,2000,2500,test
Pleural Effusion,bilateral effusions,files/p10/p10233088/s54276838/aa.jpg,1500,2000,300,300,aa,2000,2500,test
Cardiomegaly,"the heart is large, unchanged",files/p11/p11000001/s50000001/bb.jpg,1800,100,900,900,bb,2000,2500,test
Cardiomegaly,the heart is large,files/p11/p11000002/s50000002/cc.jpg,500,1000,900,900,cc,2000,2500,train
"""


def write(root: Path) -> None:
    folder = root / "files/p10/p10233088/s54276838"
    folder.mkdir(parents=True)
    (folder / "aa.jpg").write_bytes(b"not read")
    (root / TABLE).write_text(ROWS)
