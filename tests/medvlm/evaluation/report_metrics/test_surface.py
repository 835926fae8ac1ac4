"""Rates and sections by hand."""

from __future__ import annotations

import pytest

from medvlm.evaluation.metrics import bleu
from medvlm.evaluation.report_metrics import PLAIN, plain_metrics
from medvlm.evaluation.report_metrics.surface import all_normal, distinct, length, sectionwise, temporal

TWO = "FINDINGS: Large left effusion.\nIMPRESSION: Effusion since yesterday."


def test_length_counts_words_and_characters() -> None:
    mean, ratio = length(["Clear lungs.", "", "左肺"], ["Clear lungs.", "No effusion", "左肺"])
    assert mean.value == pytest.approx(4 / 3)
    assert mean.n == 3
    assert ratio.value == pytest.approx(4 / 6)


def test_distinct_reports_are_counted_on_both_sides() -> None:
    given, wanted = distinct(["Clear.", "clear. ", "Clear.\n"], ["a", "b", "b"])
    assert [given.value, wanted.value] == pytest.approx([1 / 3, 2 / 3])


def test_all_normal_needs_words_of_a_normal_report() -> None:
    given, wanted = all_normal(["Lungs are clear.", "qz qz", "", "Large effusion."], ["No effusion."] * 4)
    assert (given.value, wanted.value) == (0.25, 1.0)


def test_temporal_f1_by_hand() -> None:
    """Stated: new effusion and stable nodule; found: the nodule, in other words, and one that is not."""
    (metric,) = temporal(["Nodule unchanged.", "Edema has improved."], ["New effusion. Stable nodule.", "Clear."])
    assert metric.value == pytest.approx(2 / (2 + 1 + 1))
    assert "1 references state a change" in metric.name
    assert temporal(["New effusion."], ["No new effusion."]) == []


def test_sections_are_scored_apart() -> None:
    given = "FINDINGS: Large left effusion is seen. IMPRESSION: Effusion since yesterday."
    metrics = {metric.name.split("[")[0]: metric for metric in sectionwise([given, "Clear."], [TWO, "Clear."])}
    assert list(metrics) == ["findings:bleu", "findings:rougeL_f1", "impression:bleu", "impression:rougeL_f1"]
    assert metrics["impression:rougeL_f1"].value == pytest.approx(1.0)
    assert metrics["findings:bleu"].value == bleu(["Large left effusion is seen."], ["Large left effusion."]).value
    assert metrics["findings:bleu"].n == 1


def test_a_missing_section_counts_as_empty_and_no_headings_have_no_row() -> None:
    assert sectionwise(["FINDINGS: Large left effusion."], [TWO])[-1].value == 0.0
    assert sectionwise(["Clear."], ["Clear."]) == []


def test_each_score_carries_its_signature_and_what_cannot_be_had_is_said() -> None:
    metrics, notes = plain_metrics(["左肺"], ["左肺"])
    assert all("[" in metric.name and metric.n == 1 for metric in metrics)
    assert any(note.startswith("rouge not available: rouge-score reads") for note in notes)
    assert len({metric.name for metric in metrics}) == len(metrics)


def test_reports_of_other_parts_have_no_chest_scores() -> None:
    names = [metric.name for metric in plain_metrics(["a b"], ["a c"], chest=False)[0]]
    assert not any("rule_" in name for name in names)
    assert any(name.startswith("cider_d") for name in names)
    assert "all_normal" not in PLAIN
