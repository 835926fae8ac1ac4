"""Files appear whole or not at all."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from medvlm.reporting.journal import Journal
from medvlm.reporting.questions import PRESENCE, REPORT, sections
from medvlm.reporting.reader import without_paths
from medvlm.reporting.records import Row, read_record, write_table


@pytest.mark.parametrize("text", [None, "", "{", "[1]", "null"])
def test_a_spoiled_record_counts_as_absent(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "0123.json").write_text(text)
    assert read_record(tmp_path, "0123") is None


def test_the_table_reads_back_and_no_cell_is_a_formula(tmp_path: Path) -> None:
    write_table(tmp_path, [Row("b", "failed", '=cmd|"x",\ny'), Row("a", "done")])
    with (tmp_path / "studies.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["study"], row["status"]) for row in rows] == [("a", "done"), ("b", "failed")]
    assert rows[1]["reason"] == '\'=cmd|"x",\ny'


def test_only_what_a_dead_run_had_in_hand_is_suspected(tmp_path: Path) -> None:
    first = Journal(tmp_path)
    first.take(["a", "b"])
    first.release(["a"])
    first.take(["c"])
    second = Journal(tmp_path)  # the first was never closed: it died
    assert dict(second.deaths) == {"b": 1, "c": 1}
    second.take(["b"])
    assert dict(Journal(tmp_path).deaths) == {"b": 2, "c": 1}


def test_a_run_that_ends_in_order_suspects_nobody(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.take(["a"])
    journal.close()
    assert not Journal(tmp_path).deaths
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"deaths": 1, "hand": 2}'])
def test_a_spoiled_journal_suspects_nobody(tmp_path: Path, text: str) -> None:
    (tmp_path / ".reading.json").write_text(text)
    assert not Journal(tmp_path).deaths


@pytest.mark.parametrize(
    ("report", "parts"),
    [
        ("FINDINGS: A. B. IMPRESSION: C.", ("A. B.", "C.")),
        ("Findings:A.\nImpression:\nC.", ("A.", "C.")),
        ("A clear chest.", ("A clear chest.", "")),
        ("IMPRESSION: C.", ("", "C.")),
        ("", ("", "")),
        ("FINDINGS: A. FINDINGS: B.", ("A. B.", "")),
    ],
)
def test_sections(report: str, parts: tuple[str, str]) -> None:
    assert sections(report) == parts


def test_the_questions_are_those_that_the_embedded_model_learns() -> None:
    from medvlm.datamodules.phantoms.findings import KINDS
    from medvlm.datamodules.phantoms.templates import TEMPLATES

    texts = {template.name: template.text for template in TEMPLATES}
    assert texts["report"] == REPORT
    asked = {kind: texts["presence_closed"].format(kind) for kind in KINDS}
    assert asked == PRESENCE


def test_no_path_stays_in_a_message() -> None:
    path = Path("/data/Doe^Jane/Doe^Jane.dcm")
    text = without_paths(
        ValueError(f"{path}: bad; sidecar of {path.name}; in {path.parent}\nmore"), [path, path.parent]
    )
    assert text == "FILE: bad; sidecar of FILE; in FILE more"
