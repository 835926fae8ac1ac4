"""De-identification of one object: canaries in every place, what is left of them, and what must stay."""

from __future__ import annotations

import io
import shutil
import subprocess
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import DataElement, Dataset, dcmread
from pydicom.datadict import DicomDictionary  # type: ignore[attr-defined, unused-ignore]
from pydicom.dataelem import RawDataElement
from pydicom.dataset import FileMetaDataset
from pydicom.tag import Tag
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

from medvlm.deidentify import deidentify
from medvlm.deidentify_elements import IDENTIFYING
from medvlm.deidentify_rules import TEXT_KEPT, may_keep_bytes
from medvlm.deidentify_values import Pseudonyms

PSEUDONYMS = Pseudonyms(b"0123456789abcdef")
TEXT = ("AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT")
BYTES = ("OB", "OW", "OF", "OD", "OL", "OV", "UN")
NEEDED = {0x00080016, 0x00080018, 0x0020000D, 0x0020000E, 0x00100010, 0x00080060, 0x00280004, 0x00280008, 0x7FE00010}


def plain_ct() -> Dataset:
    """A small CT without anything of note."""
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, "1.2.3.4"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.FrameOfReferenceUID = "1.2.3", "1.2.3.5", "1.2.3.6"
    dataset.Modality, dataset.PatientName, dataset.PatientID = "CT", "Doe^Jane", "MRN12345"
    dataset.StudyDate, dataset.StudyTime, dataset.PatientBirthDate = "20240110", "101112", "19500203"
    dataset.Rows = dataset.Columns = 8
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PixelRepresentation = 1, "MONOCHROME2", 1
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    dataset.PixelData = np.arange(64, dtype=np.int16).tobytes()
    dataset["PixelData"].VR = "OW"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset


def planted(word: str, *, names: bool = True) -> Dataset:
    """A CT with a word in every attribute of the dictionary that holds text or bytes, in items, and around."""
    dataset = plain_ct()
    plant(dataset, word, names)
    if names:
        item, deep = Dataset(), Dataset()
        plant(item, word, names)
        plant(deep, word, names)
        item.DerivationCodeSequence = [deep]
        dataset.ContentSequence = [item]
    for group in (0x0009, 0x0019, 0x7FE1):
        dataset.add_new((group, 0x0010), "LO", f"{word} 1.0")
        dataset.add_new((group, 0x1001), "OB", word.encode())
    for group in (0x5000, 0x6000, 0x6002):
        dataset.add_new((group, 0x0022), "LO", word)
        dataset.add_new((group, 0x3000), "OW", word.encode() * 2)
    dataset.add_new(0xFFFCFFFC, "OB", word.encode())
    dataset.PixelData += word.encode() * 2
    dataset.preamble = word.encode().ljust(128, b"\0")
    dataset.file_meta.SourceApplicationEntityTitle = word
    dataset.file_meta.PrivateInformationCreatorUID = UID("1.2.3")
    dataset.file_meta.PrivateInformation = word.encode()
    return dataset


def plant(dataset: Dataset, word: str, names: bool) -> None:
    """Put a word, as raw bytes, into every attribute of text or bytes but pixels, tables and samples."""
    for tag, (vr, _, _, _, keyword) in DicomDictionary.items():
        kind = vr.split(" or ")[0]
        if kind in TEXT or (kind in BYTES and not may_keep_bytes(Tag(tag), kind)):
            if not names and (kind == "PN" or keyword in IDENTIFYING):
                continue
            if tag >> 16 < 8 or tag in NEEDED or tag in dataset:
                continue
            value = word.encode() + b" " * (len(word) % 2)
            dataset[Tag(tag)] = RawDataElement(Tag(tag), kind, len(value), value, 0, False, True, True)


def through(dataset: Dataset, **options: Any) -> tuple[Dataset, bytes]:
    """De-identify as the tool does: written, read, cleaned, written."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # canaries are no dates and no numbers
        first, second = io.BytesIO(), io.BytesIO()
        dataset.save_as(first, enforce_file_format=True)
        first.seek(0)
        new = deidentify(dcmread(first), PSEUDONYMS, **options).dataset
        new.save_as(second, enforce_file_format=True)
        second.seek(0)
        return dcmread(second), second.getvalue()


def holding(dataset: Dataset, word: str) -> Iterator[DataElement]:
    """Elements, items' too, that hold a word."""
    for element in dataset.iterall():
        if element.VR != "SQ" and word in str(element.value):
            yield element


def test_a_name_is_left_nowhere() -> None:
    dataset = planted("CANARY")
    dataset.PatientName = "Canary^Jane"
    new, data = through(dataset)
    assert sum(1 for _ in holding(dataset, "CANARY")) > 2000
    assert [element.tag for element in holding(new, "CANARY")] == []
    assert b"CANARY" not in data.upper()


def test_any_other_word_is_left_only_where_the_report_says_so() -> None:
    new, _ = through(planted("ZEBRA", names=False))
    left = list(holding(new, "ZEBRA"))
    assert {element.VR for element in left} == {"CS", "LO", "SH"}
    assert {int(element.tag) for element in left if element.VR != "CS"} == TEXT_KEPT
    assert "ZEBRA" not in f"{new.file_meta}{new.preamble!r}"


def test_lower_case_words_are_left_only_in_what_the_scanner_wrote() -> None:
    new, _ = through(planted("Zebra, born 1950", names=False))
    assert {int(element.tag) for element in holding(new, "Zebra")} == TEXT_KEPT


def test_what_was_done_is_said_in_the_object() -> None:
    new, _ = through(plain_ct(), keep_characteristics=True)
    codes = [item.CodeValue for item in new.DeidentificationMethodCodeSequence]
    assert codes == ["113100", "113107", "113108"]
    assert new.PatientIdentityRemoved == "YES"
    assert new.LongitudinalTemporalInformationModified == "MODIFIED"
    assert "BurnedInAnnotation" not in new
    assert new.PatientBirthDate == ""
    assert new.preamble == bytes(128)
    assert [i.CodeValue for i in through(plain_ct())[0].DeidentificationMethodCodeSequence] == codes[:2]


def test_pixels_geometry_and_scanner_stay() -> None:
    dataset = plain_ct()
    dataset.ImagePositionPatient, dataset.PixelSpacing = [-12.5, 3, 77.25], [0.5, 0.5]
    dataset.Manufacturer, dataset.KVP, dataset.RescaleIntercept = "Maker", "120", -1024
    new, _ = through(dataset)
    assert new.PixelData == dataset.PixelData
    for keyword in ("ImagePositionPatient", "PixelSpacing", "Manufacturer", "KVP", "RescaleIntercept", "Modality"):
        assert new[keyword].value == dataset[keyword].value


def test_the_time_of_birth_goes_and_other_times_of_day_stay() -> None:
    dataset = plain_ct()
    dataset.PatientBirthTime = "0304"
    new, _ = through(dataset)
    assert "PatientBirthTime" not in new
    assert new.StudyTime == "101112"


def test_references_still_resolve() -> None:
    image, other = plain_ct(), plain_ct()
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = CTImageStorage, image.SOPInstanceUID
    other.SOPInstanceUID, other.ReferencedImageSequence = "1.2.3.9", [reference]
    one, two = through(image)[0], through(other)[0]
    assert two.ReferencedImageSequence[0].ReferencedSOPInstanceUID == one.SOPInstanceUID == one.file_meta[2, 3].value
    assert two.ReferencedImageSequence[0].ReferencedSOPClassUID == CTImageStorage
    assert (one.StudyInstanceUID, one.FrameOfReferenceUID) == (two.StudyInstanceUID, two.FrameOfReferenceUID)


def test_intervals_of_one_patient_are_kept_and_patients_are_moved_differently() -> None:
    from datetime import date

    first, second, stranger = plain_ct(), plain_ct(), plain_ct()
    second.StudyDate, stranger.PatientID = "20240120", "OTHER1"
    dates = [date.fromisoformat(through(one)[0].StudyDate) for one in (first, second, stranger)]
    assert (dates[1] - dates[0]).days == 10
    assert dates[2] != dates[0]
    assert through(first)[0].PatientID == through(second)[0].PatientID != through(stranger)[0].PatientID


def test_characteristics_stay_if_asked_and_if_they_are_ones() -> None:
    dataset = plain_ct()
    dataset.PatientSex, dataset.PatientAge, dataset.PatientWeight, dataset.EthnicGroup = "F", "097Y", "61.5", "Doe"
    kept = through(dataset, keep_characteristics=True)[0]
    assert (kept.PatientSex, kept.PatientAge, kept.PatientWeight) == ("F", "090Y", 61.5)
    assert "EthnicGroup" not in kept
    assert not {"PatientAge", "PatientWeight"} & {element.keyword for element in through(dataset)[0]}


def test_codes_of_public_schemes_stay_and_others_are_hidden() -> None:
    dataset = plain_ct()
    lung, local = Dataset(), Dataset()
    lung.CodeValue, lung.CodingSchemeDesignator, lung.CodeMeaning = "39607008", "SCT", "Lung of Jane Doe"
    local.CodeValue, local.CodingSchemeDesignator, local.CodeMeaning = "DOE1", "99LOCAL", "Jane Doe"
    dataset.AnatomicRegionSequence = [lung, local]
    new = through(dataset)[0].AnatomicRegionSequence
    assert [(item.CodeValue, item.CodeMeaning) for item in new] == [
        ("39607008", "Lung"),
        ("ANONYMIZED", "ANONYMIZED"),
    ]


def test_text_of_a_report_is_replaced_and_counted(shared_data: Path) -> None:
    dataset = dcmread(shared_data / "dicom_highdicom" / "sr_document.dcm")
    dataset.ContentSequence[0].TextValue, dataset.ContentSequence[0].ValueType = "Jane Doe has a nodule", "TEXT"
    cleaned = deidentify(dataset, PSEUDONYMS)
    assert cleaned.removed["text of a report"] >= 1
    assert cleaned.dataset.ContentSequence[0].TextValue == "ANONYMIZED"
    assert "nodule" not in str(cleaned.dataset)


@pytest.mark.parametrize("syntax", ["emri_small_big_endian", "MR2_UNCI", "emri_small_RLE", "693_J2KR", "JPEG-LL"])
def test_real_files_of_every_encoding_show_the_same(syntax: str, shared_data: Path) -> None:
    path = shared_data / "dicom_pydicom_data" / f"{syntax}.dcm"
    old = dcmread(path)
    file = io.BytesIO()
    deidentify(dcmread(path), PSEUDONYMS).dataset.save_as(file, enforce_file_format=True)
    file.seek(0)
    new = dcmread(file)
    assert new.file_meta.TransferSyntaxUID == old.file_meta.TransferSyntaxUID
    np.testing.assert_array_equal(new.pixel_array, old.pixel_array)


@pytest.mark.parametrize(
    "name", ["ct_image", "dx_image", "sr_document", "seg_image_ct_binary_overlap", "sm_image", "sm_annotations"]
)
def test_validators_find_nothing_new(name: str, shared_data: Path, tmp_path: Path) -> None:
    path = shared_data / "dicom_highdicom" / f"{name}.dcm"
    if shutil.which("dciodvfy") is None:
        pytest.skip("no dciodvfy: apt-get install dicom3tools")
    deidentify(dcmread(path), PSEUDONYMS).dataset.save_as(tmp_path / "new.dcm", enforce_file_format=True)
    before, after = (_errors(file) for file in (path, tmp_path / "new.dcm"))
    assert after <= before


def _errors(path: Path) -> set[str]:
    said = subprocess.run(["dciodvfy", "-new", str(path)], capture_output=True, text=True, check=False).stderr
    return {line for line in said.splitlines() if line.startswith("Error")}
