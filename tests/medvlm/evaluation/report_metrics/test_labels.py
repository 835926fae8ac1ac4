"""F1 over labels by hand, in scikit-learn's conventions."""

from __future__ import annotations

import numpy as np
import pytest

from medvlm.evaluation.report_metrics.labels import LABELS, chexbert_f1, codes, multilabel_f1, set_f1


def test_averages_by_hand() -> None:
    """Label 0: F1 1, two references; label 1: 2/3, one; label 2: none has it, one prediction does."""
    given = np.array([[1, 1, 1], [1, 1, 0]], bool)
    wanted = np.array([[1, 1, 0], [1, 0, 0]], bool)
    found = multilabel_f1(given, wanted)
    assert found.micro == pytest.approx(6 / 8)
    assert found.macro == pytest.approx((1 + 2 / 3) / 3)
    assert found.weighted == pytest.approx((2 * 1 + 2 / 3) / 3)
    assert found.supported == 2


def test_a_perfect_system_on_data_with_one_label_has_macro_14_of_one_in_fourteen() -> None:
    one = codes([{"Edema": "present"}] * 3)
    found = {metric.name: metric.value for metric in chexbert_f1(one, one)}
    zero = "labels without support count 0"
    assert found[f"chexbert_macro_f1[14 labels|positive:present|13 {zero}]"] == pytest.approx(1 / 14)
    assert found[f"chexbert_macro_f1[5 labels|positive:present|4 {zero}]"] == pytest.approx(1 / 5)
    assert found["chexbert_micro_f1[14 labels|positive:present]"] == 1.0
    assert len(found) == 12


def test_an_uncertain_label_is_positive_by_one_policy_only() -> None:
    given, wanted = codes([{"Edema": "uncertain"}]), codes([{"Edema": "present", "Fracture": "absent"}])
    found = {metric.name: metric.value for metric in chexbert_f1(given, wanted)}
    assert found["chexbert_micro_f1[5 labels|positive:present]"] == 0.0
    assert found["chexbert_micro_f1[5 labels|positive:present+uncertain]"] == 1.0


def test_no_finding_is_last_and_lung_opacity_before_lung_lesion() -> None:
    assert LABELS[-1] == "No Finding"
    assert LABELS.index("Lung Opacity") < LABELS.index("Lung Lesion")


def test_other_shapes_and_codes_are_refused() -> None:
    good = codes([{}])
    with pytest.raises(ValueError, match=r"expected .N, 14. of 0, 1, 2 and 3"):
        chexbert_f1(good[:, :5], good[:, :5])
    with pytest.raises(ValueError, match=r"expected .N, 14. of"):
        chexbert_f1(good + 4, good)
    with pytest.raises(ValueError, match=r"expected .N, L. twice"):
        multilabel_f1(np.ones((2, 3), bool), np.ones((1, 3), bool))


def test_sets_by_hand() -> None:
    """Label a: 1, two references; b: given once, never wanted; the last report has none on both sides."""
    given = [frozenset("ab"), frozenset("a"), frozenset[str]()]
    wanted = [frozenset("a"), frozenset("a"), frozenset[str]()]
    weighted, sample = set_f1(given, wanted)
    assert weighted.value == 1.0
    assert sample.value == pytest.approx((2 / 3 + 1 + 1) / 3)
    assert [metric.value for metric in set_f1([frozenset[str]()], [frozenset[str]()])] == [1.0, 1.0]
    with pytest.raises(ValueError, match="as many"):
        set_f1([], [])
