"""What all DICOM objects that we write share: whose they are, deterministic UIDs and times, UTF-8, our name."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any

from medvlm.reporting.report import StudyReport
from medvlm.reporting.uids import make_uid

if TYPE_CHECKING:
    from pydicom import Dataset

MANUFACTURER = "medvlm"
WARNING = "NOT FOR CLINICAL USE"
SERIES_NUMBERS = {"sr": 9901, "tid1500": 9902, "encapsulated": 9903, "capture": 9904, "seg": 9905}
"""Series numbers (0020,0011) of our objects, far from those of a scanner."""
_SHORT_TEXT = 1024  # characters of VR ST (PS3.5 6.2)
_CLOCK = ("DateOfSecondaryCapture", "TimeOfSecondaryCapture")


def identity(report: StudyReport, form: str) -> dict[str, Any]:
    """Keyword arguments of a highdicom object: the same source, model and form give the same UIDs.

    Args:
        report: The report.
        form: Name of the writer.
    """
    return {
        "series_instance_uid": own_uid(report, form, "series"),
        "series_number": SERIES_NUMBERS[form],
        "sop_instance_uid": own_uid(report, form, "instance"),
        "instance_number": 1,
        "manufacturer": MANUFACTURER,
    }


def own_uid(report: StudyReport, form: str, level: str) -> str:
    """The UID of an object of ours.

    Args:
        report: Names the study, the files that were shown, and the run.
        form: Name of the writer.
        level: ``series``, ``instance`` or another thing with a UID.
    """
    shown = [instance.uid for image in report.images for instance in image.instances]
    return make_uid(report.current.study_uid or report.study, report.run, form, level, *shown)


def finish(data: Dataset, report: StudyReport, description: str) -> bytes:
    """Complete an object and write it as a file (PS3.10).

    Texts are UTF-8 (``ISO_IR 192``), dates and times those of the run, and the series says in its description
    (0008,103E) that it is not for clinical use.

    Args:
        data: The object; it is changed.
        report: The report.
        description: What the series is, in a few words.
    """
    moment = datetime.fromisoformat(report.created)
    date, time = moment.strftime("%Y%m%d"), moment.strftime("%H%M%S")
    for keyword in ("ContentDate", "SeriesDate", "InstanceCreationDate"):
        setattr(data, keyword, date)
    for keyword in ("ContentTime", "SeriesTime", "InstanceCreationTime"):
        setattr(data, keyword, time)
    for element in data.iterall():
        if element.keyword == "ContributionDateTime":
            element.value = moment.strftime("%Y%m%d%H%M%S%z")
        elif element.keyword in _CLOCK:
            element.value = date if element.VR == "DA" else time
    data.TimezoneOffsetFromUTC = moment.strftime("%z") or "+0000"
    data.SeriesDescription = f"AI {description}: {WARNING}"
    data.ManufacturerModelName = report.origin.model[:64]
    data.SoftwareVersions = [f"medvlm {report.origin.version}"[:64], report.origin.weights[:64]]
    _say_whence(data, report)
    _in_utf8(data)
    buffer = BytesIO()
    data.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _say_whence(data: Dataset, report: StudyReport) -> None:
    """What made the object, as contributing equipment (0018,A001): objects without text have no other place for it."""
    from pydicom import Dataset

    purpose, item = Dataset(), Dataset()
    purpose.CodeValue, purpose.CodingSchemeDesignator, purpose.CodeMeaning = "109102", "DCM", "Processing Equipment"
    item.PurposeOfReferenceCodeSequence = [purpose]
    item.Manufacturer, item.ManufacturerModelName = MANUFACTURER, report.origin.model[:64]
    item.SoftwareVersions = f"medvlm {report.origin.version}"[:64]
    item.ContributionDescription = f"{WARNING}; {'; '.join(lines_of(report))}"[:_SHORT_TEXT]
    data.ContributingEquipmentSequence = [*data.get("ContributingEquipmentSequence", []), item]


def references(headers: Sequence[Dataset]) -> list[Dataset]:
    """Items that refer to the files that were shown.

    Args:
        headers: Of these files.
    """
    from pydicom import Dataset

    items = []
    for header in headers:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = header.SOPClassUID, header.SOPInstanceUID
        items.append(item)
    return items


def _in_utf8(data: Dataset) -> None:
    """State the character set, and let names that came from another one be encoded anew."""
    from pydicom.valuerep import PersonName

    for element in data.iterall():
        if element.VR == "PN" and element.value:
            element.value = PersonName(str(element.value))
    data.SpecificCharacterSet = "ISO_IR 192"
    for element in data.iterall():
        if element.VR == "SQ":
            for item in element.value:
                item.pop("SpecificCharacterSet", None)


def lines_of(report: StudyReport) -> list[str]:
    """Where the report comes from, a line each, as every form of it says.

    Args:
        report: The report.
    """
    origin = report.origin
    decoding = ", ".join(f"{name}={value}" for name, value in sorted(origin.decoding.items()))
    return [
        f"model {origin.model}, medvlm {origin.version}",
        f"weights sha256:{origin.weights}",
        f"prompt {origin.prompt}",
        f"decoding {decoding}",
        f"run {report.run}",
        f"intensities {report.current.recipe or 'unknown'}",
        *(f"note: {note}" for note in origin.notes),
        *(f"warning: {warning}" for warning in dict.fromkeys([report.disclaimer, *origin.warnings]) if warning),
    ]
