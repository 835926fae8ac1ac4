"""Which questions a stage is validated on: its own split or held-out patients, whole, seeded, never the test's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from medvlm.evaluation.protocols import get_protocol
from medvlm.settings import Recipe
from medvlm.study import Sample, SampleError
from medvlm.training.build import stage_data
from medvlm.training.dryrun import dry_run
from medvlm.training.validation_data import check_metric, choose_questions, exam_of
from medvlm.validation import ValidateSettings


def questions(patients: int, each: int = 3) -> list[Sample]:
    return [
        Sample(f"{patient}-{index}", (), "?", "yes", "closed", group=f"patient {patient}")
        for patient in range(patients)
        for index in range(each)
    ]


def write(folder: Path, splits: dict[str, int]) -> None:
    folder.mkdir()
    lines = [
        json.dumps({"id": f"{split}{patient}-{index}", "images": [], "question": "Q?", "answer": "yes"}
                   | {"group": f"{split} {patient}", "split": split})
        for split, patients in splits.items() for patient in range(patients) for index in range(2)
    ]  # fmt: skip
    (folder / "data.jsonl").write_text("\n".join(lines), encoding="utf-8")


def recipe(folder: Path, validate: dict[str, Any] | None, **changes: Any) -> Recipe:
    stages = [
        {"name": "one", "objective": "sft", "steps": 10},
        {"name": "two", "objective": "sft", "steps": 10, "validate": validate},
    ]
    data = {"set": "jsonl", "root": folder}
    return Recipe.model_validate({"name": "r", "purpose": "p", "data": data, "stages": stages} | changes)


def exam(recipe: Recipe, stage: int = 1) -> tuple[Any, Any]:
    unused: Any = None
    data = stage_data(recipe, recipe.stages[stage], recipe.data.root or Path(), unused)
    found = exam_of(recipe, recipe.stages[stage], data, unused)
    data.setup("fit")
    return data, found


def test_a_limit_takes_whole_patients_and_the_same_ones_whatever_else_is_there() -> None:
    many, few = questions(40), questions(20)
    chosen = choose_questions(many, 14, seed=1)
    assert len(chosen) == 12
    assert all(sum(one.group == sample.group for one in chosen) == 3 for sample in chosen)
    assert chosen == choose_questions(list(many), 14, seed=1)
    assert {one.group for one in choose_questions(few, 6, 1)} != {one.group for one in choose_questions(few, 6, 2)}
    assert len(choose_questions(many, 1, seed=0)) == 3
    assert choose_questions(many, None, seed=0) == many


def test_the_sets_own_split_is_asked_and_training_keeps_all(tmp_path: Path) -> None:
    write(tmp_path / "d", {"train": 30, "validate": 4, "test": 5})
    data, found = exam(recipe(tmp_path / "d", {"every": 5}))
    assert {sample.split for sample in found.samples} == {"validate"}
    assert (len(found.samples), len(data.samples["train"]), found.source) == (8, 60, "split validate")


def test_a_set_without_one_gives_up_training_patients_in_every_stage(tmp_path: Path) -> None:
    write(tmp_path / "d", {"train": 60, "test": 5})
    settings = recipe(tmp_path / "d", {"every": 5})
    data, found = exam(settings)
    first, nothing = exam(settings, 0)
    asked = {sample.group for sample in found.samples}
    assert nothing is None
    assert 1 <= len(asked) <= 15
    assert found.source == "10% of the training patients"
    for one in (data, first):
        assert not asked & {sample.group for sample in one.samples["train"]}
        assert len({sample.group for sample in one.samples["train"]}) + len(asked) == 60
    assert not any(name.startswith("test") for name in asked)


def test_a_recipe_that_does_not_validate_trains_on_all(tmp_path: Path) -> None:
    write(tmp_path / "d", {"train": 60})
    data, found = exam(recipe(tmp_path / "d", None))
    assert found is None
    assert len(data.samples["train"]) == 120


def test_nothing_to_validate_on_is_said(tmp_path: Path) -> None:
    write(tmp_path / "d", {"train": 1})
    with pytest.raises(SampleError, match="nothing to validate on: 10% of its training patients are none"):
        exam(recipe(tmp_path / "d", {"every": 5}))


def test_reports_can_be_chosen_by_a_clinical_number() -> None:
    reports = [
        Sample(str(index), (), "Report?", text, "report", group=str(index))
        for index, text in enumerate(["Large left pleural effusion. No nodule.", "The heart is normal."])
    ]
    settings = ValidateSettings(every=1, metric="report:rule_chexpert_micro_f1")
    check_metric(settings, reports, get_protocol("thorax"), "sft")
    with pytest.raises(ValueError, match="there is no number 'accuracy' here, only report:rule_chexpert_micro_f1"):
        check_metric(ValidateSettings(every=1), reports, get_protocol("thorax"), "sft")


def test_a_number_that_no_answer_can_have_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = ({"accuracy": float("nan")}, {"accuracy": 0.0})
    monkeypatch.setattr("medvlm.training.validation_data.extremes", lambda *unused: nothing)
    with pytest.raises(ValueError, match="is nan where every answer is right"):
        check_metric(ValidateSettings(every=1), questions(2), get_protocol("jsonl"), "sft")


def test_deepspeed_and_stages_that_answer_nothing_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "d", {"train": 30, "validate": 4})
    with pytest.raises(ValueError, match="not deepspeed_stage_2"):
        exam(recipe(tmp_path / "d", {"every": 5}, trainer={"strategy": "deepspeed_stage_2"}))
    stage = {"name": "align", "objective": "contrastive", "validate": {"every": 5}}
    with pytest.raises(ValueError, match="a contrastive stage learns to answer none"):
        recipe(tmp_path / "d", None, stages=[stage])


def test_the_dry_run_says_what_it_costs(tmp_path: Path) -> None:
    write(tmp_path / "d", {"train": 30, "validate": 9})
    text = str(dry_run(recipe(tmp_path / "d", {"every": 4, "limit": 10})))
    assert "validation by accuracy: 10 questions x 3 times = 30 answers (every 4 batches, and after the last)" in text
    absent = str(dry_run(recipe(tmp_path / "absent", {"every": 4, "limit": 10})))
    assert "validation by accuracy: at most 10 questions x 3 times" in absent
