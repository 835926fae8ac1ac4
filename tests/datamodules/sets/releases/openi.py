"""Open-i as released: an archive of one XML file a report."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

KEPT, ABSENT = 2, 1
SPLIT = "train"
SKIPPED = {"the report has no image": 1, "the report has no findings and no impression": 1}
TABLE = "NLMCXR_reports.tgz"

XML = """<?xml version="1.0" encoding="utf-8"?>
<eCitation>
   <meta type="rr"/>
   <uId id="CXR{number}"/>
   <pmcId id="{number}"/>
   <licenseType>open-access</licenseType>
   <MedlineCitation Owner="Indiana University"><Article><Abstract>
      <AbstractText Label="COMPARISON">None.</AbstractText>
      <AbstractText Label="INDICATION">Positive TB test</AbstractText>
      <AbstractText Label="FINDINGS">{findings}</AbstractText>
      <AbstractText Label="IMPRESSION"/>
   </Abstract></Article></MedlineCitation>
   <MeSH><major>normal</major></MeSH>
   {images}
</eCitation>
"""
IMAGE = """<parentImage id="{0}"><figureId>F1</figureId><caption>Xray Chest PA</caption>
   <panel type="single"><url>/hadoop/storage/radiology/extract/{0}.jpg</url></panel></parentImage>"""


def write(root: Path) -> None:
    reports = {
        1: ("Clear lungs.", ("CXR1_1_IM-0001-3001", "CXR1_1_IM-0001-4001")),
        2: ("Effusion &amp; edema.", ("CXR2_IM-0652-1001",)),
        10: ("Without image.", ()),
        11: ("", ("CXR11_IM-0067-1001",)),
    }
    (root / "NLMCXR_png").mkdir(parents=True)
    with tarfile.open(root / TABLE, "w:gz") as archive:
        for number, (findings, images) in reports.items():
            text = XML.format(number=number, findings=findings, images="".join(map(IMAGE.format, images))).encode()
            member = tarfile.TarInfo(f"ecgen-radiology/{number}.xml")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text))
    for image in ("CXR1_1_IM-0001-3001", "CXR1_1_IM-0001-4001"):
        (root / "NLMCXR_png" / f"{image}.png").write_bytes(b"not read")
