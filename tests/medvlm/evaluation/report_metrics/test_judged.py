"""What a language model said, counted by hand."""

from __future__ import annotations

from typing import Any

import pytest

from medvlm.evaluation.report_metrics.judged import crimson, crimson_scores, green_scores, radrscore, read_green
from medvlm.evaluation.steps import StepScores

ANSWER = """[Explanation]:
The candidate names two effusions.
[Clinically Significant Errors]:
(a) False report of a finding in the candidate: {a}
(b) Missing a finding present in the reference: 1. Edema
(c) Misidentification of a finding's anatomic location/position: 0
(d) Misassessment of the severity of a finding: None
[Clinically Insignificant Errors]:
(a) False report of a finding in the candidate: 3. Old rib fracture; scar; cyst
[Matched Findings]:
{matched}
"""


def test_green_by_hand() -> None:
    found = read_green(ANSWER.format(a="2. effusion; nodule", matched="3. Heart; lungs; tube"))
    assert found is not None
    assert (found.matched, dict(found.significant)) == (3, {"a": 2, "b": 1, "c": 0, "d": 0})
    assert found.score == pytest.approx(3 / 6)


@pytest.mark.parametrize("number", ["2 effusion", "2. effusion", "2", "2: effusion"])
def test_a_number_without_its_dot_counts(number: str) -> None:
    found = read_green(ANSWER.format(a=number, matched="1 heart"))
    assert found is not None
    assert found.significant["a"] == 2


def test_nothing_matched_is_zero_and_what_cannot_be_read_is_counted() -> None:
    assert read_green("I cannot compare these reports.") is None
    assert read_green(ANSWER.format(a="several effusions", matched="1. heart")) is None
    none = read_green(ANSWER.format(a="0", matched="No matched findings."))
    assert none is not None
    assert none.score == 0.0
    (metric,) = green_scores([ANSWER.format(a="0", matched="1. heart"), ""])
    assert (metric.value, metric.n) == (0.25, 2)
    assert "1 unread count 0" in metric.name


def evaluation(**changes: Any) -> dict[str, Any]:
    wanted = [{"id": "R1", "clinical_significance": "urgent"}]
    wanted.append({"id": "R2", "clinical_significance": "actionable_not_urgent"})
    given = [{"id": "P1", "clinical_significance": "urgent"}, {"id": "P2", "clinical_significance": "urgent"}]
    base = {"reference_findings": wanted, "predicted_findings": given, "matched_findings": [], "errors": {}}
    return base | changes


def test_crimson_by_hand() -> None:
    """Weights 1 and 0.5: one matched whole, one with a significant error of its own."""
    both = [{"ref_id": "R1"}, {"ref_id": "R2"}]
    assert crimson(evaluation(matched_findings=both)) == 1.0
    wrong = {"attribute_errors": [{"ref_id": "R2", "severity": "significant"}]}
    assert crimson(evaluation(matched_findings=both, errors=wrong)) == pytest.approx((1 + 0.5 * 0.5) / 1.5)
    assert crimson(evaluation(errors={"false_findings": ["P1", "P2"]})) == pytest.approx(-2 / 3)
    assert crimson(evaluation(matched_findings=both[:1], errors={"false_findings": ["P1"]})) == 0.0


def test_crimson_of_two_normal_reports_is_one() -> None:
    assert crimson(evaluation(reference_findings=[], predicted_findings=[])) == 1.0


def test_a_failed_evaluation_stays_in_the_mean() -> None:
    (metric,) = crimson_scores([evaluation(matched_findings=[{"ref_id": "R1"}, {"ref_id": "R2"}]), None])
    assert (metric.value, metric.n) == (0.5, 2)
    with pytest.raises(ValueError, match="no evaluation by CRIMSON"):
        crimson(evaluation(matched_findings=[{"ref_id": "R9"}]))
    with pytest.raises(ValueError, match="nothing to score"):
        crimson_scores([])


def test_radrscore_is_the_mean_over_samples_with_failures() -> None:
    metrics = radrscore([StepScores(1.0, 0.5, 0.0), None])
    assert [metric.value for metric in metrics] == [0.5, 0.25, 0.0, 0.25]
    assert all("1 failed count 0" in metric.name for metric in metrics)
