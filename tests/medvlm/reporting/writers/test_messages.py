"""FHIR and HL7 by independent packages; HTML and PDF hold what they must and run nothing."""

from __future__ import annotations

import importlib
import json
import re
from dataclasses import replace
from typing import Any

import pytest
from fhir.resources.R4B.bundle import Bundle

from medvlm.reporting.report import StudyReport
from medvlm.reporting.writers import WRITERS, Material
from medvlm.reporting.writers.hl7 import escape


def written(name: str, report: StudyReport, material: Material) -> bytes:
    data = WRITERS[name].write(report, material)
    assert data is not None
    return data


def resources(report: StudyReport, material: Material) -> dict[str, Any]:
    bundle = json.loads(written("fhir", report, material))
    Bundle.model_validate(bundle)
    return {entry["resource"]["id"]: entry["resource"] for entry in bundle["entry"]}


def test_fhir_is_valid_r4b_preliminary_and_asserted_by_a_machine(report: StudyReport, material: Material) -> None:
    parts = resources(report, material)
    assert parts["report"]["status"] == parts["finding-1"]["status"] == "preliminary"
    assert parts["report"]["meta"]["security"][0]["code"] == "AIAST"
    assert "NOT FOR CLINICAL USE" in parts["report"]["conclusion"]
    assert parts["finding-1"]["bodySite"]["text"] == "Right"
    assert parts["finding-2"]["interpretation"][0]["coding"][0]["code"] == "NEG"
    assert "interpretation" not in parts["finding-3"]
    assert len(parts["study"]["series"][0]["instance"]) == 3


def test_every_fhir_reference_is_in_the_bundle(report: StudyReport, material: Material) -> None:
    text = written("fhir", report, material).decode()
    urls = set(re.findall(r'"fullUrl": "([^"]+)"', text))
    assert set(re.findall(r'"reference": "([^"]+)"', text)) <= urls


def test_fhir_without_dicom_is_valid_too(report: StudyReport) -> None:
    bare = replace(report, images=(replace(report.images[0], study_uid="", instances=()),))
    assert "identifier" not in resources(bare, Material())["study"]


def test_hl7_parses_with_every_segment_and_text(report: StudyReport, material: Material) -> None:
    parse_message = importlib.import_module("hl7apy.parser").parse_message
    text = written("hl7", report, material).decode()
    message = parse_message(text, find_groups=False)
    names = [segment.name for segment in message.children]
    assert names[:3] == ["MSH", "PID", "OBR"]
    assert set(names[3:]) == {"OBX"}
    assert message.pid.pid_3.value == "P\\F\\1"
    assert {segment.obx_11.value for segment in message.obx} == {"P"}
    assert message.obr.obr_25.value == "P"
    found = [line.split("|")[5] for line in text.split("\r") if "Erguss rechts" in line]
    assert found == ["Erguss rechts <b>\\T\\ mehr</b> \\F\\ \u80ba\u90e8.\\.br\\Zweite Zeile."]


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", "\v", "\x85", "\u2028"])
def test_no_text_opens_a_segment(end: str, report: StudyReport, material: Material) -> None:
    before = written("hl7", report, material).count(b"\rOBX")
    evil = replace(report, sections={**report.sections, "findings": f"A{end}OBX|99|TX|x||y"})
    text = written("hl7", evil, material).decode()
    assert text.count("\rOBX") == before
    assert len(text.splitlines()) == len(text.split("\r")) - 1


def test_escape_covers_every_delimiter() -> None:
    assert escape("\\|^&~") == "\\E\\\\F\\\\S\\\\T\\\\R\\"


def test_the_page_shows_text_as_text_and_runs_nothing(report: StudyReport, material: Material) -> None:
    page = written("html", replace(report, sections={"findings": "<script>x</script>"}), material).decode()
    assert "<script" not in page
    assert "&lt;script&gt;x&lt;/script&gt;" in page
    assert not re.search(r"(?:src|href)=\"(?!data:)", page)
    assert page.index("not for clinical use") < page.index("<main>")
    assert "left:25.00%;top:50.00%;width:50.00%;height:50.00%" in page


def test_each_line_is_written_in_its_own_direction(report: StudyReport) -> None:
    text = "Small.\n1. \u05ea\u05e4\u05dc\u05d9\u05d8 (12 mm).\n\u064a\u0648\u062c\u062f.\n\u80ba\u90e8\u3002"
    page = written("html", replace(report, sections={"findings": text}), Material()).decode()
    assert re.findall(r'<p class="text" dir="(\w+)">', page) == ["ltr", "rtl", "rtl", "ltr"]


def test_edges_of_the_key_image_are_named_where_they_are_known(report: StudyReport, material: Material) -> None:
    page = written("html", report, replace(material, edges="RHLF")).decode()
    assert re.findall(r'class="edge (\w+)">(\w)<', page) == [
        ("left", "R"), ("top", "H"), ("right", "L"), ("bottom", "F")
    ]  # fmt: skip
    assert 'class="edge' not in written("html", report, material).decode()


def test_the_page_says_why_there_is_no_report(report: StudyReport) -> None:
    page = written("html", replace(report, sections={}, abstained="a lateral view", complete=False), Material())
    assert b"a lateral view" in page
    assert b"cut off" in page
    assert b"<img" not in page


@pytest.mark.usefixtures("pango")
def test_the_pdf_holds_the_text_and_is_the_same_twice(report: StudyReport, material: Material) -> None:
    first, again = (written("pdf", report, material) for _ in range(2))
    assert first.startswith(b"%PDF-")
    assert first == again
