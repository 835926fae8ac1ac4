"""Ranking metrics against hand numbers and torchmetrics."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import binary_auroc

from medvlm.evaluation.ranking import auroc, mean_auroc, recall_at


def test_auroc_counts_pairs() -> None:
    # positives 3 and 1 against negatives 2 and 1: 3 beats both, 1 loses to 2 and ties with 1
    assert auroc([3, 1, 2, 1], [1, 1, 0, 0]) == pytest.approx((2 + 0 + 0.5) / 4)


def test_auroc_is_that_of_torchmetrics() -> None:
    draw = np.random.default_rng(0)
    scores, labels = draw.integers(0, 20, 200) / 20, draw.random(200) < 0.3
    wanted = binary_auroc(torch.tensor(scores), torch.tensor(labels, dtype=torch.long))
    assert auroc(scores, labels) == pytest.approx(float(wanted), abs=1e-6)


def test_recall_looks_at_the_k_best_of_each_row() -> None:
    similarity = [[3, 2, 1], [3, 2, 1], [3, 2, 1]]
    assert [recall_at(similarity, k) for k in (1, 2, 3)] == pytest.approx([1 / 3, 2 / 3, 1])


def test_a_model_that_says_the_same_of_all_recalls_nothing() -> None:
    assert recall_at(np.zeros((4, 4)), 1) == 0.0


def test_an_interval_is_that_of_resampled_patients() -> None:
    """Each AUROC computed from the cases of the patients that were drawn, ties among them."""
    draw = np.random.default_rng(1)
    labels = draw.random((2, 60)) < 0.4
    scores, patients = (labels + draw.normal(0, 1, (2, 60))).round(1), [f"p{i // 2}" for i in range(60)]
    found = mean_auroc(scores, labels, patients, resamples=400)
    values = []
    for _ in range(400):
        cases = np.concatenate([[2 * p, 2 * p + 1] for p in draw.integers(0, 30, 30)])
        values.append(np.mean([auroc(scores[f, cases], labels[f, cases]) for f in range(2)]))
    assert found.value == pytest.approx(np.mean([auroc(scores[f], labels[f]) for f in range(2)]))
    assert (found.low, found.high) == pytest.approx(np.quantile(values, [0.025, 0.975]), abs=0.03)
    assert (found.n, found.clusters) == (60, 30)


def test_a_perfect_order_has_no_doubt() -> None:
    found = mean_auroc([1, 2, 3, 4, 5, 6], [0, 0, 0, 1, 1, 1], "abcdef")
    assert (found.value, found.low, found.high) == (1.0, 1.0, 1.0)


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match="2 positive and 0 negative"):
        auroc([1, 2], [1, 1])
    with pytest.raises(ValueError, match="expected finite pairs"):
        auroc([1, float("nan")], [1, 0])
    with pytest.raises(ValueError, match="1 clusters; expected one each"):
        mean_auroc([1, 2], [1, 0], ["a"])
    with pytest.raises(ValueError, match="k=3 of similarities"):
        recall_at(np.zeros((2, 2)), 3)
