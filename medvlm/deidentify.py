"""De-identification of a DICOM object by the Basic Profile of PS3.15 E.1: keyed UIDs, dates moved, the rest gone.

What is written is built anew from what may stay; nothing is edited in place. Pixels are not read for text: whether
they may hold some is judged by metadata (:mod:`medvlm.deidentify_risk`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from pydicom import DataElement, Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from medvlm.deidentify_codes import clean_code
from medvlm.deidentify_elements import (
    ENUMERATED,
    NUMBER,
    PLAIN,
    characteristic,
    dummy,
    each,
    elements,
    is_numeric,
    kind_of_tag,
    naming_words,
    texts,
    words,
)
from medvlm.deidentify_pixels import clean_pixels, clean_profile
from medvlm.deidentify_rules import (
    CODE_TAGS,
    EDITION,
    ICC_PROFILE,
    TEXT_KEPT,
    TEXT_VALUE,
    Action,
    action_of,
    may_keep_bytes,
)
from medvlm.deidentify_values import Pseudonyms, shift_date, shift_datetime, time_only
from medvlm.study import ImageError

METHODS = {
    "113100": "Basic Application Confidentiality Profile",
    "113107": "Retain Longitudinal Temporal Information Modified Dates Option",
    "113108": "Retain Patient Characteristics Option",
}
"""What is done, by its DCM code (PS3.16 CID 7050)."""


@dataclass(slots=True)
class Cleaned:
    """An object without what names the patient.

    Attributes:
        dataset: With file meta information, ready to be written.
        removed: How many elements were removed, emptied or replaced, by kind: ``private``, ``overlay``, ``text of a
            report`` and so on.
    """

    dataset: Dataset
    removed: Counter[str] = field(default_factory=Counter)


def deidentify(dataset: Dataset, pseudonyms: Pseudonyms, *, keep_characteristics: bool = False) -> Cleaned:
    """Build a copy of an object without what names the patient.

    Args:
        dataset: As it was read, with its file meta information.
        pseudonyms: Makes the stand-ins.
        keep_characteristics: Whether age (at most 90 years), sex, size, weight, smoking and pregnancy stay.

    Raises:
        ImageError: If compressed frames cannot be gone through for comments, or the transfer syntax is unknown.
    """
    work = _Work(dataset, pseudonyms, keep_characteristics)
    new = work.clean(dataset)
    _sign(new, keep_characteristics)
    new.file_meta = _file_meta(dataset, new)
    new.preamble = bytes(128)
    clean_pixels(new, dataset)
    return Cleaned(new, work.removed)


def identity_of(dataset: Dataset) -> str:
    """What the files of a patient have in common: the ID, else the study's UID.

    The issuer of the ID is no part of it: where only some files name it, one patient would become two.

    Args:
        dataset: As it was read.
    """
    number = str(dataset.get("PatientID") or "").strip("\0 ")
    return number or f"study\0{dataset.get('StudyInstanceUID') or ''}"


class _Work:
    """One pass over one object."""

    def __init__(self, dataset: Dataset, pseudonyms: Pseudonyms, keep_characteristics: bool) -> None:
        self.pseudonyms, self.keep = pseudonyms, keep_characteristics
        self.removed: Counter[str] = Counter()
        identity = identity_of(dataset)
        self.days: timedelta = pseudonyms.shift(identity)
        self.patient = "" if identity.startswith("study\0") else pseudonyms.patient(identity)
        self.words = frozenset(naming_words(dataset))
        self._by_kind: dict[str, Callable[[str], str]] = {
            "UI": pseudonyms.uid,
            "DA": lambda text: shift_date(text, self.days),
            "DT": lambda text: shift_datetime(text, self.days),
            "TM": lambda text: "" if self._names(text) else time_only(text),
            "CS": self._text(ENUMERATED),
        }

    def clean(self, dataset: Dataset) -> Dataset:
        """What may stay of a data set or an item, sequences included."""
        new = Dataset()
        code = clean_code(dataset)
        tags = [tag for tag in dataset.keys() if code is None or tag not in CODE_TAGS]  # noqa: SIM118
        readable = list(elements(dataset, tags))
        if len(readable) < len(tags):
            self.removed["unreadable"] += len(tags) - len(readable)
        for element in readable:
            kept = self._kept(element)
            if kept is not None:
                new.add(kept)
        if code is not None:
            new.update(code)
        return new

    def _kept(self, element: DataElement) -> DataElement | None:
        action = action_of(element.tag, element.VR, keep_characteristics=self.keep)
        if element.is_empty and action != "remove":
            return element
        value = self._value(element, action)
        if value is None:
            self.removed[kind_of_tag(element.tag)] += 1
            return None
        if value is element.value:
            return element
        if element.tag == TEXT_VALUE:
            self.removed["text of a report"] += 1
        elif not value and element.value:
            self.removed["emptied"] += 1
        return DataElement(element.tag, element.VR, value)

    def _value(self, element: DataElement, action: Action) -> Any:
        """New value of an element; None where it goes."""
        if action == "remove":
            return None
        if action == "patient":
            return self.patient
        if element.VR == "SQ":
            return [self.clean(item) for item in element.value] if action == "clean" else []
        if action == "characteristic":
            return characteristic(element)
        if action == "label":
            return each(element, lambda text: self.pseudonyms.name("label", text, 12).upper())
        if action == "dummy":
            return dummy(element.VR)
        return "" if action == "empty" else self._checked(element)

    def _checked(self, element: DataElement) -> Any:
        """The value if it is one of its kind."""
        vr = element.VR
        if vr in self._by_kind:
            return each(element, self._by_kind[vr])
        if vr in ("DS", "IS"):
            numbers = all(NUMBER.fullmatch(text) and not self._names(text) for text in texts(element))
            return element.value if numbers else ""
        if vr in ("LO", "SH"):
            return each(element, self._text(PLAIN)) if element.tag in TEXT_KEPT else ""
        if vr in ("PN", "AE"):
            return ""
        if element.tag == ICC_PROFILE:
            return clean_profile(element.value)
        return element.value if is_numeric(vr) or may_keep_bytes(element.tag, vr) else None

    def _names(self, text: str) -> bool:
        """Whether a number is one that names the patient; short ones are too common to tell."""
        return any(len(word) > 5 and word in self.words for word in words(text))

    def _text(self, form: re.Pattern[str]) -> Callable[[str], str]:
        """Keeps a text that has the form and holds no word that names the patient."""

        def keep(text: str) -> str:
            return text if form.fullmatch(text) and not self.words & set(words(text)) else ""

        return keep


def _sign(new: Dataset, keep_characteristics: bool) -> None:
    """Say in the object what was done (PS3.3 C.7.1.1, C.12.1), and in which characters."""
    codes = [code for code in METHODS if keep_characteristics or code != "113108"]
    new.PatientIdentityRemoved = "YES"
    new.DeidentificationMethod = f"medvlm, PS3.15 {EDITION}: {', '.join(codes)}"
    new.DeidentificationMethodCodeSequence = [_method(code) for code in codes]
    new.LongitudinalTemporalInformationModified = "MODIFIED"
    new.SpecificCharacterSet = "ISO_IR 192"


def _method(code: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code, "DCM", METHODS[code]
    return item


def _file_meta(old: Dataset, new: Dataset) -> FileMetaDataset:
    """File meta information (PS3.10 7.1) of nothing but the object itself."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = new.SOPClassUID, new.SOPInstanceUID
    meta.TransferSyntaxUID = syntax_of(old)
    return meta


def syntax_of(dataset: Dataset) -> UID:
    """Transfer syntax of an object as it was read; that of its encoding where its file meta information is missing.

    Args:
        dataset: As it was read.

    Raises:
        ImageError: If it is named and unknown.
    """
    named = UID(getattr(dataset, "file_meta", Dataset()).get("TransferSyntaxUID") or "")
    if named and not named.is_transfer_syntax:
        raise ImageError("pydicom does not know its transfer syntax (0002,0010), so it cannot be written")
    if named:
        return named
    implicit, little = dataset.original_encoding
    if implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRBigEndian if little is False else ExplicitVRLittleEndian
