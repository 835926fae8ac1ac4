"""What a received instance is, by a few tags of its header, and whether we made it ourselves."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from medvlm.reporting.writers.dicom import MANUFACTURER, WARNING
from medvlm.study import ImageError, MedvlmError

if TYPE_CHECKING:
    from pydicom import Dataset

_TAGS = (
    "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "Manufacturer", "SeriesDescription",
)  # fmt: skip
_UID = re.compile(r"[0-9][0-9.]{0,63}")


class Malformed(MedvlmError, ValueError):
    """What was received is no instance of a study; the message names the tag and quotes nothing."""


class Unreadable(Malformed):
    """What was received is no DICOM data set at all."""


@dataclass(frozen=True, slots=True)
class Instance:
    """One object of an archive; it holds nothing of the patient.

    Attributes:
        study: StudyInstanceUID (0020,000D).
        series: SeriesInstanceUID (0020,000E); empty if it says none.
        uid: SOPInstanceUID (0008,0018).
        sop_class: SOPClassUID (0008,0016).
        signed: Whether it says, as all that we write does, that it is ours.
    """

    study: str
    series: str
    uid: str
    sop_class: str
    signed: bool


OwnTest: TypeAlias = Callable[[Instance], bool]
"""Whether an instance is a report of ours: it is never answered."""


def read_instance(data: bytes) -> Instance:
    """Read what an instance is; its pixels and all other tags are not parsed.

    Args:
        data: A file (PS3.10) as it was received.

    Raises:
        Unreadable: If it is no DICOM data set.
        Malformed: If a UID is missing, or is none (PS3.5 9.1): what we write would have to repeat it.
    """
    from medvlm.datamodules.readers.dicom import open_dicom

    try:
        header = open_dicom(data, "instance", _TAGS, header=True)
    except ImageError as error:
        raise Unreadable("no DICOM data set: send a DICOM object that opens elsewhere") from error
    for keyword in ("StudyInstanceUID", "SOPInstanceUID", "SOPClassUID"):
        if not _UID.fullmatch(_text(header, keyword)):
            raise Malformed(f"{keyword} is absent or no UID: expected digits and dots, at most 64")
    series = _text(header, "SeriesInstanceUID")
    return Instance(
        study=_text(header, "StudyInstanceUID"),
        series=series if _UID.fullmatch(series) else "",
        uid=_text(header, "SOPInstanceUID"),
        sop_class=_text(header, "SOPClassUID"),
        signed=signed_by_us(_text(header, "Manufacturer"), _text(header, "SeriesDescription")),
    )


def signed_by_us(manufacturer: str, description: str) -> bool:
    """Whether a series says that it is a report of ours; computed images of ours have no such description.

    Args:
        manufacturer: (0008,0070).
        description: SeriesDescription (0008,103E).

    Examples:
        >>> signed_by_us("medvlm", "AI report: NOT FOR CLINICAL USE"), signed_by_us("medvlm", "thorax phantom")
        (True, False)
    """
    words = description.strip()
    return manufacturer.strip() == MANUFACTURER and words.startswith("AI ") and words.endswith(WARNING)


def _text(header: Dataset, keyword: str) -> str:
    """The bytes of an element as they are: pydicom's own conversion quotes values that it dislikes in warnings."""
    from pydicom.datadict import tag_for_keyword

    tag = tag_for_keyword(keyword)
    element = header.get_item(tag) if tag is not None and tag in header else None
    value = None if element is None else element.value
    text = value.decode("ascii", "replace") if isinstance(value, bytes) else str(value or "")
    return text.strip(" \0")
