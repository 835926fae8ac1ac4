"""Virtual patients: same seed same patient, shares, sides balanced, priors that follow."""

from __future__ import annotations

from collections import Counter

import pytest

from medvlm.datamodules.phantoms.findings import KINDS, SIDED, ZONED, Finding, sample_patient, sample_patients

COHORT = [study for patient in sample_patients(5, 2000) for study in patient]


def test_same_seed_gives_the_same_patient_in_any_order() -> None:
    assert sample_patient(1, 17) == list(sample_patients(1, 20))[17]
    assert sample_patient(1, 17) != sample_patient(2, 17)


def test_about_a_third_of_first_studies_is_normal() -> None:
    first = [study for study in COHORT if study.number == 0]
    counts = Counter(len(study.findings) for study in first)
    assert 0.27 < counts[0] / len(first) < 0.33
    assert set(counts) == {0, 1, 2}


def test_sides_zones_and_sizes_are_balanced() -> None:
    findings = [finding for study in COHORT for finding in study.findings]
    sides = Counter(finding.side for finding in findings if finding.kind in SIDED)
    zones = Counter(finding.zone for finding in findings if finding.kind in ZONED)
    sizes = Counter(finding.size for finding in findings)
    for counts in (sides, zones, sizes):
        assert max(counts.values()) / sum(counts.values()) < 0.54
    assert set(sides) == {"left", "right"}


def test_every_kind_is_frequent() -> None:
    counts = Counter(finding.kind for study in COHORT for finding in study.findings)
    assert set(counts) == set(KINDS)
    assert min(counts.values()) > 0.1 * sum(counts.values())


def test_two_findings_never_share_a_lung() -> None:
    for study in COHORT:
        sides = [finding.side for finding in study.findings if finding.side]
        assert len(sides) == len(set(sides))
        assert len({finding.kind for finding in study.findings}) == len(study.findings)


def _change(before: Finding | None, after: Finding) -> str:
    if before is None:
        return "new"
    return "unchanged" if before.mm == after.mm else "increased" if after.mm > before.mm else "decreased"


def test_change_words_say_what_happened_since_the_prior() -> None:
    pairs = [patient for patient in sample_patients(5, 600) if len(patient) == 2]
    seen: Counter[str] = Counter()
    for prior, now in pairs:
        assert (prior.body, prior.patient) == (now.body, now.patient)
        for finding in now.findings:
            assert finding.change == _change(prior.find(finding.kind), finding)
            seen[finding.change] += 1
        for finding in now.resolved:
            assert prior.find(finding.kind) is not None
            assert now.find(finding.kind) is None
            seen["resolved"] += 1
    assert set(seen) == {"new", "unchanged", "increased", "decreased", "resolved"}


@pytest.mark.parametrize(("seed", "index"), [(-1, 0), (0, -1)])
def test_negative_seed_or_index_is_refused(seed: int, index: int) -> None:
    with pytest.raises(ValueError, match="0 or more"):
        sample_patient(seed, index)
