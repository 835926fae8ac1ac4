"""Few-shot examples: alike, seeded, and never of the patient or the image that is asked about."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from medvlm.evaluation.answering.shots import Shots, shots_digest
from medvlm.study import ImageRef, Sample


def question(patient: int, organ: str, number: int = 0, **fields: Any) -> Sample:
    base = Sample(
        f"{patient}/{organ}/{number}",
        (ImageRef(Path(f"{patient}.png")),),
        f"{organ}?",
        "yes",
        "closed",
        group=f"p{patient}",
        categories={"organ": organ, "n": str(number)},
    )
    return replace(base, **fields)


TRAIN = [question(patient, organ, number) for patient in range(20) for organ in ("lung", "heart") for number in (0, 1)]


def test_no_shot_is_of_the_patient_or_the_image() -> None:
    for seed in range(5):
        shots = Shots(TRAIN, 6, seed=seed, names=("organ",))
        for sample in TRAIN:
            found = shots.of(sample)
            groups = [shot.group for shot in found]
            assert len(set(groups)) == 6
            assert sample.group not in groups
            assert not {shot.images for shot in found} & {sample.images}
            assert {shot.categories["organ"] for shot in found} == {sample.categories["organ"]}


def test_an_image_without_a_patient_is_not_shown_either() -> None:
    train = [replace(sample, group="") for sample in TRAIN]
    for sample in train[:10]:
        assert sample.images not in {shot.images for shot in Shots(train, 8).of(sample)}


def test_the_same_questions_have_the_same_shots_in_any_order_of_training() -> None:
    first, second = Shots(TRAIN, 3, seed=1), Shots(TRAIN[::-1], 3, seed=1)
    assert [first.of(sample) for sample in TRAIN] == [second.of(sample) for sample in TRAIN]
    assert (
        shots_digest(TRAIN, first) == shots_digest(TRAIN[::-1], second) != shots_digest(TRAIN, Shots(TRAIN, 3, seed=2))
    )
    new = [question(patient, "lung", patient) for patient in range(50, 60)]
    assert (
        len(
            {
                tuple(shot.id for shot in shots.of(sample))
                for shots in [Shots(TRAIN, 3, names=("organ",))]
                for sample in new
            }
        )
        == 1
    )


def test_those_that_share_more_categories_stand_next_to_the_question() -> None:
    found = Shots(TRAIN, 30 - 11).of(question(50, "heart", 1))
    alike = [(shot.categories["organ"] == "heart") + (shot.categories["n"] == "1") for shot in found]
    assert alike == sorted(alike)
    assert alike[-1] == 2


def test_kinds_and_forms_do_not_mix_and_pseudo_labels_are_left_out() -> None:
    volume = (ImageRef(Path("v"), volume=True),)
    odd = [
        question(30, "lung", kind="open"),
        question(31, "lung", images=volume),
        question(32, "lung", extra={"pseudo": 0.9}),
        question(33, "lung", kind="choice", answer="yes", options=("a", "b")),
    ]
    fine = [question(34, "lung"), question(35, "heart")]
    assert {shot.id for shot in Shots([*odd, *fine], 2).of(question(50, "lung"))} == {one.id for one in fine}


def test_too_few_and_none_are_named() -> None:
    with pytest.raises(ValueError, match=r"'50/lung/0': 1 training samples .* expected 2"):
        Shots([question(1, "lung"), question(1, "heart"), question(50, "lung", 1)], 2).of(question(50, "lung"))
    with pytest.raises(ValueError, match="2 shots need training samples"):
        Shots([], 2)
