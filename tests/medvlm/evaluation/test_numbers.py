"""The numbers of a score by name: what a recipe may choose weights by."""

from __future__ import annotations

import pytest

from medvlm.evaluation.numbers import extremes, find_number, numbers_of
from medvlm.evaluation.protocols import Protocol
from medvlm.evaluation.records import grade
from medvlm.evaluation.scoring import score_records
from medvlm.study import Sample

OPEN = Sample("o", (), "Where?", "left lung", "open", group="a", categories={"organ": "lung"})
CLOSED = Sample("c", (), "Effusion?", "yes", "closed", group="b")
REPORT = Sample("r", (), "Report?", "Large left pleural effusion.", "report", group="c")


def test_every_row_and_corpus_number_has_a_name() -> None:
    texts = {"o": "left", "c": "Yes.", "r": REPORT.answer}
    records = [grade(one, texts[one.id], run="r", cluster=one.group) for one in (OPEN, CLOSED, REPORT)]
    found = numbers_of(score_records(records, Protocol("own")))
    assert found["accuracy"] == 0.5
    assert (found["open:accuracy"], found["closed:accuracy"], found["organ=lung:accuracy"]) == (0.0, 1.0, 0.0)
    assert found["open:token_f1"] == pytest.approx(2 / 3)
    assert found["report:rule_chexpert_micro_f1"] == found["rule_chexpert_micro_f1"] == 1.0
    assert found["unparsed"] == found["truncated"] == 0.0


def test_extremes_are_all_right_and_all_silent() -> None:
    perfect, silent = extremes([OPEN, CLOSED, REPORT], Protocol("own"))
    assert (perfect["accuracy"], silent["accuracy"]) == (1.0, 0.0)
    assert (perfect["unparsed"], silent["closed:accuracy"]) == (0.0, 0.0)
    assert perfect.keys() >= {"rule_chexpert_micro_f1", "open:token_recall"}


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(ValueError, match="only accuracy, box:iou; did you mean 'box:iou'"):
        find_number("box:iuo", {"accuracy": 1.0, "box:iou": 0.5})
