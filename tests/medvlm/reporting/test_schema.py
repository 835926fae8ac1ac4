"""The published schema is that of the dataclasses, takes every report, and refuses what is none."""

from __future__ import annotations

import copy
import json
from importlib.resources import files
from typing import Any

import jsonschema
import pytest

from medvlm.reporting.command import main
from medvlm.reporting.report import (
    SCHEMA,
    Finding,
    Instance,
    Origin,
    Sentence,
    Skipped,
    StudyReport,
    Used,
    report_from_json,
)
from medvlm.reporting.schema import report_schema, schema_text
from medvlm.reporting.writers import Material
from medvlm.reporting.writers.plain import write_json


@pytest.fixture
def values() -> dict[str, Any]:
    """A report in which everything that can be there is there, as it is read back from its file."""
    report = StudyReport(
        study="0123456789abcdef",
        run="fedcba9876543210",
        stamp="stamp",
        created="2026-01-02T03:04:05+00:00",
        sections={"findings": "A.", "impression": "B."},
        sentences=(Sentence("findings", "A.", 0.5), Sentence("impression", "B.")),
        findings=(Finding("nodule", "present", 0.9, "left", "small", 8.0, (0.1, 0.2, 0.3, 0.4), 0, True, "?", "Yes"),),
        images=(Used("CT", "current", "CT", "1.2", "1.2.3", (Instance("1.2.840", "1.2.3.4"),), 0, "ct", "dicom:1"),),
        origin=Origin("m", "w", "p", {"seed": None, "temperature": 0.0}, "0", ("n",), ("w",)),
        skipped=(Skipped("x", "y"),),
        disclaimer="not for clinical use",
    )
    read: dict[str, Any] = json.loads(write_json(report, Material()))
    return read


def problems(values: Any) -> list[str]:
    checker = jsonschema.Draft202012Validator(report_schema())
    return [error.json_path for error in checker.iter_errors(values)]


def test_the_published_file_is_made_of_the_dataclasses() -> None:
    published = files("medvlm.reporting").joinpath("schema.json").read_text(encoding="utf-8")
    assert published == schema_text(), "write it again: medvlm report --schema > medvlm/reporting/schema.json"
    jsonschema.Draft202012Validator.check_schema(json.loads(published))


def test_the_command_prints_it_without_any_study(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--schema"])
    assert end.value.code in (0, None)
    assert capsys.readouterr().out == schema_text()


def test_a_report_that_is_written_and_read_back_is_valid(values: dict[str, Any]) -> None:
    assert problems(values) == []
    assert problems(report_from_json(values).to_json() | {"schema": SCHEMA}) != []  # tuples are no JSON arrays yet
    assert problems(json.loads(json.dumps(report_from_json(values).to_json()))) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("schema", "medvlm.report/1"),
        ("study", "Doe^Jane"),
        ("status", "final"),
        ("disclaimer", ""),
        ("patient_name", "Doe"),
        ("images", []),
        ("sections.diagnosis", "x"),
        ("confidence", 1.5),
        ("complete", "yes"),
        ("findings.0.presence", "maybe"),
        ("findings.0.side", "medial"),
        ("findings.0.certainty", -0.1),
        ("findings.0.size_mm", "8 mm"),
        ("findings.0.box", [0.1, 0.2, 0.3]),
        ("findings.0.box", [0.1, 0.2, 0.3, 0.4, 0.5]),
        ("findings.0.agrees", 1),
        ("sentences.0.section", "plan"),
        ("images.0.role", "later"),
        ("images.0.study_uid", "a path/of a patient"),
        ("images.0.instances.0", "1.2.3"),
        ("origin.decoding", "greedy"),
        ("origin.notes.0", 3),
    ],
)
def test_what_is_no_report_is_refused(path: str, value: Any, values: dict[str, Any]) -> None:
    *parents, leaf = [int(part) if part.isdecimal() else part for part in path.split(".")]
    node: Any = copy.deepcopy(values)
    spoiled = node
    for parent in parents:
        node = node[parent]
    node[leaf] = value
    assert problems(spoiled) != []


@pytest.mark.parametrize("name", sorted(report_schema()["required"]))
def test_nothing_may_be_left_out(name: str, values: dict[str, Any]) -> None:
    del values[name]
    assert problems(values) != []


def test_every_field_is_described() -> None:
    parts = {"": report_schema(), **report_schema()["$defs"]}
    undescribed = [
        f"{name}.{field}"
        for name, part in parts.items()
        if name not in ("Instance", "Skipped")
        for field, value in part["properties"].items()
        if field != "schema" and not value.get("description")
    ]
    assert undescribed == []
