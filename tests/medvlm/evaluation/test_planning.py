"""Which baselines a run can have is known before it asks anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from medvlm.evaluation.planning import BASELINES, usable_baselines, with_training
from medvlm.study import ImageRef, Sample


def sample(name: str, **categories: str) -> Sample:
    return Sample(name, (ImageRef(Path(name)),), "?", "yes", "closed", group=name, categories=categories)


TRAIN = [sample("t")]


def absent() -> list[Sample]:
    raise FileNotFoundError("no train.json")


def test_a_set_of_two_modalities_has_all_but_the_letter() -> None:
    samples = [sample("a", modality="CT"), sample("b", modality="MR"), sample("c", modality="MR")]
    names, reasons = usable_baselines(BASELINES, samples, TRAIN, 0)
    assert (names, reasons) == (["majority", "blank", "shuffled", "wrong"], [])


def test_what_a_set_cannot_have_is_named_with_the_reason() -> None:
    names, reasons = usable_baselines(BASELINES, [sample("a", modality="CT")], TRAIN, 0)
    assert names == ["majority", "blank"]
    assert [reason.split(":")[0] for reason in reasons] == [
        "baseline shuffled was left out",
        "baseline wrong was left out",
    ]


def test_unknown_ones_and_those_of_no_training_are_refused() -> None:
    with pytest.raises(ValueError, match=r"'oracle'.*expected some of majority, position, blank, shuffled, wrong"):
        usable_baselines(["oracle"], TRAIN, TRAIN, 0)
    with pytest.raises(ValueError, match="the position baseline needs training samples"):
        usable_baselines(["blank", "position"], TRAIN, [], 0)


def test_training_is_read_where_it_is_needed_and_missed_where_it_was_named() -> None:
    assert with_training(["majority"], lambda: TRAIN) == (["majority"], TRAIN, "")
    assert with_training(["wrong"], absent) == (["wrong"], [], "")
    with pytest.raises(FileNotFoundError, match=r"train\.json"):
        with_training(["majority"], absent)
    for load, reason in ((absent, "no train.json"), (list, "the split is empty")):
        names, train, said = with_training(None, load)
        assert (names, train) == (["blank", "shuffled", "wrong"], [])
        assert said == f"baselines majority and position were left out, no training samples: {reason}\n"
