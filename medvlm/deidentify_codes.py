"""Codes of public schemes stay, with the meaning that the scheme gives them; whatever else stands in a code goes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from pydicom import Dataset

HIDDEN = "ANONYMIZED"
"""What stands where an attribute may not be empty."""

_FORMS = {
    "SCT": r"\d{6,18}", "DCM": r"\d{6}", "LN": r"\d{1,5}-\d", "SRT": r"[A-Z0-9]{1,2}-[A-Z0-9]{4,6}",
    "SNM3": r"[A-Z0-9]{1,2}-[A-Z0-9]{4,6}", "RADLEX": r"RID\d{1,6}", "FMA": r"\d{3,6}", "UMLS": r"C\d{7}",
    "NCIt": r"C\d{1,6}", "I10": r"[A-Z]\d\d(?:\.\d{1,2})?",
}  # fmt: skip
"""How the codes of a scheme look, for those whose meaning pydicom does not know."""


@lru_cache(maxsize=1)
def _known() -> Mapping[tuple[str, str], list[str]]:
    """Meanings of each public code that pydicom knows, by scheme and value."""
    from pydicom.sr.codedict import codes

    found: dict[tuple[str, str], list[str]] = {}
    for scheme in codes.schemes():
        named = getattr(codes, scheme)
        for keyword in named.dir():
            code = getattr(named, keyword)
            found.setdefault((scheme, str(code.value)), []).append(str(code.meaning))
    return found


def clean_code(dataset: Dataset) -> Dataset | None:
    """The code of an item, rebuilt; None where the item holds none.

    Args:
        dataset: An item of a code sequence (PS3.3 8.8), as it was read.

    Examples:
        >>> item = Dataset()
        >>> item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "39607008", "SCT", "Lung of John Doe"
        >>> clean_code(item).CodeMeaning
        'Lung'
    """
    values = [(keyword, dataset.get(keyword)) for keyword in ("CodeValue", "LongCodeValue", "URNCodeValue")]
    present = [(keyword, str(value).strip()) for keyword, value in values if value is not None]
    scheme = str(dataset.get("CodingSchemeDesignator") or "").strip()
    if not present and not scheme and "CodeMeaning" not in dataset:
        return None
    keyword, value = present[0] if present else ("CodeValue", "")
    meanings = _known().get((scheme, value), [])
    fits = bool(meanings) or (scheme in _FORMS and re.fullmatch(_FORMS[scheme], value) is not None)
    code = Dataset()
    if not fits:
        keyword, value, scheme = "CodeValue", HIDDEN, "99HIDDEN"
    setattr(code, keyword, value)
    if keyword != "URNCodeValue":
        code.CodingSchemeDesignator = scheme
    said = str(dataset.get("CodeMeaning") or "").strip()
    code.CodeMeaning = said if said in meanings else meanings[0] if meanings else HIDDEN
    return code
