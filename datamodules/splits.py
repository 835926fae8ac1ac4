"""Splits that no patient or image straddles, and the fingerprint by which a split is recognised.

Which side a group falls on depends on its name and the seed alone: adding, dropping or reordering samples moves no
other group.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

from medvlm.study import Sample, SampleError


def fraction_of(group: str, seed: int = 0) -> float:
    """Map a group to a number in [0, 1) that only depends on its name and the seed.

    Examples:
        >>> 0 <= fraction_of("patient-1") < 1, fraction_of("a", 1) == fraction_of("a", 1)
        (True, True)
    """
    digest = hashlib.sha256(f"{seed}:{group}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def split_hash(samples: Iterable[Sample]) -> str:
    """Name a set of samples by twelve hexadecimal digits, the same in any order and on any machine.

    Args:
        samples: The samples; only their ids count.
    """
    ids = sorted(sample.id for sample in samples)
    return hashlib.sha256("\n".join(ids).encode()).hexdigest()[:12]


def shared_groups(first: Iterable[Sample], second: Iterable[Sample]) -> set[str]:
    """Return the groups and image paths that occur in both."""
    return _keys(first) & _keys(second)


def assert_disjoint(first: Iterable[Sample], second: Iterable[Sample]) -> None:
    """Refuse two splits that share a patient or an image.

    Args:
        first: Samples of one split.
        second: Samples of another.

    Raises:
        SampleError: If a group or an image path occurs in both; the message names some.
    """
    shared = sorted(shared_groups(first, second))
    if shared:
        names = ", ".join(shared[:5])
        raise SampleError(f"{len(shared)} groups or images are in both splits ({names}): split by group instead")


def split_by_group(samples: Iterable[Sample], fractions: Mapping[str, float], seed: int = 0) -> dict[str, list[Sample]]:
    """Divide samples so that each group is on one side.

    Args:
        samples: Samples with a group.
        fractions: Name of each part and its share of the groups; they sum to 1.
        seed: Which division.

    Raises:
        ValueError: If a share is negative or the shares do not sum to 1.
        SampleError: If a sample has no group.

    Examples:
        >>> split_by_group([], {"train": 0.8, "test": 0.2})
        {'train': [], 'test': []}
    """
    if any(share < 0 for share in fractions.values()) or not math.isclose(sum(fractions.values()), 1, abs_tol=1e-6):
        raise ValueError(f"fractions {dict(fractions)}: expected shares from 0 to 1 that sum to 1")
    parts: dict[str, list[Sample]] = {name: [] for name in fractions}
    for sample in samples:
        name = _part(sample, fractions, seed)
        parts[name].append(replace(sample, split=name))
    return parts


def _part(sample: Sample, fractions: Mapping[str, float], seed: int) -> str:
    """Say into which part the group of a sample falls."""
    if not sample.group:
        raise SampleError(f"sample {sample.id} has no group; give it the patient or image that must not be divided")
    place, edge = fraction_of(sample.group, seed), 0.0
    names = [name for name, share in fractions.items() if share > 0]
    for name in names:
        edge += fractions[name]
        if place < edge:
            return name
    return names[-1]


def _keys(samples: Iterable[Sample]) -> set[str]:
    """Collect what must not be shared: groups and image paths."""
    keys: set[str] = set()
    for sample in samples:
        keys.update(str(image.path) for image in sample.images)
        if sample.group:
            keys.add(sample.group)
    return keys
