"""Orders of options: who knows the text is consistent, who always says A is right once in as many orders."""

from __future__ import annotations

from typing import Any

import pytest

from medvlm.evaluation.answering.answer import to_record
from medvlm.evaluation.answering.orders import rotated, rotations
from medvlm.evaluation.answering.strategies import answer_asks
from medvlm.evaluation.records import Record
from medvlm.generation.engine import Ask
from medvlm.study import Sample


def records(engine: Any, job: Any, samples: list[Sample], word: str = "greedy", orders: int = 4) -> list[Record]:
    (found,) = answer_asks(engine, [Ask((), tuple(samples))], job(word, orders=orders), most=6)
    return [to_record(sample, one, run="r", cluster="c") for sample, one in zip(samples, found, strict=True)]


def knows(question: Sample, draw: int, begun: str) -> str:
    return "ABCD"[question.options.index(question.answer)]


@pytest.mark.parametrize(
    ("options", "orders", "places"), [(4, 4, [0, 1, 2, 3]), (5, 2, [0, 2]), (2, 9, [0, 1]), (0, 3, [0])]
)
def test_orders_are_evenly_spaced_rotations(options: int, orders: int, places: list[int]) -> None:
    assert rotations(options, orders) == places


def test_every_option_stands_once_at_every_letter(choice: Any) -> None:
    turned = [rotated(choice(), move).options for move in rotations(4, 4)]
    assert [sorted(column) for column in zip(*turned, strict=True)] == [sorted(choice().options)] * 4


def test_who_knows_the_text_is_consistent(scripted: Any, job: Any, choice: Any) -> None:
    samples = [choice(answer, answer) for answer in ("left", "right", "both", "neither")]
    found = records(scripted(knows), job, samples)
    assert [record.correct for record in found] == [True] * 4
    assert [record.value for record in found] == list("ABCD")
    assert all(record.scores["consistent"] == record.scores["orders_right"] == 1 for record in found)
    assert found[1].drafts == ("[ABCD] B", "[BCDA] A", "[CDAB] D", "[DABC] C")
    assert found[1].how.endswith("; vote 4/4 over orders")
    assert found[1].confidence == 1


def test_who_always_says_a_is_right_once_in_as_many_orders(scripted: Any, job: Any, choice: Any) -> None:
    samples = [choice(answer, answer) for answer in ("left", "right", "both", "neither")]
    found = records(scripted(), job, samples)
    assert [record.scores["orders_right"] for record in found] == [0.25] * 4
    assert [record.scores["consistent"] for record in found] == [0.0] * 4
    right_at = {name: one for name, one in found[2].scores.items() if name.startswith("right_at")}
    assert right_at == {"right_at_A": 1.0, "right_at_B": 0.0, "right_at_C": 0.0, "right_at_D": 0.0}
    assert "tie of 4" in found[0].how


def test_who_cannot_be_read_is_not_consistent(scripted: Any, job: Any, choice: Any) -> None:
    (found,) = records(scripted(lambda question, draw, begun: "hm"), job, [choice()])
    assert (found.value, found.correct, found.scores["consistent"]) == (None, False, 0.0)
    assert found.how == "unparsed; no order can be read"


def test_probabilities_are_means_in_the_letters_of_the_question(scripted: Any, job: Any, choice: Any) -> None:
    engine = scripted(like=lambda question, text: 0.0 if question.options["ABCD".index(text)] == "both" else -2.0)
    (found,) = records(engine, job, [choice()], "letters", 4)
    assert found.value == "C"
    assert max(found.probabilities, key=lambda letter: found.probabilities[letter]) == "C"
    assert sum(found.probabilities.values()) == pytest.approx(1)
    assert found.confidence == found.probabilities["C"]


def test_other_kinds_are_asked_once_and_no_ask_grows_too_long(scripted: Any, job: Any, choice: Any) -> None:
    engine = scripted(knows)
    samples = [choice(name="1"), Sample("2", (), "Fluid?", "no", "closed", options=("no",)), choice(name="3")]
    found = records(engine, job, samples)
    assert [len(ask.questions) for ask in engine.calls[0]["asks"]] == [6, 3]
    assert [record.id for record in found] == ["1", "2", "3"]
    assert "consistent" not in found[1].scores


def test_votes_are_taken_within_each_order(scripted: Any, job: Any, choice: Any) -> None:
    (found,) = records(
        scripted(lambda q, draw, begun: knows(q, draw, begun) if draw else "A"), job, [choice()], "vote:3", 2
    )
    assert (found.correct, found.scores["consistent"], len(found.drafts)) == (True, 1.0, 2)
