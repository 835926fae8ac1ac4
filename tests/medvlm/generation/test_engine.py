"""Answers do not depend on how questions are shared, and the images are read once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from medvlm.generation.engine import Ask, Engine, encode_images
from medvlm.generation.prompts import Prompter, reference_text, user_text
from medvlm.logps import branch_logps
from medvlm.rows import pack
from medvlm.study import ImageRef, Sample
from medvlm.tree import Tree

IMAGE = (ImageRef(Path("a.png")),)


def question(text: str, **more: Any) -> Sample:
    return Sample(text, IMAGE, text, "Yes", more.pop("kind", "closed"), **more)


TEXTS = ["Is there a nodule?", "Is there a pleural effusion on the left side?", "normal heart?"]
QUESTIONS = tuple(map(question, TEXTS))


def picture(seed: int = 0) -> torch.Tensor:
    return torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_questions_together_answer_as_alone(tiny: Any) -> None:
    engine, image = Engine(*tiny), picture()
    ((first, second, third),) = engine.generate([Ask((image,), QUESTIONS)], max_new_tokens=6)
    alone = engine.generate([Ask((image,), (one,)) for one in QUESTIONS], max_new_tokens=6)
    assert [first[0].tokens, second[0].tokens, third[0].tokens] == [reply[0][0].tokens for reply in alone]


def test_the_answer_equals_hugging_face_generate(tiny: Any) -> None:
    model, processor = tiny
    engine, image = Engine(model, processor), picture()
    (((reply,),),) = engine.generate([Ask((image,), QUESTIONS[:1])], max_new_tokens=6)
    inputs = processor(text=[engine.prompter.text(QUESTIONS[0])], images=[image], return_tensors="pt")
    bad = [[token] for token in engine.prompter.banned]
    wanted = model.generate(**inputs, max_new_tokens=6, do_sample=False, bad_words_ids=bad)
    assert list(reply.tokens) == wanted[0, inputs["input_ids"].shape[1] :].tolist()


def test_each_distinct_image_is_encoded_once(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model, _ = tiny
    seen: list[int] = []
    encode = model.get_image_features

    def counted(pixel_values: torch.Tensor) -> Any:
        seen.append(len(pixel_values))
        return encode(pixel_values=pixel_values)

    monkeypatch.setattr(model, "get_image_features", counted)
    one, two = picture(1), picture(2)
    features = encode_images(model, [one, two, one, one])
    assert seen == [2]
    torch.testing.assert_close(features[0], features[3])
    assert not torch.equal(features[0], features[1])


def test_option_scores_equal_plain_log_likelihood(tiny: Any) -> None:
    model, processor = tiny
    engine, image = Engine(model, processor), picture()
    options = ["Yes", "No", "left lung"]
    (scores,) = engine.score([Ask((image,), QUESTIONS[:2])], [[options, options[:2]]])
    for sample, found in zip(QUESTIONS, scores, strict=False):
        prompt = engine.prompter.prompt(sample)
        for text, score in zip(options, found, strict=False):
            tree = Tree.of(prompt)
            tree.add(engine.prompter.completion(text))
            plain, _ = branch_logps(model, pack([tree], 0), encode_images(model, [image]))
            assert score == pytest.approx(float(plain.mean()), abs=1e-5)


def test_an_image_too_few_is_named(tiny: Any) -> None:
    with pytest.raises(ValueError, match="placeholders"):
        Engine(*tiny).generate([Ask((), QUESTIONS[:1])])


def test_nothing_asked_gives_nothing(tiny: Any) -> None:
    assert Engine(*tiny).generate([]) == []


def test_reference_text_carries_the_letter() -> None:
    sample = Sample("1", IMAGE, "Side?", "left", "choice", ("right", "left"), rationale="dense base")
    assert reference_text(sample, reasoning=True) == "<think>dense base</think><answer>B</answer>"
    assert "A) right\nB) left" in user_text(sample)


def test_reference_text_refuses_what_it_does_not_have() -> None:
    with pytest.raises(ValueError, match="not among the options"):
        reference_text(Sample("1", IMAGE, "Side?", "up", "choice", ("right", "left")), reasoning=False)
    with pytest.raises(ValueError, match="no mined answer"):
        reference_text(question("Heart?"), reasoning=False, weak=True)


def test_a_completion_ends_and_reads_back(tiny: Any) -> None:
    prompter = Prompter(tiny[1], reasoning=True)
    text = "<think>heart normal</think><answer>Yes</answer>"
    tokens = prompter.completion(text)
    assert tokens[-1] in prompter.stop
    assert prompter.decode(tokens) == text
