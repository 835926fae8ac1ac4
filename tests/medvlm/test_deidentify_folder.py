"""A folder de-identified: what is set apart and why, resuming, nothing overwritten, a log that names nobody."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    DigitalXRayImageStorageForPresentation,
    EncapsulatedPDFStorage,
    ExplicitVRLittleEndian,
    RawDataStorage,
    SecondaryCaptureImageStorage,
    UltrasoundImageStorage,
    VLWholeSlideMicroscopyImageStorage,
)

from medvlm.cli import main
from medvlm.deidentify_folder import LOG, FolderError, deidentify_folder
from medvlm.deidentify_risk import risk_of

KEY = b"0123456789abcdef"


def instance(number: int = 1, **fields: Any) -> Dataset:
    """A small object; ``None`` takes an attribute away."""
    dataset = Dataset()
    values: dict[str, Any] = {
        "SOPClassUID": CTImageStorage, "SOPInstanceUID": f"1.2.3.{number}", "StudyInstanceUID": "1.2",
        "SeriesInstanceUID": "1.2.3", "Modality": "CT", "PatientName": "Canary^Jane", "PatientID": "MRN123456",
        "Rows": 2, "Columns": 2, "SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "PixelRepresentation": 0, "PixelData": b"abcd",
    } | fields  # fmt: skip
    for keyword, value in values.items():
        if value is not None:
            setattr(dataset, keyword, value)
    if "PixelData" in dataset:
        dataset["PixelData"].VR = "OB"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset


def write(folder: Path, *datasets: Dataset) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for index, dataset in enumerate(datasets):
        dataset.save_as(folder / f"Canary_Jane_{index}.dcm", enforce_file_format=True)
    return folder


def listing(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("fields", "verdict", "reason"),
    [
        ({}, "clean", ""),
        ({"SeriesDescription": "LOW DOSE LUNG SCREENING"}, "clean", ""),
        ({"SOPClassUID": UltrasoundImageStorage, "Modality": "US"}, "quarantine", "ultrasound"),
        ({"SOPClassUID": UltrasoundImageStorage, "Modality": "US", "BurnedInAnnotation": "NO"}, "quarantine", "ultras"),
        ({"SOPClassUID": SecondaryCaptureImageStorage}, "quarantine", "secondary capture"),
        ({"SOPClassUID": SecondaryCaptureImageStorage, "BurnedInAnnotation": "NO"}, "quarantine", "secondary capture"),
        ({"BurnedInAnnotation": "YES"}, "quarantine", r"\(0028,0301\) is YES"),
        ({"RecognizableVisualFeatures": "YES"}, "quarantine", r"\(0028,0302\)"),
        ({"Modality": "CR"}, "quarantine", r"\(0028,0301\) is absent"),
        ({"SOPClassUID": DigitalXRayImageStorageForPresentation, "Modality": "DX", "BurnedInAnnotation": "NO"},
         "clean", ""),
        ({"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]}, "quarantine", "screen"),
        ({"SeriesDescription": "Dose Report"}, "quarantine", "dose sheet"),
        ({"PhotometricInterpretation": "RGB", "SamplesPerPixel": 3}, "quarantine", "colours"),
        ({"ConversionType": "DF"}, "quarantine", "digitised"),
        ({"Modality": "OT"}, "quarantine", "anything"),
        ({"Modality": None}, "quarantine", "no modality"),
        ({"SOPClassUID": VLWholeSlideMicroscopyImageStorage, "Modality": "SM", "ImageType": ["ORIGINAL", "LABEL"]},
         "quarantine", "label"),
        ({"SOPClassUID": VLWholeSlideMicroscopyImageStorage, "Modality": "SM", "SpecimenLabelInImage": "YES"},
         "quarantine", "0048,0010"),
        ({"SOPClassUID": EncapsulatedPDFStorage, "PixelData": None, "EncapsulatedDocument": b"%PDF"}, "refused", "PDF"),
        ({"EncapsulatedDocument": b"%PDF"}, "refused", "document"),
        ({"SOPClassUID": RawDataStorage}, "refused", "raw data"),
        ({"SOPClassUID": "1.2.840.113619.4.26"}, "refused", "private SOP class"),
        ({"SOPClassUID": None}, "refused", "no SOP class"),
        ({"SOPClassUID": None, "DirectoryRecordSequence": []}, "refused", "DICOMDIR"),
        ({"StudyInstanceUID": None}, "refused", "no StudyInstanceUID"),
        ({"Modality": "US", "PixelData": None}, "clean", ""),
    ],
)  # fmt: skip
def test_metadata_decides(fields: dict[str, Any], verdict: str, reason: str) -> None:
    risk = risk_of(instance(**fields))
    assert risk.verdict == verdict
    assert re.search(reason, "; ".join(risk.reasons))


def test_every_file_gets_a_verdict_and_burned_in_text_is_set_apart(tmp_path: Path) -> None:
    burned = instance(2, SOPClassUID=SecondaryCaptureImageStorage, PixelData=b"JANE")
    document = instance(3, SOPClassUID=EncapsulatedPDFStorage, PixelData=None, EncapsulatedDocument=b"%PDF Canary")
    source = write(tmp_path / "in", instance(1), burned, document)
    (source / "notes.txt").write_text("Canary Jane")
    (source / "broken.dcm").write_bytes((source / "Canary_Jane_0.dcm").read_bytes()[:300])
    before = listing(source)
    summary = deidentify_folder(source, tmp_path / "out", KEY)
    assert dict(summary.counts) == {"clean": 1, "quarantine": 1, "refused": 2, "skipped": 1}
    assert listing(source) == before
    written = sorted((tmp_path / "out").rglob("*.dcm"))
    assert [path.relative_to(tmp_path / "out").parts[0] == "quarantine" for path in written] == [False, True]
    assert b"JANE" in written[1].read_bytes()  # which is why it is there
    for path, data in listing(tmp_path / "out").items():
        assert not any(word in (path.encode() + data).upper() for word in (b"CANARY", b"MRN123456")), path


def test_files_lie_under_their_new_names(tmp_path: Path) -> None:
    deidentify_folder(write(tmp_path / "in", instance()), tmp_path / "out", KEY)
    path = next((tmp_path / "out").rglob("*.dcm"))
    new = dcmread(path)
    assert path.relative_to(tmp_path / "out").parts == (
        new.StudyInstanceUID, new.SeriesInstanceUID, f"{new.SOPInstanceUID}.dcm",
    )  # fmt: skip


def test_the_same_run_again_does_nothing_and_new_files_are_added(tmp_path: Path) -> None:
    source, out = write(tmp_path / "in", instance(1), instance(2)), tmp_path / "out"
    deidentify_folder(source, out, KEY)
    before = listing(out)
    assert deidentify_folder(source, out, KEY).counts == {"done before": 2}
    assert listing(out) == before
    write(tmp_path / "in" / "more", instance(3))
    assert deidentify_folder(source, out, KEY).counts == {"done before": 2, "clean": 1}


def test_a_run_that_died_goes_on(tmp_path: Path) -> None:
    source, out = write(tmp_path / "in", *(instance(number) for number in range(1, 5))), tmp_path / "out"
    deidentify_folder(source, out, KEY)
    whole = {path: data for path, data in listing(out).items() if path.endswith(".dcm")}
    lines = (out / LOG).read_text().splitlines()
    (out / LOG).write_text("\n".join(lines[:3]) + "\n" + lines[3][:20])  # killed while it wrote
    next(path for path in out.rglob("*.dcm") if path.name in lines[1]).unlink()  # and one was lost since
    counts = deidentify_folder(source, out, KEY).counts
    assert counts == {"done before": 1, "clean": 3}
    assert {path: data for path, data in listing(out).items() if path.endswith(".dcm")} == whole
    assert deidentify_folder(source, out, KEY).counts == {"done before": 4}


def test_a_file_that_changed_is_done_again_and_its_old_copy_goes(tmp_path: Path) -> None:
    source, out = write(tmp_path / "in", instance(1)), tmp_path / "out"
    deidentify_folder(source, out, KEY)
    write(source, instance(1, PixelData=b"changed!", Modality="US"))
    assert deidentify_folder(source, out, KEY).counts == {"quarantine": 1}
    (path,) = out.rglob("*.dcm")
    assert path.relative_to(out).parts[0] == "quarantine"
    assert dcmread(path).PixelData == b"chan"  # 2 x 2 pixels, and nothing behind them


def test_two_files_of_one_uid_never_overwrite_each_other(tmp_path: Path) -> None:
    summary = deidentify_folder(
        write(tmp_path / "in", instance(1), instance(1, PixelData=b"efgh")), tmp_path / "out", KEY
    )
    assert summary.counts == {"clean": 1, "refused": 1}
    assert next(iter(summary.reasons)) == "another file has the same SOP instance UID (0008,0018)"
    assert dcmread(next((tmp_path / "out").rglob("*.dcm"))).PixelData == b"abcd"


@pytest.mark.parametrize("change", ["key", "options"])
def test_another_key_or_option_needs_another_folder(tmp_path: Path, change: str) -> None:
    source = write(tmp_path / "in", instance())
    deidentify_folder(source, tmp_path / "out", KEY)
    with pytest.raises(FolderError, match="another key"):
        deidentify_folder(
            source, tmp_path / "out", KEY[::-1] if change == "key" else KEY, keep_characteristics=change == "options"
        )


@pytest.mark.parametrize("out", ["in", "in/out", "."])
def test_folders_that_overlap_are_refused(tmp_path: Path, out: str) -> None:
    source = write(tmp_path / "in", instance())
    with pytest.raises(FolderError, match="overlap"):
        deidentify_folder(source, tmp_path / out, KEY)
    with pytest.raises(FolderError, match="does not exist"):
        deidentify_folder(tmp_path / "none", tmp_path / "out", KEY)


def test_links_and_loops_are_not_followed_and_bad_folders_are_told(tmp_path: Path) -> None:
    source = write(tmp_path / "in", instance())
    (source / "loop").symlink_to(source)
    (source / "link.dcm").symlink_to(source / "Canary_Jane_0.dcm")
    (source / "empty.dcm").touch()
    os.mkfifo(source / "pipe")
    summary = deidentify_folder(source, tmp_path / "out", KEY)
    assert summary.counts["clean"] == 1
    assert {path.name: reason for path, reason in summary.problems} == {
        "link.dcm": "a link, pipe or device", "pipe": "a link, pipe or device", "empty.dcm": "an empty file",
    }  # fmt: skip


def test_the_log_gives_reasons_and_no_names(tmp_path: Path) -> None:
    source = write(tmp_path / "in", instance(1), instance(2, Modality="US"))
    deidentify_folder(source, tmp_path / "out", KEY)
    head, *records = map(json.loads, (tmp_path / "out" / LOG).read_text().splitlines())
    assert head["profile"] == "PS3.15 2026c"
    assert [record["verdict"] for record in records] == ["clean", "quarantine"]
    assert records[1]["reasons"] == ["ultrasound: machines draw the patient's name into the picture"]
    assert "Jane" not in json.dumps(records)


def test_the_command_says_what_it_did_not_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write(tmp_path / "in", instance(1), instance(2, Modality="US"))
    assert main(["convert", "deidentify", str(source), str(tmp_path / "out"), "--quiet"]) == 1
    said = capsys.readouterr().out
    assert said.startswith("1 clean, 1 quarantine\n")
    assert "must look at every image" in said
    assert f"A new key was written to {tmp_path / 'out.key'}" in said
    shutil.rmtree(tmp_path / "out")
    assert main(["convert", "deidentify", str(source / "Canary_Jane_0.dcm"), str(tmp_path / "out"), "--quiet"]) == 0
    assert "1 clean\n" in capsys.readouterr().out
