"""What is read out of a reply, by hand numbers."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

import pytest

from medvlm.answer import Provenance, confidence, make_answer, plain
from medvlm.generation.engine import Reply
from medvlm.study import AnswerKind, Sample

WORDS = ["<think>", "fluid ", "</think>", "<answer>", "B", "</answer>", "yes", "0.1 0.2 0.5 0.6", "purple"]
ORIGIN = Provenance("tiny", "abc", "def", {}, (), "0", (), ("not for clinical use",))


def decode(tokens: Sequence[int]) -> str:
    return "".join(WORDS[token] for token in tokens)


def reply(tokens: list[int], probabilities: list[float]) -> Reply:
    return Reply(decode(tuple(tokens)), tuple(tokens), tuple(map(math.log, probabilities)), finished=True)


def sample(kind: AnswerKind, *options: str) -> Sample:
    return Sample("1", (), "Which side?", "", kind, options)


def test_confidence_is_the_geometric_mean() -> None:
    assert confidence(reply([6, 6], [0.5, 0.125]), decode) == pytest.approx(0.25)


def test_confidence_leaves_the_reasoning_out() -> None:
    thought = reply([0, 1, 2, 3, 4, 5], [0.01, 0.01, 0.01, 0.01, 0.5, 0.5])
    assert confidence(thought, decode) == pytest.approx(0.5)


def test_confidence_of_an_answer_that_was_cut_off_before_it_began() -> None:
    assert confidence(reply([0, 1], [0.5, 0.5]), decode) == pytest.approx(0.5)
    assert confidence(Reply("", (), (), finished=False), decode) == 0.0


def test_a_choice_carries_letter_and_option() -> None:
    answer = make_answer(sample("choice", "left", "right"), reply([0, 1, 2, 3, 4, 5], [0.9] * 6), ORIGIN, decode)
    assert (answer.choice, answer.option, str(answer), answer.reasoning) == ("B", "right", "B) right", "fluid")


def test_a_choice_that_names_no_option_is_unparsed_and_not_guessed() -> None:
    answer = make_answer(sample("choice", "left", "right"), reply([8], [0.9]), ORIGIN, decode)
    assert (answer.choice, answer.option, answer.parsed, answer.how, str(answer)) == (
        None,
        None,
        None,
        "unparsed",
        "purple",
    )


def test_a_box_becomes_numbers() -> None:
    answer = make_answer(sample("box"), reply([7], [0.9]), ORIGIN, decode)
    assert answer.boxes == ((0.1, 0.2, 0.5, 0.6),)
    assert make_answer(sample("box"), reply([8], [0.9]), ORIGIN, decode).boxes == ()


def test_json_holds_everything() -> None:
    answer = make_answer(sample("closed"), reply([6], [0.5]), ORIGIN, decode)
    held = json.loads(answer.to_json())
    assert held["parsed"] == "yes"
    assert held["provenance"]["warnings"] == ["not for clinical use"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [("Yes", "Yes"), ("<think>never closed", ""), ("<think>a</think>b", "b"), ("<answer>open", "open"), ("", "")],
)
def test_plain_text_has_no_reasoning(text: str, shown: str) -> None:
    assert plain(text) == shown
