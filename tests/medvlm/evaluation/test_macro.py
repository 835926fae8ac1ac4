"""The mean over categories: against sklearn's balanced accuracy, by hand, and in the table of a score."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from medvlm.evaluation.macro import macro_accuracy
from medvlm.evaluation.protocols import Protocol
from medvlm.evaluation.records import Record, grade
from medvlm.evaluation.scoring import score_records
from medvlm.study import Sample


def record(index: int, modality: str, right: bool) -> Record:
    sample = Sample(str(index), (), "?", "yes", "closed", categories={"modality": modality} if modality else {})
    return grade(sample, "yes" if right else "no", run="r", cluster=str(index))


def test_each_value_weighs_the_same() -> None:
    records = [record(index, "CT", index > 0) for index in range(4)] + [record(9, "MRI", False)]
    found = macro_accuracy(records, "modality")
    assert found is not None
    assert found.value == pytest.approx((0.75 + 0) / 2)
    assert found.n == 5
    assert found.low <= found.value <= found.high


def test_it_is_balanced_accuracy_with_the_category_as_class() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    names, right = rng.choice(["CT", "MRI", "US"], 60, p=[0.7, 0.2, 0.1]), rng.random(60) < 0.6
    records = [record(index, name, bool(hit)) for index, (name, hit) in enumerate(zip(names, right, strict=True))]
    found = macro_accuracy(records, "modality")
    assert found is not None
    answered = [name if hit else "none" for name, hit in zip(names, right, strict=True)]
    recall = metrics.recall_score(names, answered, labels=["CT", "MRI", "US"], average="macro", zero_division=0)
    assert found.value == pytest.approx(recall)


def test_questions_without_the_category_are_left_out() -> None:
    records = [record(0, "CT", True), record(1, "", False)]
    found = macro_accuracy(records, "modality")
    assert found is not None
    assert (found.value, found.n) == (1.0, 1)
    assert macro_accuracy(records, "organ") is None


def test_a_protocol_that_names_it_has_the_row_beside_the_mean_over_questions() -> None:
    records = [record(index, "CT", True) for index in range(3)] + [record(9, "MRI", False)]
    score = score_records(records, replace(Protocol("own"), macro=("modality", "organ")))
    rows = {row.part: row.interval.value for row in score.rows}
    assert rows["mean over modality"] == 0.5
    assert "mean over organ" not in rows
    assert score.accuracy is not None
    assert score.accuracy.value == 0.75
