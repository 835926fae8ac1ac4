"""What a report asks of an image, in one read: the report itself, and whether each finding is there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from medvlm.asking import Shown, make_sample
from medvlm.study import Sample

REPORT = "Describe the findings."
FINDINGS = ("effusion", "pneumothorax", "consolidation", "cardiomegaly", "nodule")
PRESENCE = {finding: f"Is there any {finding}?" for finding in FINDINGS}
"""One question a finding, in the words of the training questions."""

CHANGES = ("increased", "decreased", "unchanged", "resolved", "new")
"""What can have happened to a finding since an earlier study, in the words of the training questions."""
CHANGE = {finding: f"How has the {finding} changed?" for finding in FINDINGS}
BOX = {finding: f"Give the box of the {finding}." for finding in FINDINGS}
"""Asked of models that were trained to give boxes, in the words of the training questions."""

_HEADING = re.compile(r"\b(FINDINGS|IMPRESSION|CONCLUSION)\s*:\s*", re.IGNORECASE)


def samples_for(
    shown: Sequence[Shown],
    *,
    history: str = "",
    days: Sequence[int | None] = (),
    findings: Sequence[str] = FINDINGS,
    boxes: bool = False,
) -> list[Sample]:
    """The questions about one study: the report, whether each finding is there, where, and with priors how it changed.

    Args:
        shown: Its images: priors first, the study itself last.
        history: Why the patient was sent; it is told where the report is asked for.
        days: For each prior how long before the study it was made.
        findings: Which are asked for.
        boxes: Whether each is asked for its box.
    """
    order = [told(days)] if days else []
    story = [f"Clinical history: {history}"] if history else []

    def ask(question: str, *first: str, **form: Any) -> Sample:
        return make_sample(shown, "\n".join([*order, *first, question]), **form)

    report = ask(REPORT, *story, kind="report")
    present = [ask(PRESENCE[one], kind="closed") for one in findings]
    places = [ask(BOX[one], kind="box") for one in findings if boxes]
    return [report, *present, *places, *(ask(CHANGE[one], options=CHANGES) for one in findings if days)]


def finding_of(question: str) -> str:
    """Which finding a question was about.

    Args:
        question: As `samples_for` made it.

    Examples:
        >>> finding_of("Is there any nodule?"), finding_of("Describe the findings.")
        ('nodule', '')
    """
    last = question.rpartition("\n")[2]
    return next((one for one in FINDINGS if last in (PRESENCE[one], BOX[one], CHANGE[one])), "")


def told(days: Sequence[int | None]) -> str:
    """In which order images are shown; every question is told, for none sees what another one was told.

    Args:
        days: For each prior how long before the study it was made, the oldest first.

    Examples:
        >>> told([9])
        'The images, in order: the study of 9 days earlier, and the current study, which is asked about.'
    """
    return f"The images, in order: {', '.join(map(earlier, days))}, and the current study, which is asked about."


def earlier(days: int | None) -> str:
    """What a prior is called.

    Args:
        days: How long before the study it was made; None where dates do not say.

    Examples:
        >>> earlier(1), earlier(None)
        ('the study of 1 day earlier', 'an earlier study')
    """
    return "an earlier study" if days is None else f"the study of {days} day{'s' * (days != 1)} earlier"


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
