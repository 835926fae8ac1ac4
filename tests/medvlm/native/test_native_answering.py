"""Native models by every way of answering: those that take one question an image too."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from medvlm.evaluation.answering.answer import Job
from medvlm.evaluation.answering.settings import parse_answering
from medvlm.evaluation.answering.strategies import answer_asks
from medvlm.generation.engine import Ask, Engine


@pytest.mark.parametrize("word", ["greedy", "letters", "vote:2"])
def test_questions_together_are_answered_as_alone(native: Any, word: str) -> None:
    engine = Engine(native.model, native.processor)
    image = torch.rand((3, *native.processor.size), generator=torch.Generator().manual_seed(0))
    options = {"kind": "choice", "options": ("left", "right", "small")}
    questions = [native.sample("Which side?", **options), native.sample("Which finding is shown?", **options)]
    job = Job(parse_answering(word, orders=3, probabilities=True), 3, 0)
    (together,) = answer_asks(engine, [Ask((image,), tuple(questions))], job, most=8)
    alone = [answer_asks(engine, [Ask((image,), (one,))], job, most=1)[0][0] for one in questions]
    assert [one.drafts for one in together] == [one.drafts for one in alone]
    for one, other in zip(together, alone, strict=True):
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-4)


def test_shots_are_turns_and_a_model_without_turns_takes_none(native: Any) -> None:
    engine, question = Engine(native.model, native.processor), native.sample()
    ask = Ask(native.images, (native.sample("Is there a nodule?"),), (question,))
    if native.processor.layout.ahead == "prompt":
        with pytest.raises(ValueError, match="takes no shots"):
            engine.generate([ask])
        return
    prompt = engine.prompter.prompt(ask.questions[0], ask.shots)
    assert prompt.count(native.processor.image_token_id) == 2 * native.processor.image_tokens
    assert engine.generate([ask], max_new_tokens=2)[0][0][0].tokens
