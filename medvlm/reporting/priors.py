"""Earlier studies of the same patient: by patient and date, of the same kind of image and part of the body."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date

from medvlm.accepts import body_part
from medvlm.datamodules.readers.choose import NO_IMAGE
from medvlm.reporting.look import Looked
from medvlm.reporting.studies import Prior, Study, compared

_FAMILY = {"CR": "radiograph", "DX": "radiograph"}

Facts = tuple[bytes, date]
"""Whose a study is, as a keyed hash, and its day."""


def facts(members: Iterable[Looked]) -> Facts | None:
    """Whose a study is and when it was made; None where its files do not say, or contradict each other.

    Args:
        members: Its files.
    """
    said = {(one.patient, one.day) for one in members}
    if len(said) != 1:
        return None
    ((patient, day),) = said
    return (patient, day) if patient and day is not None else None


class Archive:
    """What is known of all studies of a search, by patient.

    Args:
        studies: All that were found, each with what `facts` says of it.
    """

    def __init__(self, studies: Iterable[tuple[Study, Facts | None]]) -> None:
        self._of_patient: dict[bytes, list[tuple[date, Study]]] = {}
        for study, known in studies:
            if known is not None:
                self._of_patient.setdefault(known[0], []).append((known[1], study))

    def nearest(self, study: Study, known: Facts | None) -> Prior | None:
        """The nearest earlier study of the same patient; None where there is none.

        Both must say which part of the body they show, and say the same: the foot of last year is no prior of a chest,
        and what does not say is not guessed. Computed and direct radiographs are one kind. Of one day none is earlier.

        Args:
            study: What is reported.
            known: What `facts` says of it.
        """
        if known is None:
            return None
        patient, today = known
        shown = _regions(study)
        fitting = [one for one in self._of_patient.get(patient, ()) if one[0] < today and shown & _regions(one[1])]
        if not fitting:
            return None
        day, found = max(fitting, key=lambda one: (one[0], one[1].id))
        return Prior(found, (today - day).days)


def with_priors(studies: Sequence[Study], known: Mapping[str, Facts | None]) -> list[Study]:
    """Each study with the nearest earlier one of its patient, where there is one.

    Args:
        studies: All that were found.
        known: By id, what `facts` says.
    """
    archive = Archive((study, known.get(study.id)) for study in studies)
    found = [(study, archive.nearest(study, known.get(study.id))) for study in studies]
    return [compared(study, [prior] if prior else []) for study, prior in found]


def _regions(study: Study) -> set[tuple[str, str]]:
    """Kinds of image with the parts of the body that they say they show."""
    return {
        (family(entry.modality), body_part(entry.body_part))
        for entry in study.entries
        if entry.body_part and entry.frames and entry.modality not in NO_IMAGE
    }


def family(modality: str) -> str:
    """Modalities that are compared with each other have one name.

    Args:
        modality: (0008,0060).

    Examples:
        >>> family("CR") == family("DX") != family("CT")
        True
    """
    return _FAMILY.get(modality, modality)
