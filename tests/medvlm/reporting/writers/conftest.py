"""One report of a DICOM study, and what its writers need besides."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from medvlm.reporting.report import Finding, Instance, Origin, Sentence, StudyReport, Used
from medvlm.reporting.writers import Material

TEXT = "Erguss rechts <b>& mehr</b> | \u80ba\u90e8.\nZweite Zeile."
CT = "1.2.840.10008.5.1.4.1.1.2"


@pytest.fixture
def headers() -> tuple[Dataset, ...]:
    """Three slices of a CT of a patient with umlauts, in Latin-1, without pixels."""
    made = []
    for number in range(3):
        data = Dataset()
        data.file_meta = FileMetaDataset()
        data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data.SpecificCharacterSet = "ISO_IR 100"
        data.SOPClassUID, data.SOPInstanceUID = UID(CT), UID(f"1.2.3.4.{number}")
        data.StudyInstanceUID, data.SeriesInstanceUID = "1.2.3", "1.2.3.4"
        data.PatientName, data.PatientID, data.AccessionNumber = "M\u00fcller^J\u00f6rg", "P|1", "A&1"
        data.PatientBirthDate, data.PatientSex = "19500101", "M"
        data.StudyDate, data.StudyTime, data.StudyID = "20260101", "080000", "7"
        data.ReferringPhysicianName, data.Modality, data.FrameOfReferenceUID = "", "CT", "1.2.3.9"
        data.PositionReferenceIndicator, data.Manufacturer, data.SeriesNumber = "", "maker", 2
        data.InstanceNumber = number + 1
        data.Rows, data.Columns, data.PixelSpacing, data.SliceThickness = 40, 60, [0.7, 0.7], 2.0
        data.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        data.ImagePositionPatient = [0, 0, 2.0 * number]
        made.append(data)
    return tuple(made)


@pytest.fixture
def material(headers: tuple[Dataset, ...]) -> Material:
    picture = np.tile(np.linspace(0, 255, 60).astype(np.uint8), (40, 1))
    mask = np.zeros((3, 40, 60), bool)
    mask[1, 10:20, 30:40] = True
    return Material(headers, picture, {"nodule": mask})


@pytest.fixture
def report(headers: tuple[Dataset, ...]) -> StudyReport:
    instances = tuple(Instance(str(one.SOPClassUID), str(one.SOPInstanceUID)) for one in headers)
    return StudyReport(
        study="0123456789abcdef",
        run="fedcba9876543210",
        stamp="stamp",
        created="2026-01-02T03:04:05+00:00",
        sections={"technique": "CT.", "findings": TEXT, "impression": "Erguss."},
        sentences=(Sentence("findings", TEXT, 0.4), Sentence("impression", "Erguss.", 0.9)),
        findings=(
            Finding("effusion", "present", 0.9, "right", "small", 12.0, (0.25, 0.5, 0.75, 1.0), 0, True),
            Finding("nodule", "absent", 0.8),
            Finding("consolidation", "unread", 0.1),
        ),
        images=(Used("series 2: CT, 3 slices", "current", "CT", "1.2.3", "1.2.3.4", instances, 1, "ct", "dicom:abc"),),
        origin=Origin("model", "abc123", "prompt1", {"temperature": 0.0}, "0.1.0", ("a note",), ("Not medicine.",)),
        disclaimer="Research software: not for clinical use.",
    )


@pytest.fixture
def opened() -> Callable[[bytes], Dataset]:
    return lambda data: pydicom.dcmread(BytesIO(data))


@pytest.fixture
def complaints(tmp_path: Path) -> Callable[[bytes], Sequence[str]]:
    """The errors that dciodvfy finds in a DICOM file; the test is skipped where it is not installed."""
    program = shutil.which("dciodvfy")
    if program is None:
        pytest.skip("dciodvfy (Debian's dicom3tools) is not installed")

    def check(data: bytes) -> Sequence[str]:
        path = tmp_path / "object.dcm"
        path.write_bytes(data)
        done = subprocess.run([program, str(path)], capture_output=True, text=True, check=False)
        return [line for line in (done.stderr + done.stdout).splitlines() if line.startswith("Error")]

    return check
