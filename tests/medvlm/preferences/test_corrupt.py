"""Reports made wrong: read back by the phantom's own miner, which knows nothing of the labeler that guides them."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from medvlm.datamodules.phantoms.findings import sample_patients
from medvlm.datamodules.phantoms.miner import Label, mine_labels
from medvlm.datamodules.phantoms.report import FAITHFUL, write_report
from medvlm.preferences.corrupt import CORRUPTIONS, Corruption, add_finding, change_size, clauses, swap_side

REAL = (
    "FINDINGS: The heart is enlarged. There is a 12 mm nodule in the right upper lobe. Small left pleural effusion; "
    "no pneumothorax. IMPRESSION: 1. Right upper lobe nodule. 2. Left effusion."
)


@pytest.fixture(scope="module")
def reports() -> list[str]:
    return [write_report(study, FAITHFUL) for studies in sample_patients(2, 40) for study in studies]


def facts(report: str) -> dict[str, Label]:
    return {kind: label for kind, label in mine_labels(report, "fair").items() if kind != "no finding"}


def found(report: str) -> set[str]:
    return {kind for kind, label in facts(report).items() if label.present}


CHANGED: dict[Corruption, Callable[[Label, Label], bool]] = {
    "side": lambda old, new: old.present and new.present and old.side != new.side,
    "size": lambda old, new: old.present and new.present and old.size != new.size,
    "denied": lambda old, new: old.present and not new.present,
    "added": lambda old, new: new.present and not old.present,
}


@pytest.mark.parametrize("name", CHANGED)
def test_exactly_one_finding_is_wrong(reports: list[str], name: Corruption) -> None:
    made = 0
    for number, report in enumerate(reports):
        wrong = CORRUPTIONS[name](report, Random(number))
        if wrong is None:
            assert name != "added"
            continue
        before, after = facts(report), facts(wrong)
        differ = [kind for kind in before if (before[kind].present, before[kind].side, before[kind].size) != (
            after[kind].present, after[kind].side, after[kind].size)]  # fmt: skip
        named = [kind for kind in differ if before[kind].present or after[kind].present]
        assert len(named) == 1, (report, wrong)
        assert CHANGED[name](before[named[0]], after[named[0]]), (report, wrong)
        made += 1
    assert made > 15


@pytest.mark.parametrize("name", CHANGED)
def test_the_seed_decides(reports: list[str], name: Corruption) -> None:
    first = [CORRUPTIONS[name](report, Random(f"0/{report}")) for report in reports]
    again = [CORRUPTIONS[name](report, Random(f"0/{report}")) for report in reports]
    other = [CORRUPTIONS[name](report, Random(f"1/{report}")) for report in reports]
    assert first == again
    assert first != other


def test_a_real_report_by_hand() -> None:
    assert swap_side("A left effusion. Left effusion.", Random(0)) == "A right effusion. Right effusion."
    assert change_size("A 12 mm nodule.", Random(0)) in ("A 6 mm nodule.", "A 24 mm nodule.")
    assert {swap_side(REAL, Random(seed)) for seed in range(9)} == {
        REAL.replace("left", "right").replace("Left", "Right"),
        REAL.replace("right", "left").replace("Right", "Left"),
    }


def test_what_offers_nothing_is_left_alone() -> None:
    assert [function("Clear lungs.", Random(0)) for name, function in CORRUPTIONS.items() if name != "added"] == [
        None
    ] * 3
    assert swap_side("Left and right effusions.", Random(0)) is None
    full = "Effusion. Pneumothorax. Consolidation. Cardiomegaly. Nodule."
    assert add_finding(full, Random(0)) is None


def test_what_denies_an_added_finding_goes() -> None:
    report = (
        "FINDINGS: The lungs are clear. No pleural effusion, pneumothorax or nodule. IMPRESSION: No acute abnormality."
    )
    for seed in range(20):
        wrong = add_finding(report, Random(seed))
        assert wrong is not None
        assert "clear" not in wrong
        assert "No acute" not in wrong
        (kind,) = found(wrong)
        assert wrong.lower().count(kind) == 2  # in the findings and in the impression


def test_clauses_join_to_the_text() -> None:
    for text in (REAL, "No stop", "A 4.5 mm nodule.\nB; c: d."):
        assert "".join(clauses(text)) == text
