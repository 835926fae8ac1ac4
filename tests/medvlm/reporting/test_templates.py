"""A chest is asked for chest findings, a foot is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from medvlm.datamodules.readers.choose import Candidate
from medvlm.reporting.questions import FINDINGS
from medvlm.reporting.studies import Entry
from medvlm.reporting.templates import template_of


@pytest.mark.parametrize(
    ("modality", "part", "title", "asked"),
    [
        ("DX", "CHEST", "Chest radiograph", True),
        ("CR", "THORAX", "Chest radiograph", True),
        ("CT", "CHEST", "CT of the chest", True),
        ("CT", "", "", True),
        ("OT", "", "", True),
        ("DX", "FOOT", "Foot radiograph", False),
        ("MR", "BRAIN", "MRI of the brain", False),
        ("MR", "CHEST", "MRI of the chest", False),
        ("US", "", "", False),
        ("XX", "CHEST", "", False),
    ],
)
def test_title_and_findings_follow_what_is_shown(modality: str, part: str, title: str, asked: bool) -> None:
    entry = Entry(path=Path("a"), stamp="", modality=modality, body_part=part)
    template = template_of(Candidate((entry,), volume=False))
    assert (template.title, template.findings) == (title, FINDINGS if asked else ())
