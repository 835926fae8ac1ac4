"""Protocols: the line beside a score, the counts of released splits, the clusters."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from medvlm.evaluation.protocols import Protocol, get_protocol
from medvlm.generation.prompts import prompt_hash
from medvlm.study import ImageRef, Sample

DATA = Path(__file__).parents[4] / "shared" / "data"
SAMPLES = [Sample(str(index), (ImageRef(Path("a.png")),), "?", "yes", "closed", group="p") for index in range(3)]


def test_every_set_has_a_protocol() -> None:
    from medvlm.datamodules.sets import SETS

    assert all(get_protocol(name).name == name for name in SETS)


def test_the_prompt_hash_is_that_of_the_prompts() -> None:
    assert get_protocol("thorax").prompt_hash == prompt_hash()


def test_the_header_names_what_decides_the_number() -> None:
    header = get_protocol("thorax").header(SAMPLES)
    assert header.startswith("thorax v1 | prompt ")
    assert "n=3 (closed)" in header
    assert header == get_protocol("thorax").header(SAMPLES[::-1])
    assert header != get_protocol("thorax").header(SAMPLES[:2])


@pytest.mark.parametrize(
    "change", [{"version": 2}, {"rules": {"closed": "other"}}, {"instructions": {"closed": "other"}}]
)
def test_the_fingerprint_follows_every_part(change: dict[str, object]) -> None:
    own = Protocol("own")
    assert replace(own, **change).fingerprint != own.fingerprint  # type: ignore[arg-type]


def test_clusters_are_patients_or_images() -> None:
    assert Protocol("own").cluster_of(SAMPLES[0]) == "p"
    assert Protocol("own", cluster="image").cluster_of(SAMPLES[0]) == "a.png"
    assert Protocol("own").cluster_of(replace(SAMPLES[0], group="")) == "a.png"


def test_an_unknown_protocol_names_the_nearest() -> None:
    with pytest.raises(ValueError, match="did you mean 'vqa_rad'"):
        get_protocol("vqarad")


@pytest.mark.parametrize(
    ("protocol", "folder", "options"),
    [
        ("vqa_rad", "vqa_rad", {}),
        ("vqa_rad_images", "vqa_rad", {"split_by": "image"}),
        ("slake", "slake", {}),
    ],
)
def test_the_released_test_splits_have_the_expected_counts(protocol: str, folder: str, options: dict[str, Any]) -> None:
    from medvlm.datamodules.sets import load_set

    if not (DATA / folder).exists():
        pytest.skip(f"no ../shared/data: {folder}")
    samples = list(load_set(folder, DATA / folder, "test", **options))
    assert get_protocol(protocol).notes(samples) == ()
    assert "are not the whole of a known split" in get_protocol(protocol).notes(samples[:10])[0]
