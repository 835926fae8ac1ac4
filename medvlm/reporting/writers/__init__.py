"""What a report can be written as: a function a file, from the report and its material to the bytes of a file."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from medvlm.files import write_whole
from medvlm.reporting.headers import uncited
from medvlm.reporting.report import StudyReport, Used
from medvlm.reporting.writers import packages
from medvlm.reporting.writers.encapsulated import write_encapsulated
from medvlm.reporting.writers.fhir import write_fhir
from medvlm.reporting.writers.hl7 import write_hl7
from medvlm.reporting.writers.measured_sr import write_measured_sr
from medvlm.reporting.writers.overlay import write_capture
from medvlm.reporting.writers.page import write_html, write_pdf
from medvlm.reporting.writers.plain import write_json
from medvlm.reporting.writers.segmentation import write_segmentation
from medvlm.reporting.writers.text_sr import write_text_sr
from medvlm.study import ImageError, MedvlmError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pydicom import Dataset


@dataclass(frozen=True, slots=True)
class Material:
    """What a writer has besides the report; it may name the patient and is never kept.

    Attributes:
        headers: Headers of the files that were shown, without pixels, in the order of ``report.current.instances``;
            empty where the study is no DICOM.
        picture: The key image as it is displayed, ``(H, W)`` or ``(H, W, 3)`` bytes, of the file's own size, so that
            boxes times its size are pixels; None where there is none.
        edges: What the left, top, right and bottom edge of the picture are in the patient (``RHLF``: a frontal view);
            empty if unknown.
        masks: Where a finding lies, ``(slices, H, W)`` booleans by its name.
        made: Forms of this report that were made already, by name: what holds another form need not make it again.
    """

    headers: tuple[Dataset, ...] = ()
    picture: NDArray[np.uint8] | None = None
    masks: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    edges: str = ""
    made: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Writer:
    """One form of a report.

    Attributes:
        suffix: Of its file; the study's id stands before it.
        write: Makes the bytes of the file; None where this study gives none (a reason is in the report then).
        dicom: Whether it needs a study of DICOM files.
        optional: Whether there are reports that give none.
        needs: Loads the package that it needs besides the core's.
        about: In words.
    """

    suffix: str
    write: Callable[[StudyReport, Material], bytes | None]
    dicom: bool = False
    optional: bool = False
    needs: Callable[[], ModuleType] | None = None
    about: str = ""


_DICOM: dict[str, Any] = {"dicom": True, "needs": packages.highdicom}

WRITERS: Mapping[str, Writer] = {
    "json": Writer(".json", write_json, about="everything, by the published schema"),
    "html": Writer(".html", write_html, about="one page that needs nothing else"),
    "pdf": Writer(".pdf", write_pdf, needs=packages.weasyprint, about="the same page to print"),
    "sr": Writer(".sr.dcm", write_text_sr, about="DICOM Basic Text SR: the text, for any archive", **_DICOM),
    "tid1500": Writer(
        ".tid1500.dcm", write_measured_sr, optional=True, about="DICOM SR by TID 1500: findings, boxes, sizes", **_DICOM
    ),
    "encapsulated": Writer(
        ".pdf.dcm", write_encapsulated, dicom=True, needs=packages.weasyprint, about="the PDF as a DICOM object"
    ),
    "capture": Writer(
        ".sc.dcm", write_capture, optional=True, about="DICOM secondary capture: the key image with boxes", **_DICOM
    ),
    "seg": Writer(
        ".seg.dcm", write_segmentation, optional=True, about="DICOM segmentation, where there are masks", **_DICOM
    ),
    "fhir": Writer(".fhir.json", write_fhir, about="FHIR R4B DiagnosticReport and ImagingStudy"),
    "hl7": Writer(".hl7", write_hl7, about="HL7 v2.5 ORU^R01"),
}
"""By name; JSON is always written, and last: where it is, all others are."""


def check_forms(forms: Sequence[str]) -> None:
    """Refuse forms that cannot be written here, before any study is read.

    Args:
        forms: Names of `WRITERS`.

    Raises:
        ValueError: If one is unknown.
        ImportError: If its package is not installed; the message is the command to run.
    """
    if unknown := sorted(set(forms) - set(WRITERS)):
        raise ValueError(f"forms {', '.join(unknown)} are unknown; expected some of {', '.join(WRITERS)}")
    for name in forms:
        if (load := WRITERS[name].needs) is not None:
            load()


def no_objects(forms: Sequence[str], dicom: bool, used: Used | Mapping[str, Any]) -> str:
    """Why the DICOM objects among these forms are not written; empty where they are, or none is asked for.

    Args:
        forms: Names of `WRITERS`.
        dicom: Whether the study is of DICOM files: that no other gives DICOM objects need not be said.
        used: The image of the report, or its JSON values.
    """
    return uncited(used) if dicom and any(WRITERS[name].dicom for name in forms) else ""


def save_report(folder: Path, report: StudyReport, material: Material, forms: Sequence[str] = ()) -> None:
    """Write a report in these forms, each file by one rename, and the JSON after all others.

    Args:
        folder: Of the reports.
        report: The report.
        material: What writers need besides.
        forms: Names of `WRITERS`.

    Raises:
        ImageError: If a header makes a form impossible; nothing of the header is in the message.
        OSError: If the disk is full.
        ValueError: If a form is unknown.
    """
    check_forms(forms)
    cited = bool(material.headers) and not uncited(report.current)
    made: dict[str, bytes] = {}
    material = replace(material, made=made)
    for name in [*(form for form in WRITERS if form in forms and form != "json"), "json"]:
        if WRITERS[name].dicom and not cited:
            continue
        if (data := _made(name, report, material)) is not None:
            write_whole(folder / f"{report.study}{WRITERS[name].suffix}", data)
            made[name] = data


def _made(name: str, report: StudyReport, material: Material) -> bytes | None:
    """A form as bytes; packages quote the header in what they raise and warn of, which is left behind."""
    try:
        with warnings.catch_warnings(action="ignore"):
            return WRITERS[name].write(report, material)
    except MedvlmError:
        raise
    except (ArithmeticError, AttributeError, LookupError, NotImplementedError, TypeError, ValueError) as error:
        raise ImageError(
            f"{name} cannot be made of this study's headers ({type(error).__name__}): check them with dciodvfy, or "
            f"leave {name} out"
        ) from None
