"""What a report asks of an image, in one read: the report itself, and whether each finding is there."""

from __future__ import annotations

import re
from collections.abc import Sequence

from medvlm.asking import Shown, make_sample
from medvlm.study import Sample

REPORT = "Describe the findings."
FINDINGS = ("effusion", "pneumothorax", "consolidation", "cardiomegaly", "nodule")
PRESENCE = {finding: f"Is there any {finding}?" for finding in FINDINGS}
"""One question a finding, in the words of the training questions."""

_HEADING = re.compile(r"\b(FINDINGS|IMPRESSION|CONCLUSION)\s*:\s*", re.IGNORECASE)


def samples_for(shown: Sequence[Shown]) -> list[Sample]:
    """The questions about one study: the report first, then one for each finding.

    Args:
        shown: Its images.
    """
    report = make_sample(shown, REPORT, kind="report")
    return [report, *(make_sample(shown, question, kind="closed") for question in PRESENCE.values())]


def sections(report: str) -> tuple[str, str]:
    """Findings and impression of a report; a text without headings is all findings.

    Args:
        report: What the model wrote.

    Examples:
        >>> sections("FINDINGS: Small nodule. IMPRESSION: Nodule.")
        ('Small nodule.', 'Nodule.')
        >>> sections("Lungs are clear.")
        ('Lungs are clear.', '')
    """
    parts = _HEADING.split(report)
    found = {"findings": parts[0].strip(), "impression": ""}
    for heading, text in zip(parts[1::2], parts[2::2], strict=True):
        key = "findings" if heading.lower() == "findings" else "impression"
        found[key] = " ".join(filter(None, [found[key], text.strip()]))
    return found["findings"], found["impression"]
