"""Splits by group, and the fingerprint of a split."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from medvlm.datamodules.splits import assert_disjoint, shared_groups, split_by_group, split_hash
from medvlm.study import ImageRef, Sample, SampleError


def sample(name: str, group: str = "", image: str = "a") -> Sample:
    return Sample(name, (ImageRef(Path(image)),), "q?", "yes", "closed", group=group)


def test_the_fingerprint_is_the_sha256_of_the_sorted_ids() -> None:
    assert split_hash([sample("b"), sample("a")]) == hashlib.sha256(b"a\nb").hexdigest()[:12]


def test_the_fingerprint_changes_with_one_sample() -> None:
    assert split_hash([sample("a"), sample("b")]) != split_hash([sample("a")])


def test_no_group_is_divided_and_the_shares_come_out() -> None:
    samples = [sample(f"{n}-{q}", f"patient-{n}") for n in range(2000) for q in (0, 1)]
    parts = split_by_group(samples, {"train": 0.7, "validate": 0.1, "test": 0.2}, seed=4)
    assert not {s.group for s in parts["train"]} & {s.group for s in parts["test"]}
    assert {name: round(len(part) / 4000, 1) for name, part in parts.items()} == {
        "train": 0.7,
        "validate": 0.1,
        "test": 0.2,
    }
    assert all(s.split == name for name, part in parts.items() for s in part)


def test_dropping_and_reordering_samples_moves_no_group() -> None:
    samples = [sample(str(n), f"patient-{n}") for n in range(100)]
    shares = {"train": 0.5, "test": 0.5}
    whole = {s.id: s.split for part in split_by_group(samples, shares).values() for s in part}
    fewer = {s.id: s.split for part in split_by_group(samples[::-3], shares).values() for s in part}
    assert all(whole[name] == split for name, split in fewer.items())
    other = {s.id: s.split for part in split_by_group(samples, shares, seed=1).values() for s in part}
    assert whole != other


@pytest.mark.parametrize("shares", [{"train": 0.5}, {"train": 1.5, "test": -0.5}, {}])
def test_shares_that_do_not_sum_to_one_are_refused(shares: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="sum to 1"):
        split_by_group([], shares)


def test_a_sample_without_group_is_refused_by_name() -> None:
    with pytest.raises(SampleError, match="sample x7 has no group"):
        split_by_group([sample("x7")], {"train": 1.0})


def test_a_shared_patient_or_image_is_named() -> None:
    assert_disjoint([sample("1", "p1", "a")], [sample("2", "p2", "b")])
    with pytest.raises(SampleError, match="p1"):
        assert_disjoint([sample("1", "p1", "a")], [sample("2", "p1", "b")])
    assert shared_groups([sample("1", "p1", "a")], [sample("2", "p2", "a")]) == {"a"}
