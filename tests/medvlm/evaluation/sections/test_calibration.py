"""Calibration against torchmetrics, scikit-learn and hand numbers."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import brier_score_loss
from torchmetrics.functional.classification import multiclass_calibration_error

from medvlm.evaluation.protocols import Protocol
from medvlm.evaluation.records import Record
from medvlm.evaluation.scoring import score_records
from medvlm.evaluation.sections.calibration import calibration, reliability
from medvlm.evaluation.sections.section import Cell
from medvlm.evaluation.statistics import Interval

OWN = Protocol("own")
LETTERS = "ABCD"
OPTIONS = ("lung", "heart", "liver", "spleen")
Maker = Callable[..., Record]


def cells(records: list[Record]) -> dict[str, Cell]:
    section = calibration(records, OWN, 0)
    assert section is not None
    return dict(zip(section.columns, section.rows[0], strict=True))


def value(cell: Cell) -> float:
    assert isinstance(cell, Interval)
    return cell.value


def drawn(record: Maker, seed: int, n: int = 300) -> tuple[list[Record], np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    chances, right = rng.dirichlet(np.full(4, 0.6), n), rng.integers(0, 4, n)
    records = [
        record(
            LETTERS[row.argmax()],
            OPTIONS[wanted],
            kind="choice",
            options=OPTIONS,
            cluster=str(k // 3),
            probabilities=dict(zip(LETTERS, row.tolist(), strict=True)),
        )
        for k, (row, wanted) in enumerate(zip(chances, right, strict=True))
    ]
    return records, chances, right


@pytest.mark.parametrize("seed", range(3))
def test_errors_are_those_of_torchmetrics_and_the_brier_score_that_of_sklearn(record: Maker, seed: int) -> None:
    records, chances, right = drawn(record, seed)
    found = cells(records)
    given = torch.from_numpy(chances), torch.from_numpy(right)
    for name, norm in (("ECE", "l1"), ("MCE", "max")):
        error = multiclass_calibration_error(*given, num_classes=4, n_bins=10, norm=norm)  # type: ignore[arg-type]
        assert value(found[name]) == pytest.approx(float(error), abs=1e-6)
    expected = brier_score_loss(right, chances, labels=range(4), scale_by_half=False)
    assert value(found["Brier"]) == pytest.approx(expected)
    assert found["accuracy"] == pytest.approx(float((chances.argmax(1) == right).mean()))


def test_two_bins_by_hand(record: Maker) -> None:
    sure = [record("yes", answer, probabilities={"yes": 0.9, "no": 0.1}) for answer in ("yes", "yes", "yes", "no")]
    unsure = [record("no", answer, probabilities={"yes": 0.4, "no": 0.6}) for answer in ("no", "yes")]
    found = cells(sure + unsure)
    assert value(found["ECE"]) == pytest.approx((4 * 0.15 + 2 * 0.1) / 6)
    assert value(found["MCE"]) == pytest.approx(0.15)
    assert value(found["Brier"]) == pytest.approx(2 * (3 * 0.01 + 0.81 + 0.16 + 0.36) / 6)
    bins = reliability(sure + unsure, OWN, 0)
    assert bins is not None
    assert [row[:2] for row in bins.rows] == [("0.6 to 0.7", 2), ("0.9 to 1.0", 4)]


def test_the_interval_holds_the_estimate_of_a_model_that_is_calibrated(record: Maker) -> None:
    rng = np.random.default_rng(0)
    values = rng.uniform(0.5, 1, 400)
    records = [
        record("yes", "yes" if rng.random() < p else "no", cluster=str(k), probabilities={"yes": p, "no": 1 - p})
        for k, p in enumerate(values)
    ]
    error = cells(records)["ECE"]
    assert isinstance(error, Interval)
    assert 0 <= error.low <= error.value <= error.high


def test_token_probabilities_are_said_to_be_what_they_are(record: Maker) -> None:
    records = [record(cluster=str(k), confidence=0.9) for k in range(3)] + [record(confidence=math.nan)]
    section = calibration(records, OWN, 0)
    assert section is not None
    assert section.rows[0][0] == "closed: token probability"
    assert section.rows[0][-1] is None
    assert "not of its choice" in section.notes[0]
    assert "1 of 4 answers have no confidence" in section.notes[1]


def test_shares_of_drafts_are_named_so(record: Maker) -> None:
    voted = [replace(record("lung", "lung", kind="open", confidence=0.6), drafts=("lung", "lung", "liver"))]
    options = [replace(record(probabilities={"yes": 0.75, "no": 0.25}), drafts=("yes", "yes", "yes", "no"))]
    section = calibration(voted + options, OWN, 0)
    assert section is not None
    assert [row[0] for row in section.rows] == ["closed: option probability", "open: share of drafts"]
    assert any("its share or mean" in note for note in section.notes)


def test_an_answer_that_is_not_the_most_probable_option_is_counted(record: Maker) -> None:
    section = calibration([record(probabilities={"yes": 0.3, "no": 0.7})], OWN, 0)
    assert section is not None
    assert section.notes == ("1 of 1 written answers are not the most probable option",)


@pytest.mark.parametrize("reference", ["yes", "no"])
@pytest.mark.parametrize("confidence", [0.0, 0.5, 1.0])
def test_one_answer_all_right_or_all_wrong_are_numbers_in_json(
    record: Maker, reference: str, confidence: float
) -> None:
    for n in (1, 30):
        records = [
            record("yes", reference, cluster=str(k), probabilities={"yes": confidence, "no": 1 - confidence})
            for k in range(n)
        ]
        score = score_records(records, OWN)
        assert "NaN" not in json.dumps(score.to_json())
        assert f"{abs(confidence - (reference == 'yes')):.3f}" in score.to_text()


def test_nothing_is_said_without_a_confidence(record: Maker) -> None:
    assert calibration([record()], OWN, 0) is None
    assert reliability([record()], OWN, 0) is None
    assert calibration([record("Clear lungs.", "Clear lungs.", kind="report", confidence=0.5)], OWN, 0) is None
