"""``index.html`` of a run: what happened to each study, and what a human should look at first.

It names no patient, asks nothing of a network, and works without its script, which only filters the table.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from medvlm.files import write_whole
from medvlm.identity import DISCLAIMER
from medvlm.reporting.findings_table import TABLE as FINDINGS
from medvlm.reporting.findings_table import findings_table
from medvlm.reporting.records import TABLE, Row, read_record
from medvlm.reporting.report import StudyReport, report_from_json
from medvlm.reporting.summary_template import TEMPLATE
from medvlm.study import SampleError

NAME = "index"
_LINKED = ("html", "pdf")
_MOST = 100  # studies that are listed apart


@dataclass(frozen=True, slots=True)
class _Line:
    """A study as the page shows it."""

    row: Row
    links: tuple[str, ...]
    present: str = ""
    notes: str = ""


def write_summary(folder: Path, part: str = "", *, took: float | None = None) -> Path:
    """Write ``index.html`` and ``reports.csv`` of the reports in a folder.

    Args:
        folder: Of the reports.
        part: Name of the part of the studies that the run did (``-1-of-2``); empty for all, which takes the tables of
            all parts where there is none of the whole.
        took: Seconds that the run took; without them the same reports give the same bytes.

    Returns:
        The page.
    """
    rows, reports = [], []
    for row in _rows(folder, part):
        report = _report(folder, row)
        if report is None and row.status == "done":
            row = Row(row.study, "failed", "its JSON is missing or damaged: report it again", row.modality)
        rows.append(row)
        reports += [report] if report is not None else []
    written = {path.name for path in folder.iterdir()}
    files = {row.study: tuple(form for form in _LINKED if f"{row.study}.{form}" in written) for row in rows}
    page = folder / f"{NAME}{part}.html"
    write_whole(folder / f"{FINDINGS}{part}.csv", findings_table(reports))
    write_whole(page, summary_page(rows, reports, files, took=took))
    return page


def summary_page(
    rows: Sequence[Row],
    reports: Iterable[StudyReport],
    files: Mapping[str, Sequence[str]] | None = None,
    *,
    took: float | None = None,
) -> str:
    """The page as HTML.

    Args:
        rows: A line a study, in any order.
        reports: Those of the studies that have one.
        files: Forms that can be opened (``html``, ``pdf``), by study.
        took: Seconds of the run.
    """
    known = {report.study: report for report in reports}
    lines = [_line(row, known.get(row.study), (files or {}).get(row.study, ())) for row in sorted(rows, key=_order)]
    done = sum(row.status == "done" for row in rows)
    page = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return page.from_string(TEMPLATE).render(
        banner=next((report.disclaimer for report in known.values() if report.disclaimer), DISCLAIMER),
        counts=[(name, sum(row.status == name for row in rows)) for name in ("done", "skipped", "failed")],
        speed="" if not took else f"{_time(took)}, {60 * done / took:.1f} reports a minute",
        reasons=_reasons(rows),
        first=[(title, why, found[:_MOST], len(found)) for title, why, found in _first(lines, known) if found],
        findings=_findings(known.values()),
        lines=lines,
        places=any(row.place for row in rows),
        origins=_origins(known.values()),
    )


def _rows(folder: Path, part: str) -> list[Row]:
    whole = folder / f"{TABLE}{part}.csv"
    tables = [whole] if whole.is_file() else sorted(folder.glob(f"{TABLE}-*-of-*.csv")) if not part else []
    found = []
    for table in tables:
        with table.open(newline="", encoding="utf-8") as file:
            found += [_row(line) for line in csv.DictReader(file)]
    return found


def _row(line: Mapping[str, str]) -> Row:
    texts = {name: text for name, text in line.items() if name != "files"}
    return Row(**texts, files=int(line["files"]))


def _report(folder: Path, row: Row) -> StudyReport | None:
    if row.status != "done":
        return None
    record = read_record(folder, row.study)
    try:
        return report_from_json(record) if record is not None else None
    except SampleError:
        return None


def _order(row: Row) -> tuple[int, str]:
    return ("failed", "skipped", "done").index(row.status), row.study


def _line(row: Row, report: StudyReport | None, links: Sequence[str]) -> _Line:
    if report is None:
        return _Line(row, tuple(links))
    present = ", ".join(one.name for one in report.findings if one.presence == "present")
    notes = [f"text and question contradict each other: {', '.join(_disputed(report))}"] if _disputed(report) else []
    notes += [] if report.complete else ["the text is cut off"]
    notes += [f"no report: {report.abstained}"] if report.abstained else []
    return _Line(row, tuple(links), present, "; ".join(notes))


def _disputed(report: StudyReport) -> list[str]:
    return [one.name for one in report.findings if one.agrees is False]


def _first(lines: Sequence[_Line], known: Mapping[str, StudyReport]) -> list[tuple[str, str, list[_Line]]]:
    """What to look at first: title, why, and the studies."""
    reported = [(line, known[line.row.study]) for line in lines if line.row.study in known]
    return [
        (
            "Text and question contradict each other",
            "One of the two is wrong; the machine does not decide which.",
            [line for line, report in reported if _disputed(report)],
        ),
        (
            "The text is cut off",
            "The model did not come to an end.",
            [line for line, report in reported if not report.complete],
        ),
        (
            "The model abstained",
            "There is no report, and a reason.",
            [line for line, report in reported if report.abstained],
        ),
    ]


def _reasons(rows: Iterable[Row]) -> list[tuple[str, str, int]]:
    """Status, reason and how many; reasons that differ in numbers alone count as one, the first speaks for all."""
    counts: Counter[tuple[str, str]] = Counter()
    shown: dict[tuple[str, str], str] = {}
    for row in sorted(rows, key=_order):
        if row.status != "done" and row.reason:
            key = row.status, re.sub(r"\d+(?:\.\d+)*", "#", row.reason)
            counts[key] += 1
            shown.setdefault(key, row.reason)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [(key[0], shown[key], count) for key, count in ranked]


def _findings(reports: Iterable[StudyReport]) -> list[dict[str, Any]]:
    """How often each finding was said to be there, absent, uncertain or unread; most often present first."""
    counts: dict[str, Counter[str]] = {}
    for report in reports:
        for one in report.findings:
            counts.setdefault(one.name, Counter())[one.presence] += 1
    ranked = sorted(counts.items(), key=lambda item: (-item[1]["present"], item[0]))
    return [{"name": name, "counts": count, "total": count.total()} for name, count in ranked]


def _origins(reports: Iterable[StudyReport]) -> list[tuple[list[tuple[str, str]], int]]:
    """Each model and settings that wrote reports of this folder, and how many."""
    counts: Counter[tuple[tuple[str, str], ...]] = Counter()
    for report in reports:
        origin = report.origin
        decoding = ", ".join(f"{name} {value}" for name, value in sorted(origin.decoding.items()))
        facts = (
            ("Model", f"{origin.model}, weights sha256 {origin.weights}"),
            ("Software", f"medvlm {origin.version}, run {report.run}, began {report.created}"),
            ("Prompts", origin.prompt),
            ("Decoding", decoding),
            *(("Warning", warning) for warning in origin.warnings),
        )
        counts[facts] += 1
    return [(list(facts), count) for facts, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]


def _time(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {left} s" if minutes else f"{left} s"
