"""The page of a run: what must be seen is seen, no patient, no request, and ten thousand studies in one that opens."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from medvlm.reporting.findings_table import COLUMNS, findings_table
from medvlm.reporting.records import Row, write_table
from medvlm.reporting.report import Finding, Instance, Origin, StudyReport, Used
from medvlm.reporting.summary_page import summary_page, write_summary
from medvlm.reporting.writers import Material
from medvlm.reporting.writers.plain import write_json


def report_of(number: int, **more: Any) -> StudyReport:
    return replace(
        StudyReport(
            study=f"{number:016x}",
            run="fedcba9876543210",
            stamp="s",
            created="2026-01-02T03:04:05+00:00",
            sections={"findings": "Secret words."},
            sentences=(),
            findings=(Finding("effusion", "present", 0.91234, "left", "small", 12.0, agrees=True),),
            images=(Used("DX", "current", "DX", f"1.2.{number}", "1.2.3", (Instance("1.2.840", "1.2.3.4"),)),),
            origin=Origin("model-a", "abc123", "prompt-1", {"temperature": 0.0}, "0.1.0", (), ("Not medicine.",)),
            disclaimer="Research software: not for clinical use.",
        ),
        **more,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three reports of which one contradicts itself and one is cut off, one damaged, two failures of one kind."""
    odd = report_of(2, findings=(Finding("nodule", "absent", 0.6, agrees=False),))
    for report in (report_of(1), odd, report_of(3, complete=False)):
        (tmp_path / f"{report.study}.json").write_bytes(write_json(report, Material()))
    (tmp_path / f"{1:016x}.html").touch()
    (tmp_path / f"{4:016x}.json").write_text('{"schema": "medvlm.report/1"}')
    rows = [Row(f"{number:016x}", "done", modality="DX") for number in (1, 2, 3, 4)]
    rows += [Row(f"{number:016x}", "failed", f"frame {number} of 40 <b> is cut") for number in (5, 6)]
    write_table(tmp_path, rows)
    return tmp_path


def text_of(page: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", page.split("</style>")[1].split("<script>")[0]).split())


def test_what_needs_a_look_stands_first_and_reasons_are_counted(folder: Path) -> None:
    page = write_summary(folder).read_text()
    text = text_of(page)
    assert text.index("contradict each other: 1") < text.index("cut off: 1") < text.index("All studies")
    assert "2 failed frame 5 of 40 &lt;b&gt; is cut" in text
    assert "its JSON is missing or damaged" in text
    assert "3 done 0 skipped 3 failed" in text
    assert "effusion 2 100 %" in text
    assert text.index("not for clinical use") < text.index("Reports of this run")
    for fact in ("model-a, weights sha256 abc123", "prompt-1", "medvlm 0.1.0", "temperature 0.0", "Not medicine."):
        assert fact in text


def test_it_links_to_what_is_there_and_asks_nothing_of_a_network(folder: Path) -> None:
    page = write_summary(folder).read_text()
    links = set(re.findall(r'href="([^#"]+)"', page))
    assert links == {f"{1:016x}.html"}
    assert set(re.findall(r'href="#s([^"]+)"', page)) == {f"{2:016x}", f"{3:016x}"}
    assert not re.search(r"https?:|src=|@import|url\(", page)
    assert "default-src 'none'" in page


def test_neither_text_of_reports_nor_places_are_in_it_unless_asked_for(folder: Path) -> None:
    assert "Secret words" not in write_summary(folder).read_text()
    assert "doe/jane" in summary_page([Row("a", "done", place="doe/jane")], [])


def test_the_same_reports_give_the_same_bytes_and_a_time_only_if_given(folder: Path) -> None:
    first = write_summary(folder).read_bytes()
    assert write_summary(folder).read_bytes() == first
    assert "a minute" in write_summary(folder, took=90.0).read_text()
    assert b"a minute" not in first


def test_parts_of_an_array_are_put_together(folder: Path) -> None:
    (folder / "studies.csv").rename(folder / "studies-1-of-2.csv")
    write_table(folder, [Row("f" * 16, "skipped", "no image")], "-2-of-2")
    assert "1 skipped no image" in text_of(write_summary(folder).read_text())
    assert write_summary(folder, "-2-of-2").name == "index-2-of-2.html"


def test_nothing_at_all_is_a_page_too(tmp_path: Path) -> None:
    assert "There is no report." in write_summary(tmp_path).read_text()


def test_ten_thousand_studies_stay_below_five_megabytes() -> None:
    rows = [Row(f"{number:016x}", "done" if number % 5 else "failed", "x" * 60, "DX") for number in range(10_000)]
    reports = [report_of(number, complete=bool(number % 3)) for number in range(10_000) if number % 5]
    page = summary_page(rows, reports, {row.study: ("html", "pdf") for row in rows})
    assert len(page.encode()) < 5_000_000
    assert page.count("<tr id=") == 10_000


def test_the_table_of_findings_reads_back_and_holds_no_formula() -> None:
    evil = report_of(
        2, findings=(Finding("=cmd|' /C calc'!A0", "present", 0.5, agrees=False), Finding("b", "unread", 0))
    )
    text = findings_table([evil, report_of(1)])
    assert text == findings_table([report_of(1), evil])
    lines = list(csv.DictReader(text.splitlines()))
    assert tuple(lines[0]) == COLUMNS
    assert list(lines[0].values())[1:] == ["1.2.1", "effusion", "present", "0.9123", "left", "small", "12", "yes"]
    assert lines[1]["finding"].startswith("'=")
    assert (lines[1]["agrees"], lines[2]["agrees"]) == ("no", "")


def test_the_files_of_a_run_are_its_own(folder: Path) -> None:
    write_summary(folder)
    assert {path.name for path in folder.iterdir() if "index" in path.name or "reports" in path.name} == {
        "index.html",
        "reports.csv",
    }
    assert json.loads((folder / f"{1:016x}.json").read_text())["study"] == f"{1:016x}"
