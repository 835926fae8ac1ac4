"""The score table against hand numbers."""

from __future__ import annotations

import json

import pytest

from medvlm.evaluation import packages
from medvlm.evaluation.protocols import Protocol
from medvlm.evaluation.records import Record, grade
from medvlm.evaluation.scoring import Score, compare, score_records
from medvlm.study import AnswerKind, Sample, need

OWN = Protocol("own")


def records(kind: AnswerKind, answers: list[str], reference: str = "yes", **categories: str) -> list[Record]:
    made = []
    for index, text in enumerate(answers):
        sample = Sample(f"{kind}{index}", (), "?", reference, kind, group=f"p{index}", categories=categories)
        made.append(grade(sample, text, run="r", cluster=f"p{index}"))
    return made


def row(score: Score, part: str, metric: str = "accuracy") -> float:
    return next(row.interval.value for row in score.rows if (row.part, row.metric) == (part, metric))


def test_closed_and_open_are_given_apart() -> None:
    score = score_records(
        records("closed", ["yes", "no", "yes", "?"]) + records("open", ["left lung", "lung"], "left lung"), OWN
    )
    assert row(score, "closed") == 0.5
    assert row(score, "open") == 0.5
    assert row(score, "open", "token_recall") == 0.75
    assert row(score, "open", "token_f1") == pytest.approx((1 + 2 / 3) / 2)
    assert score.accuracy is not None
    assert score.accuracy.value == 0.5
    assert score.unparsed == pytest.approx(1 / 6)


def test_categories_of_the_protocol_are_rows() -> None:
    answers = records("closed", ["yes"], organ="CHEST", other="x") + records("closed", ["no"], organ="HEAD")
    score = score_records(answers, Protocol("own", breakdown=("organ",)))
    assert [row.part for row in score.rows] == ["closed", "organ=CHEST", "organ=HEAD"]
    assert row(score, "organ=CHEST") == 1.0
    assert [entry.part for entry in score_records(answers, OWN).rows][-1] == "other=x"


def test_reports_have_metrics_of_the_corpus_and_no_accuracy() -> None:
    score = score_records(records("report", ["Large effusion.", "No effusion."], "Large effusion."), OWN)
    assert score.accuracy is None
    assert row(score, "report", "rule_chexpert_micro_f1") == pytest.approx(2 / 3)
    names = [metric.name.split("[")[0] for metric in score.corpus]
    assert row(score, "report", "rule_chexpert_hallucinated") == 0.0
    assert names[:5] == [
        "rule_chexpert_micro_f1",
        "rule_chexpert_macro_f1",
        "rule_chexpert_hallucinated",
        "bleu",
        "rougeL_f1",
    ]
    assert {"bleu1", "bleu4_coco", "rouge1_f1", "cider_d", "length", "distinct_reports"} <= set(names)


def test_each_score_of_reports_has_one_row_with_its_signature() -> None:
    score = score_records(records("report", ["Large effusion.", "No effusion."], "Large effusion."), OWN)
    lines = [line for line in score.to_text(200).splitlines() if line.startswith("report")]
    names = [line.split()[1] for line in lines]
    assert names[:2] == ["rule_chexpert_micro_f1[positive:present]", "rule_chexpert_hallucinated[positive:present]"]
    assert " to " in lines[0]
    named = [line.split("]")[0] for line in lines]
    assert len(named) == len(set(named))


def test_hallucinated_findings_are_counted_over_all_reports() -> None:
    """Three findings are named over two reports, one of which the reference does not have."""
    texts = ["Large effusion. Cardiomegaly.", "Effusion. No pneumothorax."]
    score = score_records(records("report", texts, "Large effusion. No cardiomegaly."), OWN)
    assert row(score, "report", "rule_chexpert_hallucinated") == pytest.approx(1 / 3)
    named = {metric.name.split("[")[0]: metric.value for metric in score.corpus}
    assert named["rule_chexpert_hallucinated"] == pytest.approx(1 / 3)


def test_an_absent_metrics_package_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "need", lambda module, extra: need(f"absent_{module}", extra))
    score = score_records(records("report", ["Effusion."], "Effusion."), OWN)
    assert any("pip install 'medvlm[metrics]'" in note for note in score.notes)
    names = [metric.name.split("[")[0] for metric in score.corpus]
    assert names[:3] == ["rule_chexpert_micro_f1", "rule_chexpert_macro_f1", "rule_chexpert_hallucinated"]
    assert not {"bleu", "rougeL_f1"} & set(names)


def test_reports_without_findings_on_both_sides_agree() -> None:
    score = score_records(records("report", ["Clear lungs."], "Lungs are clear."), OWN)
    assert row(score, "report", "rule_chexpert_micro_f1") == 1.0
    assert row(score, "report", "rule_chexpert_hallucinated") == 0.0


def test_a_baseline_is_paired_question_by_question() -> None:
    ours, blind = records("closed", ["yes"] * 8 + ["no"] * 2), records("closed", ["no"] * 10)
    (comparison,) = compare(score_records(ours, OWN), ours, {"blank": blind}).comparisons
    assert comparison.accuracy.value == 0.0
    assert comparison.difference.value == pytest.approx(0.8)
    assert comparison.difference.p < 0.01
    assert comparison.changed == pytest.approx(0.8)


def test_a_baseline_of_other_questions_is_refused() -> None:
    ours = records("closed", ["yes", "no"])
    with pytest.raises(ValueError, match="'blank' and the model were not asked the same"):
        compare(score_records(ours, OWN), ours, {"blank": ours[:1]})


def test_no_records_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        score_records([], OWN)


def test_one_cluster_is_null_in_json_and_said_in_text() -> None:
    score = score_records(records("closed", ["yes"]), OWN, header="own v1 | n=1")
    values = json.loads(json.dumps(score.to_json(), allow_nan=False))
    assert values["accuracy"]["low"] is None
    text = score.to_text()
    assert text.startswith("own v1 | n=1")
    assert "none (one cluster)" in text
    assert "unparsed 0.0%, cut off 0.0%, not asked 0 of 1" in text


def test_markup_in_a_category_is_printed_as_it_is() -> None:
    score = score_records(records("closed", ["yes", "no"], organ="[bold]x[/bold]"), OWN)
    assert "organ=[bold]x[/bold]" in score.to_text()


def test_reports_that_are_not_of_the_chest_have_no_chest_findings() -> None:
    made = records("report", ["Tumour nests.", "Dense lymphocytic infiltrate."], "Lymphocytic infiltrate.")
    score = score_records(made, Protocol("own", chest=False))
    assert not [row for row in score.rows if row.part == "report"]
    assert [metric.name.partition("[")[0] for metric in score.corpus][:2] == ["bleu", "rougeL_f1"]
    assert not any("rule_" in metric.name for metric in score.corpus)
