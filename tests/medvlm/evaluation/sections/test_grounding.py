"""The table of boxes by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from medvlm.evaluation.box_precision import average_precision
from medvlm.evaluation.boxes import read_boxes
from medvlm.evaluation.protocols import Protocol
from medvlm.evaluation.records import Record, grade
from medvlm.evaluation.sections.grounding import grounding
from medvlm.study import Sample

OWN = Protocol("own")
LEFT = "0 0 0.5 1"


def record(place: int, text: str, answer: str = LEFT, **categories: str) -> Record:
    sample = Sample(str(place), (), "Locate it.", answer, "box", categories=categories)
    return grade(sample, text, run="r", cluster=str(place // 2))


def table(records: list[Record]) -> dict[str, Any]:
    section = grounding(records, OWN, 0)
    assert section is not None
    return {str(name): getattr(value, "value", value) for name, value, _ in section.rows}


def test_each_score_by_hand() -> None:
    """Right, half, a quarter (its centre inside), not read."""
    found = table([record(place, text) for place, text in enumerate([LEFT, "0 0 0.5 .5", "0 0 .25 .5", "left"])])
    assert found["mean IoU"] == pytest.approx((1 + 0.5 + 0.25) / 4)
    assert [found[f"accuracy, IoU >= {least}"] for least in ("0.3", "0.5", "0.7")] == [0.5, 0.5, 0.25]
    assert found["pointing game"] == 0.75
    assert found["parse failures (share)"] == 0.25
    assert found["AP50, one class, all boxes equally sure"] == pytest.approx(2 / 3 * 51 / 101)


def test_an_unreadable_answer_never_takes_the_box_before_it() -> None:
    """CheXagent's script scores the previous sample's box where it finds none."""
    found = table([record(0, LEFT), record(1, "I see it.")])
    assert found["mean IoU"] == 0.5
    assert found == table([record(0, "I see it."), record(1, LEFT)])


def test_a_right_box_twice_is_no_exact_answer() -> None:
    two = f"{LEFT}; 0.5 0 1 1"
    assert table([record(0, f"[{LEFT}] [{LEFT}]", two)])["accuracy, IoU >= 0.5"] == 0.0


def test_phrases_without_a_box_count() -> None:
    found = table([record(0, "none", "none"), record(1, "what?", "none"), record(2, LEFT, "none"), record(3, LEFT)])
    assert found["accuracy, IoU >= 0.5"] == found["mean IoU"] == found["pointing game"] == 0.5
    assert found["parse failures (share)"] == 0.25
    only = table([record(0, "none", "none")])
    assert only["mean IoU"] == 1.0
    assert not any("AP50" in name for name in only)


def test_map_is_the_mean_over_classes() -> None:
    records = [record(place, LEFT, category="Edema") for place in range(3)] + [record(3, "0 0 .1 .1", category="Mass")]
    assert table(records)["mAP50, mean of 2 classes (category), all boxes equally sure"] == pytest.approx(0.5)


def test_confidence_ranks_where_every_record_has_one() -> None:
    records = [record(0, LEFT), record(1, "0 0 .1 .1"), record(2, LEFT)]
    assert not any("ranked" in name for name in table(records))
    sure = [replace(one, confidence=value) for one, value in zip(records, (0.9, 0.5, 0.2), strict=True)]
    boxes = [read_boxes(one.value or "") or [] for one in records]
    wanted = [read_boxes(LEFT) or []] * 3
    value = average_precision(boxes, wanted, [[0.9], [0.5], [0.2]])
    assert table(sure)["AP50, one class, ranked by confidence"] == pytest.approx(value)


def test_other_questions_and_one_sample() -> None:
    other = grade(Sample("1", (), "Any?", "yes", "closed"), "yes", run="r", cluster="c")
    assert grounding([other], OWN, 0) is None
    section = grounding([record(0, LEFT), other], OWN, 0)
    assert section is not None
    assert section.texts()[0] == ["mean IoU", "1.000", "1"]
