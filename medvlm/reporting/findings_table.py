"""``reports.csv``: one line a study and finding, for a spreadsheet or a data frame."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from medvlm.reporting.records import inert
from medvlm.reporting.report import StudyReport

TABLE = "reports"
COLUMNS = ("study", "study_uid", "finding", "presence", "certainty", "side", "size", "size_mm", "agrees")
"""``certainty`` is the probability of the model's own answer, not calibrated; ``agrees`` says whether text and question
say the same, and is empty where only one of them speaks."""


def findings_table(reports: Iterable[StudyReport]) -> str:
    """All findings of all reports as CSV; the same text for the same reports in any order.

    Args:
        reports: Those of a run; a report without findings gives no line.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for report in sorted(reports, key=lambda one: one.study):
        for found in report.findings:
            agrees = "" if found.agrees is None else "yes" if found.agrees else "no"
            extent = "" if found.size_mm is None else f"{found.size_mm:g}"
            named = (report.study, report.current.study_uid, found.name, found.presence)
            cells = (*named, f"{found.certainty:.4f}", found.side, found.size, extent, agrees)
            writer.writerow([inert(cell) for cell in cells])
    return text.getvalue()
