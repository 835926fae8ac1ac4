"""pass@k over drafts and consistency over orders, by hand numbers."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from medvlm.evaluation.protocols import Protocol
from medvlm.evaluation.records import Record
from medvlm.evaluation.sections.drafts import drafts, mean_intervals
from medvlm.evaluation.sections.orders import orders
from medvlm.evaluation.statistics import mean_interval

OWN = Protocol("own")


def drawn(record: Any, right: int, majority: int, cluster: str, n: int = 4) -> Record:
    scores = {"drafts_right": float(right), "majority_right": float(majority)}
    made: Record = replace(record("A", cluster=cluster), drafts=("A",) * n, scores=scores)
    return made


def test_pass_at_k_is_the_mean_over_questions(record: Any) -> None:
    records = [drawn(record, 4, 1, "a"), drawn(record, 1, 0, "b"), drawn(record, 0, 0, "c"), record(cluster="d")]
    found = drafts(records, OWN, 0)
    assert found is not None
    rows: dict[Any, Any] = {row[0]: row[1] for row in found.rows}
    assert list(rows) == ["pass@1", "pass@2", "pass@4", "majority@4"]
    assert [cell.value for cell in rows.values()] == pytest.approx([5 / 12, 1.5 / 3, 2 / 3, 1 / 3])
    assert rows["pass@4"].n == 3
    assert found.notes[0].startswith("1 questions")
    assert drafts(records[3:], OWN, 0) is None


def test_pass_of_a_single_draft_is_pass_at_1(record: Any) -> None:
    found = drafts([drawn(record, 1, 1, "a", n=1)], OWN, 0)
    assert found is not None
    assert [row[0] for row in found.rows] == ["pass@1", "majority@1"]


def test_intervals_are_those_of_the_statistics(record: Any) -> None:
    generator = np.random.default_rng(0)
    values, clusters = generator.random(60), [str(place // 3) for place in range(60)]
    (found,) = mean_intervals(values[:, None], clusters, 5)
    wanted = mean_interval(values, clusters, seed=5)
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((wanted.value, wanted.low, wanted.high))
    assert mean_intervals(np.array([[math.nan], [math.nan]]), ["a", "b"], 0) == [None]


def test_consistency_and_letters_by_hand(record: Any) -> None:
    first = {"consistent": 1.0, "orders_right": 1.0, "right_at_A": 1.0, "right_at_B": 1.0}
    second = {"consistent": 0.0, "orders_right": 0.5, "right_at_A": 1.0, "right_at_C": 0.0}
    options = {"kind": "choice", "options": ("x", "y", "z"), "reference": "x"}
    records = [
        replace(record("A", cluster="a", **options), scores=first),
        replace(record("B", cluster="b", **options), scores=second),
        record(cluster="c"),
    ]
    found = orders(records, OWN, 0)
    assert found is not None
    cells: Any = found.rows
    rows = {row[0]: (row[1], row[2].value) for row in cells}
    assert rows == {
        "consistent": (2, 0.5),
        "always right": (2, 0.5),
        "accuracy over orders": (2, 0.75),
        "accuracy of the vote": (2, 0.5),
        "accuracy, right option at A": (2, 1.0),
        "accuracy, right option at B": (1, 1.0),
        "accuracy, right option at C": (1, 0.0),
    }
    assert orders(records[2:], OWN, 0) is None
