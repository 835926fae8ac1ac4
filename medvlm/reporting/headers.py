"""What of a source's header goes into the objects that we write: whose study it is and its geometry, and nothing else.

Free text of the source (descriptions, comments, private attributes) may hold anything and is left behind. What PS3.3
wants to be there, if only empty (type 2), is empty where the scanner left it out; dates and times in the form of
ACR-NEMA (1994.11.05, 11:20:00) are rewritten, and those that are none are empty.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydicom import Dataset

    from medvlm.reporting.report import Used

TYPE_2 = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "AccessionNumber",
    "StudyID", "ReferringPhysicianName",
)  # fmt: skip
"""Attributes of patient and study that must be there, if only empty."""
_KEPT = (
    *TYPE_2, "SpecificCharacterSet", "IssuerOfPatientID", "PatientIdentityRemoved",
    "DeidentificationMethodCodeSequence", "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID",
    "SeriesNumber", "InstanceNumber", "Modality", "FrameOfReferenceUID", "PositionReferenceIndicator", "Laterality",
    "PatientOrientation", "ImageOrientationPatient", "ImagePositionPatient", "ImageOrientationSlide", "PixelSpacing",
    "SliceThickness", "SpacingBetweenSlices", "Rows", "Columns", "NumberOfFrames", "ImageType",
    "TotalPixelMatrixRows", "TotalPixelMatrixColumns", "TotalPixelMatrixOriginSequence", "DimensionOrganizationType",
    "DimensionOrganizationSequence", "DimensionIndexSequence", "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence", "OpticalPathSequence", "ImagedVolumeWidth", "ImagedVolumeHeight",
    "ImagedVolumeDepth", "ContainerIdentifier", "SpecimenDescriptionSequence", "ContainerTypeCodeSequence",
    "IssuerOfTheContainerIdentifierSequence",
)  # fmt: skip
_DATES, _TIMES = ("PatientBirthDate", "StudyDate"), ("StudyTime",)
_DATE = re.compile(r"\d{4}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
_TIME = re.compile(r"(?:[01]\d|2[0-3])(?:[0-5]\d(?:[0-5]\d(?:\.\d{1,6})?)?)?")
_RETIRED = frozenset(f"1.2.840.10008.5.1.4.1.1.{number}" for number in ("3", "5", "6", "12.3"))
"""Ultrasound and angiography of before 1993, and nuclear medicine: none of our objects may refer to their modules."""
_UID = re.compile(r"[0-9]+(?:\.[0-9]+)+")


def read_header(path: Path) -> Dataset:
    """The header of a source, as objects of ours may take from it.

    Args:
        path: A DICOM file, with or without preamble.

    Raises:
        ImageError: If it cannot be read any more.
    """
    from medvlm.datamodules.readers.dicom import open_dicom

    header = open_dicom(path, "FILE", _KEPT, header=True)
    for keyword in TYPE_2:
        if keyword not in header:
            setattr(header, keyword, "")
    for keyword in (*_DATES, *_TIMES):
        setattr(header, keyword, _moment(header, keyword))
    if header.PatientSex not in ("M", "F", "O", "", None):
        header.PatientSex = ""
    if not header.get("Modality"):
        header.Modality = "OT"
    _state_how_identity_was_removed(header)
    return header


def _moment(header: Dataset, keyword: str) -> str:
    text = re.sub(r"[.:](?=\d\d(?:\D|$))" if keyword in _TIMES else r"[.:/-]", "", str(header.get(keyword) or ""))
    return text if (_TIME if keyword in _TIMES else _DATE).fullmatch(text) else ""


def _state_how_identity_was_removed(header: Dataset) -> None:
    """Type 1C (0012,0063): the source may leave it empty, and its own words could hold anything."""
    if header.get("PatientIdentityRemoved") == "YES":
        header.DeidentificationMethod = "as that of the source images"


def uncited(used: Used | Mapping[str, Any]) -> str:
    """Why no DICOM object can refer to what was shown; empty if one can.

    Args:
        used: The image of a report, or its JSON values.

    Examples:
        >>> uncited({"study_uid": "1.2.3", "series_uid": "1.2.3.4", "instances": [{"uid": ""}]})
        'no DICOM objects: the source has no valid SOPInstanceUID (0008,0018)'
    """
    values = used if isinstance(used, Mapping) else asdict(used)
    shown: Sequence[Mapping[str, str]] = values["instances"]
    asked = {
        "StudyInstanceUID (0020,000D)": [values["study_uid"]],
        "SeriesInstanceUID (0020,000E)": [values["series_uid"]],
        "SOPInstanceUID (0008,0018)": [one["uid"] for one in shown] or [""],
        "SOPClassUID (0008,0016)": [one.get("sop_class", "1.2") for one in shown],
    }
    lacking = [name for name, uids in asked.items() if not all(_UID.fullmatch(uid) for uid in uids)]
    if lacking:
        return f"no DICOM objects: the source has no valid {', '.join(lacking)}"
    retired = sorted(_RETIRED & {one.get("sop_class", "") for one in shown})
    return f"no DICOM objects: the source is of a retired class ({', '.join(retired)})" if retired else ""
