"""The majority baseline by hand."""

from __future__ import annotations

from medvlm.evaluation.baselines import Majority, majority_records, position_records
from medvlm.evaluation.protocols import Protocol
from medvlm.study import AnswerKind, Sample


def sample(
    question: str, answer: str, kind: AnswerKind = "closed", options: tuple[str, ...] = (), **categories: str
) -> Sample:
    return Sample(question + answer, (), question, answer, kind, options, categories=categories)


TRAIN = [
    sample("Any effusion?", "no"),
    sample("any effusion", "no"),
    sample("Any effusion?", "yes"),
    sample("Enlarged heart?", "yes"),
    sample("Enlarged heart?", "yes"),
    sample("Enlarged heart?", "yes"),
]
SIDES = ("left", "right")


def test_the_same_question_decides_then_the_same_kind() -> None:
    majority = Majority(TRAIN)
    assert majority.answer(sample("ANY effusion?", "yes")) == "no"
    assert majority.answer(sample("Any mass?", "yes")) == "yes"


def test_a_template_joins_questions_of_other_words() -> None:
    train = [sample("Heart?", "no", template="size"), sample("Heart?", "yes", template="other")]
    assert Majority(train).answer(sample("Is it large?", "yes", template="size")) == "no"


def test_a_choice_takes_the_answer_that_is_offered_wherever_it_stands() -> None:
    train = [sample("Side?", "right", "choice", SIDES)] * 2 + [sample("Side?", "left", "choice", SIDES)]
    assert Majority(train).answer(sample("Side?", "left", "choice", ("left", "right"))) == "B"
    assert Majority(train).answer(sample("Side?", "left", "choice", ("right", "left"))) == "A"
    assert Majority(train).answer(sample("Organ?", "lung", "choice", ("heart", "lung", "liver"))) == "B"


def test_a_box_takes_the_median_edges() -> None:
    boxes = ["0.1 0.1 0.5 0.5", "0.2 0.2 0.6 0.6", "0.3 0.3 0.9 0.9"]
    train = [sample("Where?", box, "box") for box in boxes]
    assert Majority(train).answer(sample("Where?", "0 0 1 1", "box")) == "0.20 0.20 0.60 0.60"


def test_what_training_never_had_is_unparsed() -> None:
    (record,) = majority_records(TRAIN, [sample("How many?", "2", "number")], Protocol("own"))
    assert (record.value, record.correct) == (None, False)


def test_the_records_are_scored_like_those_of_a_model() -> None:
    found = majority_records(TRAIN, [sample("Any effusion?", "no"), sample("Any effusion?", "yes")], Protocol("own"))
    assert [record.correct for record in found] == [True, False]


def test_the_usual_letter_of_training_is_given_where_it_is_offered() -> None:
    train = [sample("Side?", answer, "choice", ("left", "right", "both")) for answer in ("both", "both", "right")]
    test = [sample("Side?", "right", "choice", SIDES), sample("Side?", "both", "choice", (*SIDES, "both")), TRAIN[0]]
    found = position_records([*train, *TRAIN], test, Protocol("own"))
    assert [(record.value, record.correct) for record in found] == [("B", True), ("C", True)]


def test_letters_that_are_as_frequent_go_to_the_first() -> None:
    train = [sample("Side?", answer, "choice", SIDES) for answer in ("right", "left")]
    (record,) = position_records(train, [sample("Side?", "left", "choice", SIDES)], Protocol("own"))
    assert record.value == "A"
    (empty,) = position_records([], [sample("Side?", "left", "choice", SIDES)], Protocol("own"))
    assert (empty.value, empty.correct) == (None, False)
