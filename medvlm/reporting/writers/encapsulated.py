"""The PDF of a report inside a DICOM object (PS3.3 A.45.1), so that the archive keeps it beside the images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medvlm.reporting.headers import TYPE_2
from medvlm.reporting.report import StudyReport
from medvlm.reporting.writers.dicom import MANUFACTURER, finish, identity, references
from medvlm.reporting.writers.page import write_pdf

if TYPE_CHECKING:
    from pydicom import Dataset

    from medvlm.reporting.writers import Material

ENCAPSULATED_PDF = "1.2.840.10008.5.1.4.1.1.104.1"
_COPIED = (
    "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyDate",
    "StudyTime", "AccessionNumber", "StudyID", "ReferringPhysicianName", "PatientIdentityRemoved",
    "DeidentificationMethod", "DeidentificationMethodCodeSequence",
)  # fmt: skip


def write_encapsulated(report: StudyReport, material: Material) -> bytes:
    """The PDF of `medvlm.reporting.writers.page` as an Encapsulated PDF object of the same study.

    Args:
        report: The report.
        material: Headers of the files that were shown; they say which patient and study it belongs to.

    Raises:
        ImportError: If weasyprint is not installed.
    """
    from pydicom import Dataset
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import UID, ExplicitVRLittleEndian

    names = identity(report, "encapsulated")
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = UID(ENCAPSULATED_PDF)
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = UID(names["sop_instance_uid"])
    data.SeriesInstanceUID, data.SeriesNumber = names["series_instance_uid"], names["series_number"]
    data.InstanceNumber = names["instance_number"]
    _copy(material.headers[0], data)
    data.Modality, data.Manufacturer, data.ConversionType = "DOC", MANUFACTURER, "WSD"
    data.AcquisitionDateTime = ""
    data.BurnedInAnnotation = "YES"
    data.DocumentTitle = "AI report, preliminary, unverified: not for clinical use"
    data.ConceptNameCodeSequence = [_title()]
    data.VerificationFlag = "UNVERIFIED"
    data.MIMETypeOfEncapsulatedDocument = "application/pdf"
    pdf = material.made.get("pdf") or write_pdf(report, material)
    data.EncapsulatedDocument = pdf + b"\0" * (len(pdf) % 2)
    data.EncapsulatedDocumentLength = len(pdf)
    data.SourceInstanceSequence = references(material.headers)
    return finish(data, report, "report (PDF)")


def _copy(source: Dataset, target: Dataset) -> None:
    """Who and which study, as the source says; what must be there is empty where it does not."""
    for keyword in TYPE_2:
        setattr(target, keyword, "")
    for keyword in _COPIED:
        if keyword in source:
            target[keyword] = source[keyword]


def _title() -> Dataset:
    from pydicom import Dataset

    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "18748-4", "LN", "Diagnostic imaging report"
    return code
