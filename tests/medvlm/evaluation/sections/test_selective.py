"""Selective accuracy by hand and against every order that ties allow."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest

from medvlm.evaluation.protocols import Protocol
from medvlm.evaluation.records import Record
from medvlm.evaluation.sections.selective import selective
from medvlm.evaluation.statistics import Interval

OWN = Protocol("own")
Maker = Callable[..., Record]


def values(records: list[Record]) -> dict[str, float]:
    section = selective(records, OWN, 0)
    assert section is not None
    found = {}
    for name, cell in section.rows:
        assert isinstance(cell, Interval)
        found[str(name)] = cell.value
    return found


def brute(right: list[int], sure: list[float], coverage: float) -> tuple[float, float]:
    """Accuracy at a coverage and AURC, the mean over every order in which no surer answer comes later."""
    orders = [
        order
        for order in itertools.permutations(range(len(right)))
        if all(sure[a] >= sure[b] for a, b in itertools.pairwise(order))
    ]
    kept = max(1, math.ceil(coverage * len(right) - 1e-9))
    hits = [np.cumsum([right[place] for place in order]) for order in orders]
    steps = np.arange(1, len(right) + 1)
    return float(np.mean([h[kept - 1] / kept for h in hits])), float(np.mean([1 - (h / steps).mean() for h in hits]))


@pytest.mark.parametrize("seed", range(8))
def test_ties_count_as_the_mean_over_their_orders(record: Maker, seed: int) -> None:
    rng = np.random.default_rng(seed)
    sure, right = rng.choice([0.2, 0.5, 0.9], 7).tolist(), rng.integers(0, 2, 7).tolist()
    sure[:2] = [0.2, 0.9]
    records = [
        record("yes", "yes" if hit else "no", cluster=str(k), confidence=p)
        for k, (hit, p) in enumerate(zip(right, sure, strict=True))
    ]
    found = values(records)
    for coverage in (0.9, 0.8, 0.7, 0.5):
        assert found[f"accuracy of the surest {coverage:.0%}"] == pytest.approx(brute(right, sure, coverage)[0])
    assert found["AURC"] == pytest.approx(brute(right, sure, 1)[1])
    best = [float(hit) for hit in sorted(right, reverse=True)]
    oracle = 1 - (np.cumsum(best) / np.arange(1, 8)).mean()
    assert found["AURC above the best order"] == pytest.approx(found["AURC"] - oracle)


def test_four_answers_by_hand(record: Maker) -> None:
    given = (("yes", 0.9), ("no", 0.8), ("yes", 0.7), ("no", 0.6))
    records = [record("yes", answer, cluster=str(k), confidence=p) for k, (answer, p) in enumerate(given)]
    found = values(records)
    assert found["accuracy of all"] == found["accuracy of the surest 50%"] == 0.5
    assert found["accuracy of the surest 70%"] == pytest.approx(2 / 3)
    assert found["AURC"] == pytest.approx((0 + 1 / 2 + 1 / 3 + 1 / 2) / 4)
    section = selective(records, OWN, 0)
    assert section is not None
    assert [round(y, 3) for _, y in section.curves[0].points] == [1, 0.5, 0.667, 0.5]


def test_an_unread_answer_is_the_first_to_be_left_to_a_reader(record: Maker) -> None:
    records = [record("yes", "yes", cluster=str(k), probabilities={"yes": 0.6 + k / 50, "no": 0.1}) for k in range(9)]
    records.append(record("perhaps", "yes", cluster="9", probabilities={"yes": 0.99, "no": 0.01}))
    found = values(records)
    assert (found["accuracy of all"], found["accuracy of the surest 90%"]) == (0.9, 1.0)
    assert found["AURC above the best order"] == pytest.approx(0)


def test_intervals_resample_clusters_as_a_loop_over_copies_does(record: Maker) -> None:
    rng = np.random.default_rng(3)
    records = [
        record("yes", "yes" if rng.random() < 0.6 else "no", cluster=f"p{k % 11}", confidence=float(rng.random()))
        for k in range(40)
    ]
    section = selective(records, OWN, 5)
    assert section is not None
    cell = section.rows[4][1]
    names = list(dict.fromkeys(record.cluster for record in records))
    copies = np.random.default_rng(5).integers(0, 11, (2000, 11))
    slow = []
    for draw in copies:
        taken = [record for place in draw for record in records if record.cluster == names[place]]
        taken.sort(key=lambda record: -(record.confidence or 0))
        slow.append(brute_half(taken))
    assert isinstance(cell, Interval)
    assert (cell.low, cell.high) == pytest.approx(tuple(np.quantile(slow, [0.025, 0.975])))


def brute_half(taken: list[Record]) -> float:
    kept = math.ceil(len(taken) / 2)
    return sum(bool(record.correct) for record in taken[:kept]) / kept


def test_all_right_all_wrong_and_one_patient(record: Maker) -> None:
    for reference, value in (("yes", 1.0), ("no", 0.0)):
        found = values([record("yes", reference, confidence=p) for p in (0.2, 0.4)])
        assert found["accuracy of the surest 50%"] == value
        assert found["AURC above the best order"] == 0


@pytest.mark.parametrize("sure", [None, math.nan, 0.7])
def test_nothing_is_said_where_all_are_equally_sure(record: Maker, sure: float | None) -> None:
    assert selective([record(confidence=sure), record(confidence=sure)], OWN, 0) is None
