"""What happens to each attribute: the Basic Profile of DICOM PS3.15 E.1, and beyond it a list of what may stay.

The profile (the table that dicom-anonymizer keeps, edition 2026c) names what must go. Attributes that it does not
name may still hold a name that somebody typed there, so text stays only where :data:`TEXT_KEPT` says so, and bytes
only where :data:`BYTES_KEPT` does. Numbers, codes of public schemes and enumerated values stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from medvlm.study import need

if TYPE_CHECKING:
    from pydicom.tag import BaseTag

EDITION = "2026c"
"""Edition of PS3.15 Table E.1-1 whose rules are used."""

Action = Literal["remove", "empty", "dummy", "uid", "date", "clean", "patient", "characteristic", "label", "value"]
"""``clean`` goes into a sequence, ``label`` gives equal texts an equal name, ``value`` keeps what passes as a value of
its kind."""

_ACTIONS: dict[str, Action] = {
    "D_TAGS": "dummy", "Z_TAGS": "empty", "X_TAGS": "remove", "U_TAGS": "uid", "Z_D_TAGS": "dummy",
    "X_Z_TAGS": "empty", "X_D_TAGS": "dummy", "X_Z_D_TAGS": "dummy", "X_Z_U_STAR_TAGS": "clean",
}  # fmt: skip
"""The profile's letters: where it leaves a choice, the one that validators take for every kind of object."""

TEXT_VALUE = 0x0040A160
ICC_PROFILE = 0x00282000
_OWN: dict[int, Action] = {
    0x00080005: "remove",  # Specific Character Set: set anew
    0x00100010: "patient",  # Patient's Name
    0x00100020: "patient",  # Patient ID
    0x00100030: "empty",  # Patient's Birth Date
    0x00100032: "remove",  # Patient's Birth Time
    0x001021D0: "remove",  # Last Menstrual Date
    0x00080051: "remove",  # Issuer of Accession Number Sequence
    0x00081110: "remove",  # Referenced Study Sequence
    0x00100024: "remove",  # Issuer of Patient ID Qualifiers Sequence
    0x00283003: "dummy",  # LUT Explanation
    0x0040A375: "clean",  # Current Requested Procedure Evidence Sequence: new UIDs only
    0x0040A385: "clean",  # Pertinent Other Evidence Sequence
    0x00400513: "empty",  # Issuer of the Container Identifier Sequence
    0x00400555: "empty",  # Acquisition Context Sequence
    0x00400562: "empty",  # Issuer of the Specimen Identifier Sequence
    0x00409210: "label",  # LUT Label
    0x0040DB06: "remove",  # Template Version, a date of no patient
    0x0040DB07: "remove",  # Template Local Version
    TEXT_VALUE: "dummy",  # Text Value of a structured report
    0x00209056: "label",  # Stack ID
    0x00480106: "label",  # Optical Path Identifier
    0x00620005: "label",  # Segment Label
    0x00620020: "label",  # Tracking ID
    0x00660031: "dummy",  # Algorithm Version
    0x00660036: "dummy",  # Algorithm Name
    0x00620009: "dummy",  # Segment Algorithm Name
    0x00880200: "remove",  # Icon Image Sequence: a copy of the pixels
    0x04000500: "remove",  # Encrypted Attributes Sequence: the names that an earlier run took away
    0x4FFE0001: "remove",  # MAC Parameters Sequence
    0xFFFCFFFC: "remove",  # Data Set Trailing Padding
}
CHARACTERISTICS: dict[int, str] = {
    0x00100040: r"[MFO]",  # Patient's Sex
    0x00101010: r"\d{3}[DWMY]",  # Patient's Age
    0x00101020: r"[0-9.eE+-]{1,16}",  # Patient's Size
    0x00101030: r"[0-9.eE+-]{1,16}",  # Patient's Weight
    0x001021A0: r"YES|NO|UNKNOWN",  # Smoking Status
    0x001021C0: r"[0-9]{1,5}",  # Pregnancy Status
    0x00102203: r"ALTERED|UNALTERED",  # Patient's Sex Neutered
}
"""What the option Retain Patient Characteristics keeps, and the values that pass; free text (ethnic group) does not."""

TEXT_KEPT = frozenset({
    0x00080070,  # Manufacturer
    0x00081090,  # Manufacturer's Model Name
    0x00180024,  # Sequence Name
    0x00180085,  # Imaged Nucleus
    0x00181020,  # Software Versions
    0x00181160,  # Filter Type
    0x00181210,  # Convolution Kernel
    0x00189005,  # Pulse Sequence Name
    0x00281054,  # Rescale Type
    0x00283004,  # Modality LUT Type
})  # fmt: skip
"""LO and SH attributes outside the profile that stay: they say how the pixels were made."""
BYTES_KEPT = frozenset({
    0x00281201, 0x00281202, 0x00281203, 0x00281204,  # Palette Color Lookup Table Data
    0x00281221, 0x00281222, 0x00281223, 0x00281224,  # Segmented Palette Color Lookup Table Data
    0x00283006,  # LUT Data
    0x54001010,  # Waveform Data
    0x56000020,  # Spectroscopy Data
    0x7FE00001, 0x7FE00002,  # Extended Offset Table and its lengths
    0x7FE00008, 0x7FE00009, 0x7FE00010,  # Double Float, Float and Pixel Data
})  # fmt: skip
"""Attributes of bytes that stay: pixels, tables and samples; so do the points of surfaces and tracks (0066,xxxx)."""
CODE_TAGS = frozenset(range(0x00080100, 0x00080124))
"""Attributes of the code macro (PS3.3 8.8): they stay or go together."""


@lru_cache(maxsize=1)
def profile() -> Mapping[int, Action]:
    """The Basic Profile by tag, as dicom-anonymizer lists it.

    Raises:
        ImportError: If dicom-anonymizer is not installed; the message says how to.
    """
    selector = need("dicomanonymizer.dicomfields_selector", "deid")
    table = selector.dicom_anonymization_database_selector(f"dicomfields_{EDITION}")
    return {tag[0] << 16 | tag[1]: action for key, action in _ACTIONS.items() for tag in table[key] if len(tag) == 2}


def action_of(tag: BaseTag, vr: str, *, keep_characteristics: bool = False) -> Action:
    """Say what happens to an attribute.

    Args:
        tag: Its tag.
        vr: Its value representation (PS3.5 6.2).
        keep_characteristics: Whether age, sex, size, weight and the like stay.
    """
    if _is_outside(tag):
        return "remove"
    if keep_characteristics and tag in CHARACTERISTICS:
        return "characteristic"
    if tag in _OWN:
        return _OWN[tag]
    action = profile().get(tag, "value")
    if vr == "SQ":  # sequences of a report or a drawing are cleaned item by item
        return "clean" if action in ("dummy", "value") else action
    if vr == "UI":
        return "remove" if action == "remove" else "uid"
    if vr in ("DA", "DT", "TM"):  # option Retain Longitudinal Temporal Information With Modified Dates
        return "date"
    return action


def may_keep_bytes(tag: BaseTag, vr: str) -> bool:
    """Whether an attribute of bytes stays.

    Args:
        tag: Its tag.
        vr: Its value representation.
    """
    return tag in BYTES_KEPT or (tag.group == 0x0066 and vr in ("OD", "OF", "OL"))


def _is_outside(tag: BaseTag) -> bool:
    """Whether a tag is private, a group length, of a command or file group, or of an overlay or curve."""
    repeating = tag.group & 0xFF00 in (0x5000, 0x6000)
    return tag.is_private or tag.element == 0 or tag.group < 8 or repeating
