"""Whether pixels or documents may name the patient, told by metadata: what may is set apart, never called clean."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pydicom import Dataset

Verdict = Literal["clean", "quarantine", "refused"]

_SECONDARY = "1.2.840.10008.5.1.4.1.1.7"
_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
_REFUSED = {
    "1.2.840.10008.5.1.4.1.1.66": "raw data: what its bytes hold is unknown",
    "1.2.840.10008.5.1.4.1.1.104.1": "an encapsulated PDF: its text cannot be cleaned",
    "1.2.840.10008.5.1.4.1.1.104.2": "an encapsulated CDA document: its text cannot be cleaned",
    "1.2.840.10008.5.1.4.1.1.104.3": "an encapsulated STL model: it may show the patient's shape",
    "1.2.840.10008.5.1.4.1.1.104.4": "an encapsulated OBJ model: it may show the patient's shape",
    "1.2.840.10008.5.1.4.1.1.104.5": "an encapsulated MTL document: its text cannot be cleaned",
}
_ANNOTATED = {
    "US": "ultrasound: machines draw the patient's name into the picture",
    "IVUS": "intravascular ultrasound: machines draw the patient's name into the picture",
    "ES": "endoscopy: processors draw the patient's name into the picture",
    "XC": "a photograph: it may show a face or a name plate",
    "GM": "microscopy that is no slide: cameras draw text into the picture",
    "OP": "ophthalmic photography: cameras draw text into the picture",
    "OPT": "ophthalmic tomography: reports of it hold the patient's name",
    "OT": "modality OT: it may be anything, a scanned letter too",
    "DOC": "a document",
    "ECG": "an ECG: sheets hold the patient's name",
}
_PROJECTIONS = ("CR", "DX", "MG", "XA", "RF", "PX", "IO", "RG")
_GRAY = (*_PROJECTIONS, "CT", "MR", "PT", "NM")
_SCREEN = re.compile(
    r"\bSCREEN\b|SCREEN ?(?:SAVE|SHOT|CAP)|\bSAVED?\b|CAPTURE|SNAPSHOT|"
    r"REPORT|SUMMARY|DOSE (?:INFO|SHEET)|PATIENT PROTOCOL"
)
"""Words of image types and descriptions; not those of a low dose or a screening examination."""
_VIDEO = ("1.2.840.10008.1.2.4.10",)


@dataclass(frozen=True, slots=True)
class Risk:
    """What becomes of an object, and why; reasons quote nothing of it."""

    verdict: Verdict
    reasons: tuple[str, ...] = ()


def risk_of(dataset: Dataset) -> Risk:
    """Judge an object by its metadata, before anything of them is removed.

    Args:
        dataset: As it was read.
    """
    if refusal := _refusal(dataset):
        return Risk("refused", (refusal,))
    has_pixels = any(keyword in dataset for keyword in ("PixelData", "FloatPixelData", "DoubleFloatPixelData"))
    reasons = tuple(_pixel_reasons(dataset)) if has_pixels else ()
    return Risk("quarantine" if reasons else "clean", reasons)


def _refusal(dataset: Dataset) -> str:
    storage = _text(dataset, "SOPClassUID")
    if "DirectoryRecordSequence" in dataset:
        return "a DICOMDIR: it lists files by their old names"
    if storage in _REFUSED:
        return _REFUSED[storage]
    if "EncapsulatedDocument" in dataset:
        return "an encapsulated document: its text cannot be cleaned"
    if "PixelDataProviderURL" in dataset:
        return "its pixels are elsewhere (0028,7FE0)"
    if not storage:
        return "no SOP class (0008,0016): what it is cannot be told"
    if not storage.startswith("1.2.840.10008."):
        return "a private SOP class: what its attributes hold is unknown"
    missing = [keyword for keyword in _UIDS if not _text(dataset, keyword)]
    return f"no {' and no '.join(missing)}" if missing else ""


def _pixel_reasons(dataset: Dataset) -> list[str]:
    """Everything that speaks for text, faces or labels in the pixels."""
    modality, burned = _text(dataset, "Modality").upper(), _text(dataset, "BurnedInAnnotation").upper()
    reasons = []
    if burned == "YES":
        reasons.append("Burned In Annotation (0028,0301) is YES")
    elif modality in _PROJECTIONS and burned != "NO":
        said = "not NO" if burned else "absent"
        reasons.append(f"a projection image whose Burned In Annotation (0028,0301) is {said}")
    if _text(dataset, "RecognizableVisualFeatures").upper() == "YES":
        reasons.append("Recognizable Visual Features (0028,0302) is YES")
    if modality in _ANNOTATED:
        reasons.append(_ANNOTATED[modality])
    elif not modality:
        reasons.append("no modality (0008,0060)")
    return reasons + _screen_reasons(dataset, modality) + _slide_reasons(dataset)


def _screen_reasons(dataset: Dataset, modality: str) -> list[str]:
    """What speaks for a picture of a screen or of paper."""
    reasons = []
    storage = _text(dataset, "SOPClassUID")
    if storage == _SECONDARY or storage.startswith(_SECONDARY + "."):
        reasons.append("a secondary capture: a picture of a screen or of paper")
    elif "ConversionType" in dataset:
        reasons.append("Conversion Type (0008,0064) says that it was digitised or captured")
    said = " ".join(_text(dataset, keyword) for keyword in ("ImageType", "SeriesDescription", "ImageComments"))
    if _SCREEN.search(said.upper()):
        reasons.append("its image type or description speaks of a screen, a report or a dose sheet")
    if modality in _GRAY and not _text(dataset, "PhotometricInterpretation").startswith("MONOCHROME"):
        reasons.append("colours in an image of a gray modality: most are pictures of a screen")
    if _text(getattr(dataset, "file_meta", None), "TransferSyntaxUID").startswith(_VIDEO):
        reasons.append("a video")
    return reasons


def _slide_reasons(dataset: Dataset) -> list[str]:
    if _text(dataset, "SpecimenLabelInImage").upper() == "YES":
        return ["Specimen Label in Image (0048,0010) is YES"]
    if re.search("LABEL|OVERVIEW", _text(dataset, "ImageType").upper()):
        return ["a picture of a slide's label or of the whole glass"]
    return []


def _text(dataset: Dataset | None, keyword: str) -> str:
    """Value of an attribute as text, values of a list with spaces between; empty where there is none."""
    value = dataset.get(keyword) if dataset is not None else None
    many = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    return " ".join(str(one) for one in many if one is not None)
