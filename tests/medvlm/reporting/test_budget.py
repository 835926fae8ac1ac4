"""Groups of studies hold no more tokens than the budget, padding counted, and are the same each time."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medvlm.generation.prompts import Prompter
from medvlm.predictor import Predictor
from medvlm.reporting.budget import batches, context_tokens, split
from medvlm.reporting.find import find_studies
from medvlm.reporting.reader import Ready, read_study
from medvlm.reporting.records import Row


@pytest.fixture
def ready(predictor: Predictor, write_dicom: Any, write_slices: Any, tmp_path: Path) -> list[Ready]:
    """Radiographs, one of them with a prior, and a CT."""
    chest = {"PatientID": "P", "BodyPartExamined": "CHEST"}
    write_dicom(tmp_path / "1", "1.1", StudyDate="20240101", **chest)
    write_dicom(tmp_path / "2", "1.2", StudyDate="20240201", **chest)
    write_slices(tmp_path / "ct", [0, 5, 10], study="1.3")
    found = [read_study(one, predictor, Row(one.id, ""), repair=False) for one in find_studies([tmp_path])[0]]
    return [one for one in found if isinstance(one, Ready)]


@pytest.fixture
def prompter(predictor: Predictor) -> Prompter:
    return Prompter(predictor.processor, reasoning=predictor.identity.reasoning)


def test_the_context_is_read_once_for_all_questions(
    predictor: Predictor, prompter: Prompter, ready: list[Ready]
) -> None:
    for one in ready:
        images, samples = one.ask
        prompts = [len(prompter.prompt(sample)) for sample in samples]
        pictures = sum(predictor.processor.count_tokens("volume" if i.reference.volume else "image") for i in images)
        assert max(prompts) < context_tokens(one, prompter) < sum(prompts) - (len(prompts) - 1) * pictures


def test_studies_stay_in_order_below_the_budget(prompter: Prompter, ready: list[Ready]) -> None:
    costs = [context_tokens(one, prompter) for one in ready]
    for budget in (1, max(costs), 2 * max(costs), 3 * max(costs)):
        groups = batches(ready, budget, prompter)
        assert [one for group in groups for one in group] == ready
    assert [len(group) for group in groups] == [3]
    assert [len(group) for group in batches(ready, 1, prompter)] == [1, 1, 1]


@pytest.mark.parametrize("seed", range(5))
def test_no_group_of_several_is_beyond_the_budget_and_none_could_take_the_next(seed: int) -> None:
    costs = [int(cost) for cost in np.random.default_rng(seed).integers(1, 100, 200)]
    groups = split(costs, costs, 150)
    assert [cost for group in groups for cost in group] == costs
    assert all(len(group) * max(group) <= 150 or len(group) == 1 for group in groups)
    assert all((len(group) + 1) * max(*group, after[0]) > 150 for group, after in pairwise(groups))


@pytest.mark.parametrize("budget", [0, -5])
def test_a_senseless_budget_is_refused(prompter: Prompter, budget: int) -> None:
    with pytest.raises(ValueError, match="expected 1 token or more"):
        batches([], budget, prompter)
