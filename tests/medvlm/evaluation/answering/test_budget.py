"""Budget forcing and refinement with a model whose every word is scripted."""

from __future__ import annotations

from typing import Any

import pytest

from medvlm.evaluation.answering.strategies import answer_asks, check_answering
from medvlm.generation.engine import Ask


def forced(scripted: Any, job: Any, choice: Any, word: str, script: dict[str, str], **options: Any) -> tuple[Any, Any]:
    engine = scripted(lambda question, draw, begun: script[begun], reasoning=True)
    ((answer,),) = answer_asks(engine, [Ask((), (choice(),))], job(word, **options), most=8)
    return engine, answer


def test_a_thought_of_the_right_length_is_left_alone(scripted: Any, job: Any, choice: Any) -> None:
    engine, found = forced(scripted, job, choice, "budget:4:50", {"<think>": "long enough</think><answer>B</answer>"})
    assert found.text == "<think>long enough</think><answer>B</answer>"
    assert (found.how, found.finished, len(engine.calls)) == ("11 tokens of thought, 0 waits", True, 1)
    assert engine.calls[0]["max_new_tokens"] == 50 + len("</think>")


def test_a_thought_that_ends_early_goes_on_with_wait(scripted: Any, job: Any, choice: Any) -> None:
    script = {
        "<think>": "left</think><answer>A</answer>",
        "<think>left Wait,": " no",  # the turn ends, still too early
        "<think>left Wait, no Wait,": " it is right</think><answer>B</answer>",
    }
    _, found = forced(scripted, job, choice, "budget:15:60", script)
    assert found.text == "<think>left Wait, no Wait, it is right</think><answer>B</answer>"
    assert found.how == "31 tokens of thought, 2 waits"
    assert len(found.logps) == len("left no it is right</think><answer>B</answer>") + 1  # with the stop, none forced


def test_a_thought_that_goes_on_for_ever_is_ended(scripted: Any, job: Any, choice: Any) -> None:
    script = {"<think>": "a" * 99, "<think>" + "a" * 20 + "</think><answer>": "C</answer>"}
    engine, found = forced(scripted, job, choice, "budget:5:20", script, max_new_tokens=12)
    assert found.text == "<think>" + "a" * 20 + "</think><answer>C</answer>"
    assert [call["max_new_tokens"] for call in engine.calls] == [28, 12]
    assert found.how == "20 tokens of thought, 0 waits"


def test_an_answer_that_was_cut_goes_on(scripted: Any, job: Any, choice: Any) -> None:
    begun = "<think>short</think><ans"
    script = {"<think>": "short</think><answer>B</answer>", begun: "wer>B</answer>"}
    _, found = forced(scripted, job, choice, "budget:2:9", script)
    assert (found.text, found.finished) == ("<think>short</think><answer>B</answer>", True)


def test_a_model_that_always_ends_at_once_is_not_asked_for_ever(scripted: Any, job: Any, choice: Any) -> None:
    engine = scripted(lambda question, draw, begun: "</think><answer>A</answer>", reasoning=True)
    ((found,),) = answer_asks(engine, [Ask((), (choice(),))], job("budget:900:1000"), most=8)
    assert found.how == "48 tokens of thought, 8 waits"
    assert found.text.endswith("Wait,</think><answer>A</answer>")


def test_a_wait_that_fills_the_budget_ends_the_thought(scripted: Any, job: Any, choice: Any) -> None:
    script = {"<think>": "abc</think>", "<think>abc Wait,</think><answer>": "D</answer>"}
    _, found = forced(scripted, job, choice, "budget:8:8", script)
    assert found.text == "<think>abc Wait,</think><answer>D</answer>"


def test_only_models_that_reason_have_a_budget(scripted: Any, job: Any, choice: Any) -> None:
    with pytest.raises(ValueError, match="reasons between tags"):
        check_answering(scripted(), [choice()], job("budget:1:9").answering)


def test_refinement_shows_the_drafts_and_votes_over_what_comes_then(scripted: Any, job: Any, choice: Any) -> None:
    def write(question: Any, draw: int, begun: str) -> str:
        if "Draft" in question.question:
            return ("D", "B", "B")[draw]
        return ("First\nA", "B")[draw]

    engine = scripted(write)
    ((found,),) = answer_asks(engine, [Ask((), (choice(),))], job("refine:2:3"), most=8)
    assert [call["n"] for call in engine.calls] == [2, 3]
    shown = engine.calls[1]["asks"][0].questions[0]
    assert shown.question.split("\n")[0] == "Which side?"
    assert shown.question.split("\n")[2:] == ["Draft 1: First A", "Draft 2: B"]
    assert (shown.options, shown.id) == (choice().options, "q/refined")
    assert (found.text, found.how, found.scores) == ("B", "vote 2/3", {})
    assert found.drafts == ("First\nA", "B", "D", "B", "B")
