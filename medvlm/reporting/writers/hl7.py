r"""A report as HL7 v2.5 ORU^R01, the message by which results reach a RIS; every result is preliminary (P).

Delimiters and line ends inside texts are escaped (HL7 2.5 chapter 2.7): ``|`` ``^`` ``&`` ``~`` and the backslash by
their escape sequences, a new line by ``\.br\``, so that no text can open a segment of its own.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from medvlm.reporting.report import SECTIONS, StudyReport
from medvlm.reporting.writers.dicom import MANUFACTURER, WARNING, lines_of

if TYPE_CHECKING:
    from medvlm.reporting.writers import Material

_ESCAPES = {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\"}
_WHO = ("PatientID", "PatientName", "AccessionNumber")
_CODES = {
    "findings": "18782-3^Radiology Study observation^LN",
    "impression": "19005-8^Radiology Imaging study impression^LN",
}


def write_hl7(report: StudyReport, material: Material) -> bytes:
    """The report as one message; segments end in a carriage return, texts are UTF-8 (MSH-18).

    Args:
        report: The report.
        material: The first header gives PatientID, name and accession number.
    """
    time = datetime.fromisoformat(report.created).strftime("%Y%m%d%H%M%S%z")
    header = material.headers[0] if material.headers else None
    number, name, accession = (
        escape(str((header.get(keyword) if header is not None else "") or "")) for keyword in _WHO
    )
    segments = [
        f"MSH|^~\\&|{MANUFACTURER}||||{time}||ORU^R01^ORU_R01|{report.study}{report.run[:4]}|P|2.5|||||UNICODE UTF-8",
        f"PID|1||{number}||{name.replace(_ESCAPES['^'], '^')}",
        f"OBR|1||{accession}|18748-4^Diagnostic imaging report^LN|||{time}|||||||||||||||{time}||RAD|P",
    ]
    texts = [("", f"{WARNING}; {report.status}")]
    texts += [(name, report.sections[name]) for name in SECTIONS if report.sections.get(name)]
    texts += [("", f"No report was made: {report.abstained}")] if report.abstained else []
    texts += [("", line) for line in [*lines_of(report), *_sources(report)]]
    for index, (section, text) in enumerate(texts, start=1):
        code = _CODES.get(section, f"{section or 'note'}^{(section or 'note').capitalize()}^99MEDVLM")
        segments.append(f"OBX|{index}|TX|{code}|{index}|{escape(text)}||||||P|||{time}")
    return ("\r".join(segments) + "\r").encode("utf-8", "backslashreplace")


def _sources(report: StudyReport) -> list[str]:
    """Study and instances that were shown, a line an image."""
    named = [(image, " ".join(one.uid for one in image.instances) or "without UIDs") for image in report.images]
    return [f"{image.role} study {image.study_uid or image.source}, instances {uids}" for image, uids in named]


def escape(text: str) -> str:
    r"""A text that holds no delimiter and no line end.

    Args:
        text: Any text.

    Examples:
        >>> print(escape("A|B & C\nOBX|2"))
        A\F\B \T\ C\.br\OBX\F\2
    """
    flat = "".join(_ESCAPES.get(letter, letter) for letter in text.replace("\r\n", "\n").replace("\r", "\n"))
    return "".join("\\.br\\" if letter in "\n\v\f\u2028\u2029\x85" else letter for letter in flat)
