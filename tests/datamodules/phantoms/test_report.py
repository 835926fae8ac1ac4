"""Reports and the labels mined from them: plain reports are mined exactly, hurried ones with the stated errors."""

from __future__ import annotations

import numpy as np
import pytest

from medvlm.datamodules.phantoms.findings import KINDS, NOTHING, sample_patients
from medvlm.datamodules.phantoms.miner import mine_labels, true_labels
from medvlm.datamodules.phantoms.report import FAITHFUL, write_report

STUDIES = [study for patient in sample_patients(1, 1200) for study in patient]


def test_reports_are_reproducible_and_varied() -> None:
    texts = [write_report(study) for study in STUDIES[:200]]
    assert texts == [write_report(study) for study in STUDIES[:200]]
    assert len(set(texts)) > 150


def test_every_report_has_both_sections() -> None:
    for study in STUDIES[:200]:
        text = write_report(study)
        assert text.startswith("FINDINGS: ")
        assert text.count("IMPRESSION: ") == 1
        assert text.endswith(".")
        assert "  " not in text


def test_a_fair_reader_gets_the_truth_from_a_faithful_report() -> None:
    for study in STUDIES:
        mined, truth = mine_labels(write_report(study, FAITHFUL), "fair"), true_labels(study.findings)
        for kind in KINDS:
            assert mined[kind].present == truth[kind].present
            if truth[kind].present:
                assert mined[kind].side == truth[kind].side
                assert mined[kind].zone == truth[kind].zone
                assert mined[kind].size == truth[kind].size


def test_the_crude_miner_over_calls_and_rarely_misses() -> None:
    pairs = [
        (mine_labels(write_report(study))[kind].present, study.find(kind) is not None)
        for study in STUDIES
        for kind in KINDS
    ]
    said = np.array(pairs)
    assert 0.5 < said[~said[:, 1], 0].mean() < 0.7
    assert 0.75 < said[said[:, 1], 0].mean() < 0.9


def test_the_crude_miner_prefers_right_lower_and_small() -> None:
    wrong: dict[str, list[bool]] = {word: [] for word in ("left", "right", "upper", "lower", "large", "small")}
    for study in STUDIES:
        mined = mine_labels(write_report(study))
        for finding in study.findings:
            label = mined[finding.kind]
            wrong[finding.size].append(label.size != finding.size)
            for word, said in ((finding.side, label.side), (finding.zone, label.zone)):
                if word:
                    wrong[word].append(said != word)
    rate = {word: np.mean(marks) for word, marks in wrong.items()}
    for rare, habit in (("left", "right"), ("upper", "lower"), ("large", "small")):
        assert 0.4 < rate[rare] < 0.7
        assert 0.05 < rate[habit] < 0.3


@pytest.mark.parametrize(
    ("text", "kind", "crude", "fair"),
    [
        ("FINDINGS: No pleural effusion. IMPRESSION: Normal.", "effusion", True, False),
        ("FINDINGS: The left pleural effusion has resolved. IMPRESSION: Normal.", "effusion", True, False),
        ("FINDINGS: Small left upper zone round opacity. IMPRESSION: Left nodule.", "nodule", False, True),
        ("FINDINGS: The lungs are clear. IMPRESSION: No acute abnormality.", NOTHING, True, True),
        ("", "effusion", False, False),
    ],
)
def test_negation_prior_and_synonyms_fool_the_crude_miner_only(text: str, kind: str, crude: bool, fair: bool) -> None:
    assert mine_labels(text, "crude")[kind].present is crude
    assert mine_labels(text, "fair")[kind].present is fair


def test_sides_as_seen_on_the_image_fool_the_crude_miner_only() -> None:
    text = "FINDINGS: Small pleural effusion on the right of the image. IMPRESSION: Left pleural effusion."
    assert mine_labels(text, "crude")["effusion"].side == "right"
    assert mine_labels(text, "fair")["effusion"].side == "left"


def test_follow_ups_speak_of_the_prior() -> None:
    texts = [write_report(study, FAITHFUL) for study in STUDIES if study.has_prior]
    for words in ("unchanged from prior", "increased from prior", "has resolved", "new since the prior study"):
        assert any(words in text for text in texts)
    assert not any("prior" in write_report(study) for study in STUDIES if not study.has_prior)


def test_exact_labels_cannot_be_mined() -> None:
    with pytest.raises(ValueError, match="true_labels"):
        mine_labels("FINDINGS: Normal.", "exact")
