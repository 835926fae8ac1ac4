"""The published JSON Schema of a report (draft 2020-12), made of the dataclasses that reports are.

``schema.json`` beside this file is what `report_schema` gives: programs that read reports take it from there or from
``medvlm report --schema``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from medvlm.reporting.report import SCHEMA, SECTIONS, STATUS, StudyReport

Json = dict[str, Any]

_SHARE: Json = {"minimum": 0, "maximum": 1}
_HEX: Json = {"pattern": "^[0-9a-f]{16}$"}
_UID: Json = {"pattern": "^([0-9][0-9.]{0,63}|invalid-[0-9a-f]{16})?$"}
_RULES: Mapping[str, Json] = {
    "StudyReport.study": _HEX,
    "StudyReport.run": _HEX,
    "StudyReport.created": {"format": "date-time"},
    "StudyReport.images": {"minItems": 1},
    "StudyReport.sections": {"propertyNames": {"enum": list(SECTIONS)}},
    "StudyReport.confidence": _SHARE,
    "StudyReport.disclaimer": {"minLength": 1},
    "StudyReport.status": {"const": STATUS},
    "Sentence.section": {"enum": list(SECTIONS)},
    "Sentence.confidence": _SHARE,
    "Finding.certainty": _SHARE,
    "Finding.size_mm": {"minimum": 0},
    "Finding.sentence": {"minimum": 0},
    "Instance.uid": _UID,
    "Used.study_uid": _UID,
    "Used.series_uid": _UID,
    "Used.key": {"minimum": 0},
}
"""What types do not say: ranges, forms, words that are always the same; by class and field."""
_PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean", NoneType: "null"}


def report_schema() -> Json:
    """The schema of ``medvlm.report/2``; the same values each time.

    Examples:
        >>> report_schema()["properties"]["schema"]
        {'const': 'medvlm.report/2'}
    """
    parts: dict[str, Json] = {}
    made = _object(StudyReport, parts)
    made["properties"] = {"schema": {"const": SCHEMA}, **made["properties"]}
    made["required"] = ["schema", *made["required"]]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:{SCHEMA.replace('/', ':').replace('.', ':')}",
        "title": "Report of a study by medvlm; not for clinical use",
        **made,
        "$defs": dict(sorted(parts.items())),
    }


def schema_text() -> str:
    """The schema as it is published: JSON with a new line at its end."""
    return json.dumps(report_schema(), indent=1) + "\n"


def _object(kind: type[Any], parts: dict[str, Json]) -> Json:
    """The schema of a dataclass; those inside it are put into ``parts``."""
    about, hints = _documented(kind), get_type_hints(kind)
    properties = {}
    for field in fields(kind):
        value = _value(hints[field.name], parts) | _RULES.get(f"{kind.__name__}.{field.name}", {})
        properties[field.name] = value | ({"description": about[field.name]} if field.name in about else {})
    return {
        "description": (kind.__doc__ or "").split("\n")[0],
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _documented(kind: type[Any]) -> dict[str, str]:
    """What the docstring says of each attribute."""
    _, _, block = (kind.__doc__ or "").partition("Attributes:\n")
    found = re.findall(r"^ {8}(\w+): (.*(?:\n {12}.*)*)", block, re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in found}


def _value(hint: Any, parts: dict[str, Json]) -> Json:
    """The schema of a type.

    Raises:
        TypeError: If it is none that a report may hold.
    """
    origin, inside = get_origin(hint), get_args(hint)
    if hint is Any:
        return {}
    if hint in _PLAIN:
        return {"type": _PLAIN[hint]}
    if is_dataclass(hint) and isinstance(hint, type):
        if hint.__name__ not in parts:
            parts[hint.__name__] = _object(hint, parts)
        return {"$ref": f"#/$defs/{hint.__name__}"}
    if origin is Literal:
        return {"enum": list(inside)}
    if origin in (Union, UnionType):
        return _either([_value(one, parts) for one in inside])
    if origin is tuple:
        return _array(inside, parts)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": _value(inside[1], parts)}
    raise TypeError(f"{hint!r} has no form in the schema of reports: use text, numbers, tuples, mappings, dataclasses")


def _either(parts: list[Json]) -> Json:
    """One of several; of those that name a type only, the types together, so that ranges can stand beside them."""
    if all(set(part) == {"type"} for part in parts):
        return {"type": [part["type"] for part in parts]}
    return {"anyOf": parts}


def _array(inside: tuple[Any, ...], parts: dict[str, Json]) -> Json:
    if inside[-1] is Ellipsis:
        return {"type": "array", "items": _value(inside[0], parts)}
    items = [_value(one, parts) for one in inside]
    return {"type": "array", "prefixItems": items, "items": False, "minItems": len(items)}
