"""Codes of findings, sides and headings for structured reports (SNOMED CT and DCM, as PS3.16 lists them)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from medvlm.reporting.writers import packages

if TYPE_CHECKING:
    from highdicom.sr import CodedConcept

SCHEME = "99MEDVLM"
"""Our private coding scheme (PS3.16 8.2: private schemes begin with 99), for what has no code in the dictionary."""

_FINDINGS: Mapping[str, tuple[str, str, str]] = {
    "effusion": ("60046008", "SCT", "Pleural effusion"),
    "pleural effusion": ("60046008", "SCT", "Pleural effusion"),
    "pneumothorax": ("36118008", "SCT", "Pneumothorax"),
    "cardiomegaly": ("287272002", "SCT", "Cardiomegaly"),
    "nodule": ("27925004", "SCT", "Nodule"),
    "mass": ("4147007", "SCT", "Mass"),
}
_SITES: Mapping[str, tuple[str, str, str]] = {
    "effusion": ("3120008", "SCT", "Pleura"),
    "pleural effusion": ("3120008", "SCT", "Pleura"),
    "pneumothorax": ("3120008", "SCT", "Pleura"),
    "cardiomegaly": ("80891009", "SCT", "Heart"),
}
_LUNG = ("39607008", "SCT", "Lung")
_SIDES = {
    "left": ("7771000", "SCT", "Left"),
    "right": ("24028007", "SCT", "Right"),
    "bilateral": ("51440002", "SCT", "Right and left"),
}
_PRESENCE = {
    "present": ("52101004", "SCT", "Present"),
    "absent": ("410516002", "SCT", "Known absent"),
    "uncertain": ("64957009", "SCT", "Uncertain"),
    "unread": ("unread", SCHEME, "The answer could not be read"),
}
HEADINGS = {
    "technique": (("121064", "DCM", "Current Procedure Descriptions"), ("121065", "DCM", "Procedure Description")),
    "comparison": (("121066", "DCM", "Prior Procedure Descriptions"), ("121065", "DCM", "Procedure Description")),
    "findings": (("121070", "DCM", "Findings"), ("121071", "DCM", "Finding")),
    "impression": (("121072", "DCM", "Impressions"), ("121073", "DCM", "Impression")),
}
"""Heading of a section and of its text (CID 7001 and CID 7002)."""


def concept(code: tuple[str, str, str]) -> CodedConcept:
    """A code as highdicom takes it.

    Args:
        code: Value, scheme and meaning.
    """
    made: CodedConcept = packages.highdicom().sr.CodedConcept(*code)
    return made


def finding_code(name: str) -> tuple[str, str, str]:
    """The code of a finding; one of our own scheme where the dictionary has none.

    Args:
        name: As in a report.

    Examples:
        >>> finding_code("pneumothorax")
        ('36118008', 'SCT', 'Pneumothorax')
        >>> finding_code("tree in bud")
        ('tree_in_bud', '99MEDVLM', 'tree in bud')
    """
    own = re.sub(r"\W+", "_", name.lower()).strip("_")[:16] or "finding"
    return _FINDINGS.get(name.lower(), (own, SCHEME, name[:64] or "finding"))


def site_code(name: str) -> tuple[str, str, str]:
    """Where a finding of the chest lies: pleura, heart, else lung.

    Args:
        name: As in a report.
    """
    return _SITES.get(name.lower(), _LUNG)


def side_code(side: str) -> tuple[str, str, str]:
    """The code of a side of the patient.

    Args:
        side: ``left``, ``right`` or ``bilateral``.
    """
    return _SIDES[side]


def presence_code(presence: str) -> tuple[str, str, str]:
    """The code of what is said of a finding.

    Args:
        presence: ``present``, ``absent``, ``uncertain`` or ``unread``.
    """
    return _PRESENCE[presence]
