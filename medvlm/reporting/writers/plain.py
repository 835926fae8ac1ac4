"""A report as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from medvlm.reporting.report import StudyReport

if TYPE_CHECKING:
    from medvlm.reporting.writers import Material


def write_json(report: StudyReport, material: Material) -> bytes:
    """The report as JSON in UTF-8, the same bytes for the same report.

    Args:
        report: The report.
        material: Not used: what names a patient is not in the JSON.
    """
    return (json.dumps(report.to_json(), ensure_ascii=False, indent=1) + "\n").encode("utf-8", "backslashreplace")
