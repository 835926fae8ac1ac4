"""Which group a record belongs to: its sex, age, view, scanner or language, by the names of its categories."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache, lru_cache

from medvlm.evaluation.records import Record

ATTRIBUTES: Mapping[str, tuple[str, ...]] = {
    "sex": ("sex", "patientsex", "gender"),
    "age": ("age", "patientage", "agegroup", "ageband"),
    "race": ("race", "ethnicity", "ethnicgroup"),
    "view": ("view", "viewposition", "projection", "frontallateral", "apppa"),
    "scanner": ("scanner", "manufacturer", "manufacturermodelname", "vendor", "device"),
    "language": ("language", "lang", "qlang"),
}
"""Names of categories, without case and signs, that say the attribute."""
UNKNOWN = "unknown"


def attribute_of(record: Record, attribute: str) -> str | None:
    """The group of a record in one spelling; None where its categories do not name the attribute.

    Args:
        record: A record.
        attribute: A key of `ATTRIBUTES`.
    """
    found = (value for name, value in record.categories.items() if _named(name) == attribute)
    value = next(found, None)
    return None if value is None else _spelled(attribute, value.strip())


def age_band(text: str) -> str:
    """The decade of an age in years or in the form of PatientAge (0010,1010); anything else as it is.

    Examples:
        >>> age_band("063Y"), age_band("63.4"), age_band("018M"), age_band("93"), age_band("60-69")
        ('60-69', '60-69', '0-9', '90+', '60-69')
    """
    match = re.fullmatch(r"(\d{1,3}(?:\.\d+)?)\s*([YMWD]?)", text.upper())
    if match is None:
        return text
    years = float(match[1]) / {"": 1, "Y": 1, "M": 12, "W": 52.18, "D": 365.25}[match[2]]
    decade = int(years // 10) * 10
    return "90+" if decade >= 90 else f"{decade}-{decade + 9}"


@cache
def _named(name: str) -> str | None:
    """The attribute that the name of a category says."""
    plain = re.sub(r"[^a-z]", "", name.casefold())
    return next((attribute for attribute, names in ATTRIBUTES.items() if plain in names), None)


@lru_cache(maxsize=1024)
def _spelled(attribute: str, value: str) -> str:
    plain = value.casefold()
    if plain in ("", "unknown", "none", "nan", "n/a", "-"):
        return UNKNOWN
    if attribute == "sex":
        return {"m": "male", "f": "female", "o": "other", "u": UNKNOWN}.get(plain, plain)
    if attribute == "age":
        return age_band(value)
    return plain if attribute == "language" else value
