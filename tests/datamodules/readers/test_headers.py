"""The header scan: pydicom's values on every file that there is, and what it leaves to pydicom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pydicom.data
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from medvlm.datamodules.readers import headers
from medvlm.datamodules.readers.headers import read_header
from medvlm.study import ImageError

from .conftest import Write

OWN = Path(str(pydicom.data.__file__)).parent / "test_files"
SHARED = Path(__file__).resolve().parents[3].parent / "shared" / "data"
FOLDERS = (OWN, *SHARED.glob("*dicom*"))
KEYWORDS = (
    "MediaStorageSOPClassUID", "SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyDate", "AcquisitionTime",
    "Modality", "ImageType", "SeriesDescription", "PatientOrientation", "SliceThickness", "GantryDetectorTilt",
    "EchoTime", "AcquisitionNumber", "InstanceNumber", "ImagePositionPatient", "ImageOrientationPatient", "Rows",
    "Columns", "NumberOfFrames", "PixelSpacing", "RescaleSlope",
)  # fmt: skip


def by_pydicom(path: Path) -> dict[str, Any] | None:
    """The same attributes, read by pydicom alone."""
    try:
        dataset = pydicom.dcmread(path, force=True, stop_before_pixels=True)
        found = {
            keyword: source.get(keyword)
            for source in (dataset.get("file_meta", {}), dataset)
            for keyword in KEYWORDS
            if keyword in source
        }
    except Exception:  # any: it is then not readable, which is all that is asked here
        return None
    return found


def plain(value: Any) -> Any:
    return list(value) if isinstance(value, pydicom.multival.MultiValue) else value


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("folder", FOLDERS, ids=[folder.name for folder in FOLDERS])
def test_values_are_those_of_pydicom(folder: Path) -> None:
    compared = 0
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        expected = by_pydicom(path)
        try:
            found = read_header(path, KEYWORDS)
        except ImageError:
            assert not any((expected or {}).values()), path.name
            continue
        assert found == {keyword: plain(value) for keyword, value in (expected or {}).items()}, path.name
        compared += 1
    assert compared


def test_most_files_are_not_left_to_pydicom(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(headers, "open_dicom", lambda *_, **__: pytest.fail("pydicom read it"))
    for path in (data / "ct_dicom_dcm_qa_ct").rglob("*.dcm"):
        assert read_header(path, KEYWORDS)["Modality"] == "CT"


@pytest.mark.parametrize("implicit", [False, True])
@pytest.mark.parametrize("undefined", [False, True])
def test_sequences_before_what_is_wanted_are_stepped_over(tmp_path: Path, implicit: bool, undefined: bool) -> None:
    inner = Dataset()
    inner.Rows, inner.Modality = 7, "MR"  # the same tags, but not of the image
    outer = Dataset()
    outer.ReferencedInstanceSequence = [inner, inner]
    dataset = Dataset()
    dataset.ReferencedStudySequence = [outer, Dataset()]
    dataset.Modality, dataset.Rows, dataset.PixelSpacing = "CT", 512, ["0.5 ", "1e-1"]
    dataset.SeriesDescription = "x" * 70_000  # longer than the first bytes that are read
    if undefined:
        for item in (dataset["ReferencedStudySequence"], outer["ReferencedInstanceSequence"]):
            item.is_undefined_length = True
        for one in (outer, inner):
            vars(one)["is_undefined_length_sequence_item"] = True
    path = tmp_path / "a.dcm"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.file_meta.MediaStorageSOPInstanceUID = UID("1.2")
    dataset.save_as(path, enforce_file_format=True)
    found = read_header(path, ("Modality", "Rows", "PixelSpacing"))
    assert found == {"Modality": "CT", "Rows": 512, "PixelSpacing": [0.5, 0.1]}


def test_text_in_another_character_set_is_left_to_pydicom(write: Write) -> None:
    path = write("a.dcm", np.zeros((2, 2), np.uint8), SpecificCharacterSet="ISO_IR 100", SeriesDescription="Schädel")
    assert read_header(path, ("SeriesDescription",)) == {"SeriesDescription": "Schädel"}


@pytest.mark.parametrize("keyword", ["PixelData", "SharedFunctionalGroupsSequence", "Rose"])
def test_what_is_no_plain_attribute_is_refused(tmp_path: Path, keyword: str) -> None:
    with pytest.raises(ValueError, match=keyword):
        read_header(tmp_path, (keyword,))


@pytest.mark.parametrize("content", [b"", b"text", bytes(128) + b"DICM", bytes(128) + b"DICM" + b"\xff" * 500])
def test_no_header_is_an_error_that_names_the_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.dcm"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=r"broken\.dcm"):
        read_header(path, KEYWORDS)


def test_nested_items_without_end_are_left_to_pydicom(tmp_path: Path) -> None:
    item = b"\xfe\xff\x00\xe0\xff\xff\xff\xff" + b"\x08\x00\x15\x11SQ\0\0\xff\xff\xff\xff"
    meta = b"\x02\x00\x10\x00UI\x14\x001.2.840.10008.1.2.1\0"
    path = tmp_path / "deep.dcm"
    path.write_bytes(bytes(128) + b"DICM" + meta + b"\x08\x00\x15\x11SQ\0\0\xff\xff\xff\xff" + item * 5000)
    with pytest.raises(ImageError, match=r"deep\.dcm"):
        read_header(path, ("Rows",))
