"""What a report says of a finding: side, size, presence, and whether the question's answer agrees."""

from __future__ import annotations

import pytest

from medvlm.datamodules.phantoms.findings import sample_patients
from medvlm.datamodules.phantoms.report import FAITHFUL, write_report
from medvlm.reporting.findings import LABELS, Said, merge, named_beside, said_of
from medvlm.reporting.questions import PRESENCE, sections
from medvlm.reporting.report import Finding, Sentence
from medvlm.sentences import split_sentences


def read(name: str, *texts: str) -> Said | None:
    return said_of(name, [Sentence("findings", text) for text in texts])


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("effusion", "Small left pleural effusion, right side clear.", ("present", "left", "small", None)),
        ("effusion", "Bilateral effusions, moderate.", ("present", "bilateral", "", None)),
        ("effusion", "Left and right pleural effusions.", ("present", "bilateral", "", None)),
        ("effusion", "No left pleural effusion.", ("absent", "", "", None)),
        ("effusion", "Effusion on the left of the image.", ("present", "", "", None)),
        ("nodule", "A 1.2 x 0.8 cm nodule in the right upper lobe.", ("present", "right", "", 12.0)),
        ("nodule", "Right-sided nodule of 7 mm; large left effusion.", ("present", "right", "", 7.0)),
        ("cardiomegaly", "The heart is mildly enlarged.", ("present", "", "mild", None)),
        ("cardiomegaly", "Heart size is normal.", ("absent", "", "", None)),
        ("pneumothorax", "Possible small right pneumothorax.", ("uncertain", "right", "small", None)),
        ("consolidation", "Left effusion but right lower consolidation.", ("present", "right", "", None)),
    ],
)
def test_the_clause_that_names_it_is_read(name: str, text: str, expected: tuple[str, str, str, float | None]) -> None:
    said = read(name, text)
    assert said is not None
    assert (said.presence, said.side, said.size, said.size_mm) == expected


def test_the_strongest_sentence_counts_and_others_sections_do_not() -> None:
    assert read("nodule", "No nodule in the left lung.", "Nodule on the right.") == Said("present", 1, "right")
    assert said_of("nodule", [Sentence("comparison", "Prior nodule on the right.")]) is None
    assert read("nodule", "The lungs are clear.", "") is None


@pytest.mark.parametrize(
    ("asked", "text", "agrees"),
    [
        ("present", "Left effusion.", True),
        ("absent", "Left effusion.", False),
        ("present", "No effusion.", False),
        ("unread", "Left effusion.", None),
        ("present", "Possible effusion.", None),
        ("present", "Clear.", None),
    ],
)
def test_contradictions_are_seen(asked: str, text: str, agrees: bool | None) -> None:
    item = merge(Finding("effusion", asked, 0.5), read("effusion", text))  # type: ignore[arg-type]
    assert (item.presence, item.agrees) == (asked, agrees)


def test_every_side_and_size_of_plain_phantom_reports_is_read() -> None:
    wrong, seen = [], 0
    for study in [patient[-1] for patient in sample_patients(3, 150)]:
        findings, _ = sections(write_report(study, FAITHFUL))
        sentences = [Sentence("findings", text) for text in split_sentences(findings)]
        for finding in study.findings:
            said, seen = said_of(finding.kind, sentences), seen + 1
            if said is None or said.presence != "present" or said.side != (finding.side or ""):
                wrong.append((finding.kind, finding.side, findings, said))
    assert seen > 100
    assert not wrong, wrong[0]


def test_every_finding_that_is_asked_for_has_a_label() -> None:
    assert LABELS.keys() == PRESENCE.keys()


def test_findings_that_nobody_asked_for_are_items_too() -> None:
    sentences = [
        Sentence("findings", "Small left effusion and a displaced right rib fracture.", 0.75),
        Sentence("findings", "No edema. Possible atelectasis.", 0.5),
        Sentence("comparison", "Pneumonia.", 0.9),
    ]
    items = {one.name: one for one in named_beside(["effusion"], sentences)}
    assert set(items) == {"fracture", "atelectasis"}
    assert (items["fracture"].presence, items["fracture"].certainty) == ("present", 0.75)
    assert items["atelectasis"].presence == "uncertain"
    assert [one.agrees for one in items.values()] == [None, None]
    assert "pleural effusion" in {one.name for one in named_beside([], sentences)}
