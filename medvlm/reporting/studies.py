"""What a study is before anything of its pixels is read: its files, its priors, what the referrer wrote."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from medvlm.datamodules.readers.choose import Described

Kind = Literal["dicom", "nifti", "picture"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry(Described):
    """One file, as its header says; it holds nothing of the patient.

    Attributes:
        stamp: Changes when the file does.
        study: StudyInstanceUID; empty if it says none.
        instance: SOPInstanceUID.
        sop_class: SOPClassUID.
        body_part: BodyPartExamined (0018,0015); empty if it says none.
        size: Rows (0028,0010) and columns (0028,0011); zeros if it does not say.
    """

    stamp: str
    study: str = ""
    instance: str = ""
    sop_class: str = ""
    body_part: str = ""
    size: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class Prior:
    """An earlier study of the same patient.

    Attributes:
        study: Its files.
        days: How long before the study that is reported; None where dates do not say.
    """

    study: Study
    days: int | None = None


@dataclass(frozen=True, slots=True)
class Study:
    """What is reported as one.

    Attributes:
        id: 16 hex digits: hash of the study's UID, or of the place of a file that has none.
        kind: ``dicom``, ``nifti`` (or another file with a volume) or ``picture``.
        uid: StudyInstanceUID; empty if there is none.
        stamp: Changes when files are added or changed, priors and history too.
        entries: Its files.
        priors: What it is compared with, the oldest first.
        history: Why the patient was sent, in words; it is shown to the model and written nowhere.
    """

    id: str
    kind: Kind
    uid: str
    stamp: str
    entries: tuple[Entry, ...]
    priors: tuple[Prior, ...] = ()
    history: str = ""


@dataclass(frozen=True, slots=True)
class Stray:
    """A file or a line of a worklist that belongs to no study, and why."""

    id: str
    path: Path
    status: Literal["skipped", "failed"]
    reason: str


def study_id(text: str) -> str:
    """The name of a study's report: a hash, for a path may hold a patient's name.

    Args:
        text: StudyInstanceUID, or the place of the file below the searched folder.

    Examples:
        >>> study_id("1.2.840.1")
        'f9a13599155b7052'
    """
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:16]


def make_study(name: str, members: Sequence[tuple[Kind, Entry]]) -> Study:
    """A study of its files.

    Args:
        name: Its id.
        members: Files, with their kinds, in any order; at least one.
    """
    entries = sorted((entry for _, entry in members), key=lambda entry: (entry.series, entry.order, str(entry.path)))
    kinds = {kind for kind, _ in members}
    kind: Kind = "dicom" if "dicom" in kinds else "nifti" if "nifti" in kinds else "picture"
    stamps = "\n".join(sorted(entry.stamp for entry in entries))
    return Study(name, kind, entries[0].study, study_id(stamps), tuple(entries))


def compared(study: Study, priors: Sequence[Prior], history: str = "") -> Study:
    """The study with what it is compared with, and its stamp for both.

    Args:
        study: What is reported.
        priors: Earlier studies, in any order; those that do not say when come first.
        history: Why the patient was sent.
    """
    if not priors and not history:
        return study
    ordered = sorted(priors, key=lambda one: (one.days is not None, -(one.days or 0), one.study.id))
    parts = [study.stamp, *(f"{one.study.stamp}:{one.days}" for one in ordered), history]
    return replace(study, stamp=study_id("\n".join(parts)), priors=tuple(ordered), history=history)
