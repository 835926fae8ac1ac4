"""Every artefact says that it is not for clinical use, and whence it comes: model, prompts, settings, sources."""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pydicom
import pytest

from medvlm.reporting.report import StudyReport
from medvlm.reporting.writers import WRITERS, Material, packages

FACTS = {
    "warning": ("not for clinical use",),
    "model": ("model",),
    "weights": ("abc123",),
    "prompts": ("prompt1",),
    "decoding": ("temperature",),
    "version": ("0.1.0",),
    "run": ("fedcba9876543210",),
    "recipe": ("ct",),
    "sources": ("1.2.3.4.0", "1.2.3.4.2"),
}


def of_json(data: bytes) -> str:
    return json.dumps(json.loads(data), ensure_ascii=False)


def of_dicom(data: bytes) -> str:
    """All values of all elements, those in sequences included."""
    return "\n".join(str(element.value) for element in pydicom.dcmread(BytesIO(data)).iterall() if element.VR != "SQ")


def of_hl7(data: bytes) -> str:
    return data.decode()


READ: dict[str, Callable[[bytes], str]] = {
    "json": of_json,
    "html": lambda data: html.unescape(data.decode()),
    "fhir": of_json,
    "hl7": of_hl7,
    **dict.fromkeys(["sr", "tid1500", "capture", "seg"], of_dicom),
}
"""How the words of a form are read; the two forms of the PDF are the page of the HTML, printed."""


def test_every_form_is_looked_at() -> None:
    assert set(READ) | {"pdf", "encapsulated"} == set(WRITERS)


@pytest.mark.parametrize("fact", list(FACTS))
@pytest.mark.parametrize("name", list(READ))
def test_every_form_says_it(name: str, fact: str, report: StudyReport, material: Material) -> None:
    data = WRITERS[name].write(report, material)
    assert data is not None
    text = READ[name](data).lower()
    assert [word for word in FACTS[fact] if word not in text] == []


@pytest.mark.usefixtures("pango")
def test_the_printed_page_is_the_page(report: StudyReport, material: Material, monkeypatch: pytest.MonkeyPatch) -> None:
    pages: list[str] = []
    real = WRITERS["pdf"].write

    def seen(string: str, **options: Any) -> Any:
        pages.append(string)
        return made(string=string, **options)

    weasyprint = packages.weasyprint()
    made = weasyprint.HTML
    monkeypatch.setattr(weasyprint, "HTML", seen)
    printed = real(report, material)
    assert printed is not None
    page = WRITERS["html"].write(report, material)
    assert page is not None
    assert pages == [page.decode()]


@pytest.mark.usefixtures("pango")
def test_the_form_that_is_sent_to_archives_names_its_sources(report: StudyReport, material: Material) -> None:
    data = WRITERS["encapsulated"].write(report, material)
    assert data is not None
    found = pydicom.dcmread(BytesIO(data))
    sources = [item.ReferencedSOPInstanceUID for item in found.SourceInstanceSequence]
    assert sources == [f"1.2.3.4.{n}" for n in range(3)]
    assert "abc123" in list(found.SoftwareVersions)
