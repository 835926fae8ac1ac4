"""A report comes back from its JSON as it was; UIDs and times are those of the source, not of the clock."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom.uid import UID

from medvlm.reporting.report import (
    Finding,
    Instance,
    Origin,
    Sentence,
    Skipped,
    StudyReport,
    Used,
    report_from_json,
)
from medvlm.reporting.started import started
from medvlm.reporting.uids import make_uid
from medvlm.reporting.writers import Material, save_report
from medvlm.study import SampleError

REPORT = StudyReport(
    study="0123456789abcdef",
    run="run",
    stamp="stamp",
    created="2026-01-01T00:00:00+00:00",
    sections={"findings": "Erguss rechts, \u80ba\u90e8."},
    sentences=(Sentence("findings", "Erguss rechts, \u80ba\u90e8.", 0.9),),
    findings=(Finding("effusion", "present", 0.9, side="right", box=(0.1, 0.2, 0.3, 0.4), sentence=0),),
    images=(Used("DX", instances=(Instance("1.2", "1.2.3"),)), Used("DX", role="prior")),
    origin=Origin("m", "w", "p", {"temperature": 0.0}, "0", notes=("note",)),
    skipped=(Skipped("localizer", "no image"),),
)


def test_a_report_comes_back_as_it_was(tmp_path: Path) -> None:
    save_report(tmp_path, REPORT, Material())
    text = (tmp_path / "0123456789abcdef.json").read_text(encoding="utf-8")
    assert report_from_json(json.loads(text)) == REPORT
    assert REPORT.status == "preliminary, unverified"
    assert [image.role for image in REPORT.priors] == ["prior"]


@pytest.mark.parametrize("spoil", [{"schema": "medvlm.report/1"}, {"images": [{"who": 1}]}, {"origin": {}}])
def test_a_damaged_report_is_refused(spoil: dict[str, object]) -> None:
    with pytest.raises(SampleError, match="report the study again"):
        report_from_json(REPORT.to_json() | spoil)


def test_an_unknown_form_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="docx"):
        save_report(tmp_path, replace(REPORT, study="x"), Material(), ["docx"])
    assert not list(tmp_path.iterdir())


def test_uids_are_valid_and_their_own() -> None:
    uids = {make_uid("1.2.3", "run", kind) for kind in ("sr", "pdf")} | {make_uid("1.2", "3run", "sr")}
    assert len(uids) == 3
    assert all(UID(uid).is_valid and len(uid) <= 64 for uid in uids)


def test_a_run_that_goes_on_began_when_it_began(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767225600")
    assert started(tmp_path, "a") == "2026-01-01T00:00:00+00:00"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    assert started(tmp_path, "a") == "2026-01-01T00:00:00+00:00"
    assert started(tmp_path, "b") == "1970-01-01T00:00:00+00:00"
    (tmp_path / ".started").write_text("[]")
    assert started(tmp_path, "a") == "1970-01-01T00:00:00+00:00"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "today")
    with pytest.raises(ValueError, match="seconds since 1970"):
        started(tmp_path, "c")
