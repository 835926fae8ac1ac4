"""Values of DICOM elements: read safely, tested for their form, replaced by ones of their kind."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from pydicom import DataElement, Dataset
from pydicom.tag import BaseTag

from medvlm.datamodules.readers.common import READ_ERRORS
from medvlm.deidentify_codes import HIDDEN
from medvlm.deidentify_rules import CHARACTERISTICS

ENUMERATED = re.compile(r"[A-Z0-9 _]{0,16}")
"""Values of CS (PS3.5 6.2)."""
NUMBER = re.compile(r"[-+0-9.eE]{0,16}")
"""Values of DS and IS."""
PLAIN = re.compile(r"[ -~]{0,64}")
"""Values of LO and SH, in ASCII."""

_NUMERIC = frozenset(("AT", "FD", "FL", "SL", "SS", "SV", "UL", "US", "UV"))
IDENTIFYING = frozenset((
    "PatientID", "OtherPatientIDs", "AccessionNumber", "PatientAddress", "PatientTelephoneNumbers", "PatientBirthDate",
    "MedicalRecordLocator", "MilitaryRank", "AdmissionID", "ServiceEpisodeID",
))  # fmt: skip
"""Attributes whose words, like those of persons' names, may stay nowhere."""
_COMMON = frozenset((
    "ANONYMIZED", "ANONYMOUS", "NAME", "PATIENT", "UNKNOWN", "TEST", "PHANTOM", "NONE", "NULL", "OTHER", "YES",
    "TEXT", "CODE", "NUM", "CONTAINER", "PNAME", "UIDREF", "DATE", "TIME", "DATETIME", "IMAGE", "COMPOSITE", "CONTAINS",
    "HAS", "OBS", "ACQ", "CONTEXT", "PROPERTIES", "CONCEPT", "MOD", "INFERRED", "FROM", "SELECTED", "SEPARATE",
    "CONTINUOUS", "COMPLETE", "PARTIAL", "VERIFIED", "UNVERIFIED", "ORIGINAL", "DERIVED", "PRIMARY", "SECONDARY",
    "AXIAL", "RGB", "YBR", "FULL", "PALETTE", "COLOR", "MONOCHROME1", "MONOCHROME2",
))  # fmt: skip
"""Words of placeholders and of the format itself: as parts of a name they say nothing, and without them files break."""
_DUMMIES: dict[str, Any] = {"AS": "000Y", "DS": "0", "IS": "0", "UR": "http://anonymized.invalid"}
_TEXTS = frozenset(("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UT"))


def elements(dataset: Dataset, tags: Iterable[BaseTag] | None = None) -> Iterator[DataElement]:
    """Elements that can be read; broken ones are left out.

    Args:
        dataset: A data set or an item.
        tags: Which ones; all without it.
    """
    for tag in list(dataset.keys() if tags is None else tags):
        try:
            yield dataset[tag]
        except READ_ERRORS:
            continue


def texts(element: DataElement) -> list[str]:
    """Values of an element as text, without padding.

    Args:
        element: Of any kind but SQ.
    """
    value = element.value
    many = value if isinstance(value, Sequence) and not isinstance(value, (str, bytes)) else [value]
    return [] if value is None else [str(one).strip(" \0") for one in many]


def each(element: DataElement, change: Callable[[str], str]) -> Any:
    """Apply a function to every value of an element.

    Args:
        element: Of a kind that holds text.
        change: Gives the new text.
    """
    changed = [change(text) for text in texts(element)]
    if not any(changed):
        return ""
    return changed[0] if len(changed) == 1 else changed


def words(text: str) -> list[str]:
    """Words of a text in capitals.

    Args:
        text: Any.

    Examples:
        >>> words("Doe^Jane, 1950-01-02")
        ['DOE', 'JANE', '1950', '01', '02']
    """
    return re.findall(r"[^\W_]+", text.upper())


def naming_words(dataset: Dataset) -> Iterator[str]:
    """Words of three letters (four digits) or more that name a person, in a data set or its items.

    Args:
        dataset: As it was read.
    """
    for element in elements(dataset):
        if element.VR == "SQ":
            for item in element.value:
                yield from naming_words(item)
        elif element.VR == "PN" or element.keyword in IDENTIFYING:
            found = (word for text in texts(element) for word in words(text))
            yield from (word for word in found if len(word) > 2 + word.isdigit() and word not in _COMMON)


def characteristic(element: DataElement) -> str | None:
    """A patient's characteristic that stays, if its value is one; ages over 90 years become 90.

    Args:
        element: One of :data:`medvlm.deidentify_rules.CHARACTERISTICS`.
    """
    text = " ".join(texts(element))
    if not re.fullmatch(CHARACTERISTICS[int(element.tag)], text):
        return None
    if element.keyword == "PatientAge" and text.endswith("Y"):
        return f"{min(int(text[:3]), 90):03d}Y"
    return text


def dummy(vr: str) -> Any:
    """A value that says nothing; None for kinds that have none.

    Args:
        vr: Value representation.
    """
    if vr in _TEXTS:
        return HIDDEN
    return 0 if vr in _NUMERIC else _DUMMIES.get(vr)


def is_numeric(vr: str) -> bool:
    """Whether values are binary numbers (``US or SS`` too).

    Args:
        vr: Value representation.
    """
    return not _NUMERIC.isdisjoint(vr.split(" or "))


def kind_of_tag(tag: BaseTag) -> str:
    """What a removed element is counted as.

    Args:
        tag: Its tag.
    """
    if tag.is_private:
        return "private"
    return {0x6000: "overlay", 0x5000: "curve"}.get(tag.group & 0xFF00, "named by the rules")
