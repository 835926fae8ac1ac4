"""Answers by likelihood: against the model's own forward of one row an option."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from medvlm.evaluation.answering.answer import to_record
from medvlm.evaluation.answering.likelihood import by_name, check_options, letter_options, softmax
from medvlm.evaluation.answering.strategies import answer_asks
from medvlm.generation.engine import Ask, Engine
from medvlm.study import Sample, SampleError


def picture() -> torch.Tensor:
    return torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1


def plain(tiny: Any, prompt: list[int], tokens: list[int]) -> list[float]:
    ids = torch.tensor([[*prompt, *tokens]])
    with torch.no_grad():
        out = tiny[0](input_ids=ids, pixel_values=picture()[None], attention_mask=torch.ones_like(ids))
    logps = out.logits[0].float().log_softmax(-1)
    return [float(logps[len(prompt) - 1 + place, token]) for place, token in enumerate(tokens)]


def normed(logps: dict[str, float]) -> dict[str, float]:
    whole = sum(map(math.exp, logps.values()))
    return {name: math.exp(logp) / whole for name, logp in logps.items()}


@pytest.mark.parametrize("word", ["letters", "texts", "texts:sum", "greedy"])
@pytest.mark.parametrize("reasoning", [False, True])
def test_probabilities_are_those_of_one_row_an_option(
    tiny: Any, job: Any, choice: Any, word: str, reasoning: bool
) -> None:
    engine, sample = Engine(*tiny, reasoning=reasoning), choice()
    asks = [Ask((picture(),), (sample, choice(name="other")))]
    (found, _) = answer_asks(engine, asks, job(word, probabilities=True, max_new_tokens=4), most=8)[0]
    if word == "greedy" and reasoning:
        assert found.probabilities == {}  # an untrained model opens no answer tag
        return
    closing = "</answer>" if reasoning and word != "letters" else ""
    prompt = engine.prompter.prompt(sample)
    prompt += engine.prompter.completion("<think></think><answer>")[:-1] if reasoning else []
    wanted = {}
    for letter, text in zip("ABCD", sample.options, strict=True):
        if word.startswith("texts"):
            logps = plain(tiny, prompt, engine.prompter.completion(text + closing))
            wanted[letter] = sum(logps) / (1 if word == "texts:sum" else len(logps))
        else:
            wanted[letter] = sum(plain(tiny, prompt, engine.prompter.completion(letter)[:-1]))
    assert found.probabilities == pytest.approx(normed(wanted), abs=1e-5)
    if word != "greedy":
        assert found.text == max(wanted, key=lambda letter: wanted[letter])
        assert found.confidence == max(found.probabilities.values())
        record = to_record(sample, found, run="r", cluster="c")
        assert (record.value, record.tokens) == (found.text, 0)
        assert record.logp == pytest.approx(max(wanted.values()), abs=1e-5)
        assert record.how.endswith("; likelihood")


def test_yes_and_no_count_in_every_way_they_are_written(scripted: Any, job: Any) -> None:
    chances = {"yes": 0.1, "Yes": 0.3, "no": 0.35, "No": 0.01}
    engine = scripted(like=lambda question, text: math.log(chances[text]))
    sample = Sample("q", (), "Fluid?", "Yes", "closed")
    ((found,),) = answer_asks(engine, [Ask((), (sample,))], job("letters"), most=8)
    assert found.text == "yes"
    assert found.probabilities == pytest.approx({"yes": 0.4 / 0.76, "no": 0.36 / 0.76})


def test_questions_without_options_are_answered_greedily(scripted: Any, job: Any, choice: Any) -> None:
    questions = (
        Sample("where", (), "Where?", "left", "open"),
        choice(),
        Sample("side", (), "Left or right?", "left", "closed"),
    )
    engine = scripted(lambda question, draw, begun: f"about {question.id}", like=lambda question, text: -ord(text[0]))
    (found,) = answer_asks(engine, [Ask((), questions)], job("letters"), most=8)
    assert [answer.text for answer in found] == ["about where", "A", "about side"]
    assert [question.id for question in engine.calls[0]["asks"][0].questions] == ["where", "side"]
    assert [answer.probabilities == {} for answer in found] == [True, False, True]


def test_what_an_answer_can_be() -> None:
    assert letter_options(Sample("1", (), "有积液吗?", "没有", "closed"))["no"] == ("不是", "没有", "否", "无")
    assert letter_options(Sample("1", (), "Side?", "left", "closed")) == {}
    assert letter_options(Sample("1", (), "Side?", "a", "choice", ("a",))) == {}
    assert by_name({"A": ("A",)}, []) == softmax({}) == {}
    assert softmax({"A": -1000.0, "B": -1000.0}) == {"A": 0.5, "B": 0.5}


@pytest.mark.parametrize("count", [0, 1, 27])
def test_a_choice_of_too_few_or_too_many_is_named(count: int) -> None:
    options = tuple(map(str, range(count)))
    with pytest.raises(SampleError, match=f"'odd' is a choice of {count} options, expected 2 to 26"):
        check_options([Sample("odd", (), "Which?", "0", "choice", options)])
    check_options([Sample("fine", (), "Which?", "0", "choice", tuple(map(str, range(26))))])
