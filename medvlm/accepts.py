"""What a model takes, beyond its intensity recipes: views, parts of the body, the least pixels and slices.

A model's card (``medvlm.json``) may say ``{"accepts": {"views": ["PA", "AP"], "body_parts": ["CHEST"], "min_pixels":
512, "min_slices": 20}}``. Headers are checked against it before anything is answered. What a header contradicts is
refused; what it does not say is let through and noted, for many archives leave these attributes empty.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from medvlm.study import WeightsError

_PART = {"THORAX": "CHEST", "LUNG": "CHEST", "LUNGS": "CHEST", "HEAD": "BRAIN", "SKULL": "BRAIN"}
_PARTS = frozenset((
    "ABDOMEN", "ABDOMENPELVIS", "ADRENAL", "ANKLE", "AORTA", "ARM", "AXILLA", "BACK", "BLADDER", "BRAIN",
    "BREAST", "CALCANEUS", "CALF", "CAROTID", "CEREBELLUM", "CERVIX", "CHEEK", "CHEST", "CHESTABDOMEN",
    "CHESTABDPELVIS", "CIRCLEOFWILLIS", "CLAVICLE", "COCCYX", "COLON", "CORNEA", "CORONARYARTERY", "CSPINE",
    "CTSPINE", "DUODENUM", "EAR", "ELBOW", "ESOPHAGUS", "EXTREMITY", "EYE", "EYELID", "FACE", "FEMUR", "FINGER",
    "FOOT", "FOREARM", "GALLBLADDER", "HAND", "HEAD", "HEADNECK", "HEART", "HIP", "HUMERUS", "IAC", "ILEUM",
    "ILIUM", "JAW", "JEJUNUM", "KIDNEY", "KNEE", "LARYNX", "LEG", "LIVER", "LSPINE", "LSSPINE", "LUNG", "LUNGS",
    "MANDIBLE", "MAXILLA", "MEDIASTINUM", "MOUTH", "NECK", "NECKCHEST", "NECKCHESTABDOMEN", "NECKCHESTABDPELV",
    "NOSE", "ORBIT", "OVARY", "PANCREAS", "PAROTID", "PATELLA", "PELVIS", "PELVISLOWEXTREMT", "PENIS",
    "PHARYNX", "PROSTATE", "RADIUS", "RECTUM", "RIB", "SACRUM", "SCALP", "SCAPULA", "SCLERA", "SCROTUM",
    "SHOULDER", "SI", "SINUS", "SKULL", "SPINE", "SPLEEN", "SSPINE", "STERNUM", "STOMACH", "TESTIS", "THIGH",
    "THORAX", "THUMB", "THYMUS", "THYROID", "TIBIA", "TMJ", "TOE", "TONGUE", "TRACHEA", "TSPINE", "ULNA",
    "URETER", "URETHRA", "UTERUS", "VAGINA", "VULVA", "WHOLEBODY", "WRIST", "ZYGOMA",
))  # fmt: skip
"""Defined terms of BodyPartExamined (PS3.16 annex L), and THORAX and LUNGS, which are often found."""
_CODE = re.compile(r"[A-Z0-9_ ]{1,16}")


@dataclass(frozen=True, slots=True)
class Accepts:
    """What a model takes; an empty one takes all.

    Attributes:
        views: Values of ViewPosition (0018,5101).
        body_parts: Values of BodyPartExamined (0018,0015).
        min_pixels: Least length of the shorter side.
        min_slices: Least slices of a volume.
    """

    views: tuple[str, ...] = ()
    body_parts: tuple[str, ...] = ()
    min_pixels: int = 0
    min_slices: int = 0

    def misfit(self, *, view: str, part: str, size: tuple[int, int], slices: int | None) -> str:
        """Why the model does not take an image; empty if it does, as far as its header says.

        Args:
            view: ViewPosition; empty where it is not said.
            part: BodyPartExamined; empty where it is not said.
            size: Rows and columns; zeros where they are not said.
            slices: Of a volume; None for a single image.

        Examples:
            >>> Accepts(views=("PA", "AP")).misfit(view="LL", part="CHEST", size=(2000, 2000), slices=None)
            'the model takes views PA, AP; this is LL'
        """
        if slices is None and view and self.views and view not in self.views:
            return f"the model takes views {', '.join(self.views)}; this is {view}"
        if part and self.body_parts and body_part(part) not in map(body_part, self.body_parts):
            return f"the model takes the body parts {', '.join(self.body_parts)}; this is {spoken_part(part)}"
        if 0 < min(size) < self.min_pixels:
            return f"{size[0]} x {size[1]} pixels; the model takes sides of {self.min_pixels} or more"
        if slices is not None and slices < self.min_slices:
            return f"{slices} slices, perhaps some are missing; the model takes {self.min_slices} or more"
        return ""

    def unsaid(self, *, view: str, part: str, size: tuple[int, int], slices: int | None) -> tuple[str, ...]:
        """What could not be checked, for the notes of a report.

        Args:
            view: See `misfit`.
            part: See `misfit`.
            size: See `misfit`.
            slices: See `misfit`.
        """
        missing = {
            "view": bool(self.views) and not view and slices is None,
            "body part": bool(self.body_parts) and not part,
            "size": bool(self.min_pixels) and not min(size),
        }
        return tuple(f"the header does not say its {what}: not checked" for what, lost in missing.items() if lost)


TAKES_ALL = Accepts()
"""A model whose card says nothing."""


def body_part(name: str) -> str:
    """One name for values of BodyPartExamined (0018,0015) that mean the same here.

    Args:
        name: As a header has it.

    Examples:
        >>> body_part("THORAX")
        'CHEST'
    """
    return _PART.get(name, name)


def spoken_part(name: str) -> str:
    """A part of the body as a text may name it: people type names into this attribute, so only defined terms are said.

    Args:
        name: As a header has it.

    Examples:
        >>> spoken_part("FOOT"), spoken_part("DOE JANE")
        ('FOOT', 'another part')
    """
    return name if name in _PARTS else "another part"


def accepts_of(card: Mapping[str, Any], place: str) -> Accepts:
    """What a card says that its model takes.

    Args:
        card: Content of ``medvlm.json``.
        place: What to call it in errors.

    Raises:
        WeightsError: If it says so in a form that is not understood: a check that is silently left out is none.
    """
    given = card.get("accepts", {})
    known = Accepts.__dataclass_fields__
    if not isinstance(given, dict) or set(given) - set(known):
        raise WeightsError(f"{place}: accepts is {given!r}; expected an object with some of {', '.join(known)}.")
    return Accepts(
        views=_codes(given, "views", place),
        body_parts=_codes(given, "body_parts", place),
        min_pixels=_count(given, "min_pixels", place),
        min_slices=_count(given, "min_slices", place),
    )


def _codes(given: Mapping[str, Any], name: str, place: str) -> tuple[str, ...]:
    values = given.get(name, [])
    if not isinstance(values, list) or not all(isinstance(one, str) and _CODE.fullmatch(one) for one in values):
        raise WeightsError(f"{place}: accepts.{name} is {values!r}; expected a list of DICOM codes such as 'CHEST'.")
    return tuple(values)


def _count(given: Mapping[str, Any], name: str, place: str) -> int:
    value = given.get(name, 0)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise WeightsError(f"{place}: accepts.{name} is {value!r}; expected a whole number, 0 or more.")
    return value
