"""Confusion of changes by hand and by scikit-learn; the two faults of keyword matchers."""

from __future__ import annotations

from typing import Any

import pytest
from sklearn.metrics import f1_score

from medvlm.evaluation.protocols import Protocol
from medvlm.evaluation.records import Record, grade
from medvlm.evaluation.sections.change import change
from medvlm.evaluation.temporal import change_of, changes
from medvlm.study import AnswerKind, Sample

OWN = Protocol("own")
OPTIONS = ("improved", "worsened", "no change")
ALL = "all (recall: share right; F1: macro)"


def record(place: int, text: str, answer: str, kind: AnswerKind = "open", **fields: Any) -> Record:
    question = fields.pop("question", "How has the effusion changed since the prior study?")
    sample = Sample(str(place), (), question, answer, kind, **fields)
    return grade(sample, text, run="r", cluster=str(place))


def table(records: list[Record]) -> dict[str, dict[str, Any]]:
    section = change(records, OWN, 0)
    assert section is not None
    rows = [dict(zip(section.columns, row, strict=True)) for row in section.rows]
    return {f"{row['part']} {row['reference']}": row for row in rows}


@pytest.mark.parametrize(
    "text",
    [
        "stable",
        "Unchanged.",
        "no change",
        "No significant interval change",
        "has not changed",
        "无明显变化",
        "病灶稳定",
    ],
)
def test_words_of_one_meaning_are_one_change(text: str) -> None:
    assert change_of(text) == "stable"


@pytest.mark.parametrize(
    "text", ["no new effusion", "not improved", "better or worse", "large", "", "未见新发病灶", "\r\n"]
)
def test_what_is_denied_or_double_is_none(text: str) -> None:
    assert change_of(text) is None


def test_both_faults_of_libras_keyword_f1() -> None:
    """It gives 1 to "No new effusion" against "New effusion", and 0 to "stable" against "unchanged"."""
    reports = [
        record(0, "No new effusion.", "New effusion.", "report"),
        record(1, "Stable mass.", "Mass is unchanged.", "report"),
    ]
    found = table(reports)
    assert (found["reports new"]["F1"], found["reports new"]["other"]) == (0.0, 1)
    assert found["reports stable"]["F1"] == 1.0


def test_the_table_of_questions_is_that_of_scikit_learn() -> None:
    meant = ["improved", "worse", "stable", "worsened", "new", "resolved", "no change", "better"]
    said = ["better", "unchanged", "no change", "worse", "new effusion", "improved", "I cannot tell", "decreased"]
    found = table([record(place, *pair) for place, pair in enumerate(zip(said, meant, strict=True))])
    a, b = [change_of(word) for word in meant], [change_of(word) or "other" for word in said]
    labels = sorted({str(one) for one in a})
    by_label = dict(zip(labels, f1_score(a, b, labels=labels, average=None), strict=True))
    assert {name: found[f"questions {name}"]["F1"] for name in labels} == pytest.approx(by_label)
    assert found[f"questions {ALL}"]["F1"].value == pytest.approx(f1_score(a, b, labels=labels, average="macro"))
    assert found[f"questions {ALL}"]["recall"].value == pytest.approx(5 / 8)
    assert found["questions stable"]["other"] == 1


def test_an_option_is_read_for_its_letter() -> None:
    given = [record(place, text, "no change", "choice", options=OPTIONS) for place, text in enumerate("CA?")]
    row = table(given)["questions stable"]
    assert (row["stable"], row["better"], row["other"], row["n"]) == (1, 1, 1, 3)


def test_a_change_of_another_finding_is_no_hit() -> None:
    row = table([record(0, "New mass.", "New effusion. Stable edema.", "report")])["reports new"]
    assert (row["new"], row["other"], row["F1"]) == (0, 1, 0.0)


def test_false_alarms_lower_f1() -> None:
    found = table([record(0, "New effusion.", "New effusion.", "report"), record(1, "New mass.", "Clear.", "report")])
    assert found["reports new"]["F1"] == pytest.approx(2 / 3)
    assert found["reports new"]["recall"] == 1.0


def test_questions_that_compare_with_nothing_have_no_section() -> None:
    plain = record(0, "increased", "increased", question="What is the density of the lung?")
    assert change([plain], OWN, 0) is None
    assert change([record(0, "yes", "yes", "closed")], OWN, 0) is None
    task = record(0, "worse", "increased", question="Which?", categories={"task": "comparison"})
    assert table([task])["questions worse"]["recall"] == 1.0


def test_one_sample_and_long_reports() -> None:
    long = "The heart is normal in size.\r\n" * 500 + "Effusion has improved."
    found = table([record(0, long, "Effusion is smaller.", "report")])
    assert found[f"reports {ALL}"]["F1"].value == 1.0
    assert changes(long) == {("Pleural Effusion", "better")}
