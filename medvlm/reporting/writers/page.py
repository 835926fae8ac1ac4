"""A report on one page: HTML that needs no other file, and the same page as PDF."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unicodedata import bidirectional

from jinja2 import Environment, StrictUndefined

from medvlm.evaluation.png import data_uri
from medvlm.identity import DISCLAIMER
from medvlm.reporting.report import SECTIONS, Finding, StudyReport
from medvlm.reporting.writers import packages
from medvlm.reporting.writers.page_template import TEMPLATE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medvlm.reporting.writers import Material

LONGEST_SIDE = 1024
"""Pixels of the longer side of the key image on the page."""


def write_html(report: StudyReport, material: Material) -> bytes:
    """The report as HTML: banner, sections, findings, key image with boxes, provenance.

    Args:
        report: The report.
        material: Its picture is drawn; without one there is none.
    """
    page = (
        Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
        .from_string(TEMPLATE)
        .render(
            report=report,
            banner=report.disclaimer or DISCLAIMER,
            sections=[(name, _lines(report.sections[name])) for name in SECTIONS if report.sections.get(name)],
            doubtful=[one.text for one in report.sentences if one.confidence is not None and one.confidence < 0.5],
            findings=[
                (number, finding, _certainty(finding)) for number, finding in enumerate(report.findings, start=1)
            ],
            image=None if material.picture is None else data_uri(_shrunk(material.picture)),
            edges=dict(zip(("left", "top", "right", "bottom"), material.edges, strict=False)),
            boxes=[_box(number, one) for number, one in enumerate(report.findings, start=1) if one.box is not None],
            provenance=provenance_rows(report),
        )
    )
    return page.encode("utf-8", "xmlcharrefreplace")


def write_pdf(report: StudyReport, material: Material) -> bytes:
    """The page of `write_html` as PDF; nothing but data in the page itself is fetched.

    Args:
        report: The report.
        material: See `write_html`.

    Raises:
        ImportError: If weasyprint is not installed.
    """
    weasyprint = packages.weasyprint()
    page = write_html(report, material).decode("utf-8")
    fetcher = weasyprint.urls.URLFetcher(allowed_protocols=("data",))
    made: bytes = weasyprint.HTML(string=page, url_fetcher=fetcher).write_pdf(
        pdf_identifier=report.run.encode(), uncompressed_pdf=False
    )
    return made


def provenance_rows(report: StudyReport) -> list[tuple[str, str]]:
    """What the report stands on, as names and values.

    Args:
        report: The report.
    """
    origin, used = report.origin, report.current
    rows = [
        ("Status", report.status),
        ("Run began", report.created),
        ("Model", f"{origin.model}, weights sha256 {origin.weights}"),
        ("Software", f"medvlm {origin.version}, run {report.run}"),
        ("Prompts", origin.prompt),
        ("Decoding", ", ".join(f"{name} {value}" for name, value in sorted(origin.decoding.items()))),
        ("Image shown", f"{used.what}, {used.modality}, intensities {used.recipe or 'unknown'}"),
        ("Study", used.study_uid or report.study),
        ("Instances", _instances(report)),
    ]
    rows += [("Compared with", f"{prior.what} ({prior.study_uid or prior.source})") for prior in report.priors]
    rows += [("Not shown", f"{one.what}: {one.reason}") for one in report.skipped]
    rows += [("Note", note) for note in origin.notes]
    return rows + [("Warning", warning) for warning in origin.warnings]


def _instances(report: StudyReport) -> str:
    """The first and last instance and how many; all are in the JSON."""
    uids = [instance.uid for instance in report.current.instances]
    if len(uids) <= 2:
        return ", ".join(uids) or "none (not a DICOM study)"
    return f"{len(uids)}: {uids[0]} to {uids[-1]}"


def _lines(text: str) -> list[tuple[str, str]]:
    """Each line and the direction in which it is written: that of its first letter that has one (UAX 9, P2 and P3)."""
    found = []
    for line in text.splitlines():
        strong = next((kind for kind in map(bidirectional, line) if kind in ("L", "R", "AL")), "L")
        found.append((line, "ltr" if strong == "L" else "rtl"))
    return found


def _certainty(finding: Finding) -> str:
    return f"{finding.certainty:.0%}"


def _box(number: int, finding: Finding) -> dict[str, Any]:
    x0, y0, x1, y1 = finding.box or (0.0, 0.0, 0.0, 0.0)
    return {
        "number": number,
        "name": finding.name,
        "left": f"{100 * x0:.2f}",
        "top": f"{100 * y0:.2f}",
        "width": f"{100 * (x1 - x0):.2f}",
        "height": f"{100 * (y1 - y0):.2f}",
    }


def _shrunk(picture: NDArray[Any]) -> Any:
    from PIL import Image

    image = Image.fromarray(picture)
    image.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    return image
