"""Options beside an answer, answers that begin, draws of their own: against plain forwards of one row an option."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from medvlm.generation.engine import Ask, Engine, encode_images
from medvlm.generation.options import answer_start
from medvlm.study import ImageRef, Sample

IMAGE = (ImageRef(Path("a.png")),)
LETTERS = ("A", "B", "C")


def choice(name: str) -> Sample:
    return Sample(name, IMAGE, f"{name} side?", "left", "choice", ("left", "right", "left lung"))


QUESTIONS = (choice("Which"), choice("nodule"), choice("normal heart"))


def picture(seed: int = 0) -> torch.Tensor:
    return torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def plain(model: Any, processor: Any, prompt: list[int], tokens: list[int], images: list[torch.Tensor]) -> list[float]:
    """Log-probability of each token after a prompt, by the model's own forward of one row."""
    ids = torch.tensor([[*prompt, *tokens]])
    out = model(input_ids=ids, pixel_values=torch.stack(images), attention_mask=torch.ones_like(ids))
    logps = out.logits[0].float().log_softmax(-1)
    return [float(logps[len(prompt) - 1 + place, token]) for place, token in enumerate(tokens)]


@torch.no_grad()
def test_scores_equal_the_models_own_forward_of_one_row_an_option(tiny: Any) -> None:
    engine, image = Engine(*tiny), picture()
    texts = ["left", "right lung", "no pleural effusion"]
    asks = [Ask((image,), QUESTIONS[:2]), Ask((picture(1),), QUESTIONS[2:])]
    for total, ends in ((False, True), (True, True), (True, False)):
        found = engine.score(asks, [[texts, texts], [texts]], total=total, ends=ends)
        for ask, scores in zip(asks, found, strict=True):
            for question, given in zip(ask.questions, scores, strict=True):
                for text, score in zip(texts, given, strict=True):
                    tokens = engine.prompter.completion(text)
                    prompt, tokens = engine.prompter.prompt(question), tokens[: None if ends else -1]
                    logps = plain(tiny[0], tiny[1], prompt, tokens, [*ask.images])
                    assert score == pytest.approx(sum(logps) / (1 if total else len(logps)), abs=1e-5)


@torch.no_grad()
def test_what_stands_before_the_options_does_not_count(tiny: Any) -> None:
    engine, image = Engine(*tiny), picture()
    start = engine.prompter.completion("normal heart")[:-1]
    ((first, second),) = engine.score([Ask((image,), QUESTIONS[:2])], [[LETTERS, LETTERS]], starts=[[start, []]])
    for question, begun, found in zip(QUESTIONS, (start, []), (first, second), strict=False):
        prompt = [*engine.prompter.prompt(question), *begun]
        wanted = [plain(tiny[0], tiny[1], prompt, engine.prompter.completion(letter), [image]) for letter in LETTERS]
        assert found == pytest.approx([sum(logps) / 2 for logps in wanted], abs=1e-5)


@pytest.mark.parametrize("texts", [("A", "B", "C"), ("left side", "right", "pleural effusion")])
def test_options_beside_a_greedy_answer_equal_score(tiny: Any, texts: tuple[str, ...]) -> None:
    engine, asks = Engine(*tiny), [Ask((picture(),), QUESTIONS[:2]), Ask((picture(1),), QUESTIONS[2:])]
    options = [[texts, ()], [texts]]
    found = engine.generate(asks, max_new_tokens=5, options=options)
    alone = engine.generate(asks, max_new_tokens=5)
    scores = engine.score(asks, options, total=True, ends=False)
    for replies, others, wanted in zip(found, alone, scores, strict=True):
        for (reply,), (other,), numbers in zip(replies, others, wanted, strict=True):
            assert replace(reply, options=()) == other
            assert reply.options == pytest.approx(numbers, abs=1e-5)


def test_options_stand_behind_the_thought_that_was_written(tiny: Any) -> None:
    engine = Engine(*tiny, reasoning=True)
    start = engine.prompter.completion("<think>normal heart</think>")[:-1]
    tag = engine.prompter.completion("<answer>")[:-1]
    asks = [Ask((picture(),), QUESTIONS[:1])]
    (((reply,),),) = engine.generate(asks, max_new_tokens=3, starts=[[[*start, *tag]]], options=[[LETTERS]])
    ((wanted,),) = engine.score(asks, [[LETTERS]], starts=[[[*start, *tag]]], total=True, ends=False)
    assert reply.options == pytest.approx(wanted, abs=1e-5)
    (((none,),),) = engine.generate(asks, max_new_tokens=3, starts=[[start]], options=[[LETTERS]])
    assert none.options == () or "<answer>" in none.text


def test_where_an_answer_starts(tiny: Any) -> None:
    prompter = Engine(*tiny, reasoning=True).prompter
    before = prompter.completion("<think>left or right</think><answer>")[:-1]
    tokens = [*before, *prompter.completion("A</answer>")]
    assert answer_start(prompter, tokens) == len(before)
    assert answer_start(prompter, tokens[3:], tokens[:3]) == len(before) - 3
    assert answer_start(prompter, tokens[len(before) + 1 :], tokens[: len(before) + 1]) is None
    assert answer_start(prompter, before[:-1]) is None
    assert answer_start(Engine(*tiny).prompter, tokens) == 0


def test_options_beside_several_answers_are_refused(tiny: Any) -> None:
    with pytest.raises(ValueError, match="n=2"):
        Engine(*tiny).generate([Ask((picture(),), QUESTIONS[:1])], n=2, options=[[LETTERS]])


def test_draws_of_its_own_make_an_answer_the_same_in_any_company(tiny: Any) -> None:
    engine, image = Engine(*tiny), picture()
    options: dict[str, Any] = {"n": 3, "max_new_tokens": 6, "temperature": 1.0, "apart": True}
    (together,) = engine.generate([Ask((image,), QUESTIONS)], **options)
    alone = [engine.generate([Ask((image,), (one,))], **options)[0][0] for one in reversed(QUESTIONS)]
    assert [[one.tokens for one in part] for part in together] == [[one.tokens for one in p] for p in reversed(alone)]
    other = engine.generate([Ask((image,), QUESTIONS)], seed=1, **options)[0]
    assert [one.tokens for one in other[0]] != [one.tokens for one in together[0]]
    assert len({one.tokens for part in together for one in part}) > 1


def test_an_answer_goes_on_from_what_it_began_with(tiny: Any) -> None:
    engine, asks = Engine(*tiny), [Ask((picture(),), QUESTIONS[:2])]
    whole = engine.generate(asks, max_new_tokens=6)
    starts = [[reply.tokens[:2] for (reply,) in whole[0]]]
    rest = engine.generate(asks, max_new_tokens=4, starts=starts)
    assert [r.tokens for (r,) in rest[0]] == [r.tokens[2:] for (r,) in whole[0]]


def test_held_features_are_read_once(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model, processor = tiny
    seen: list[int] = []
    encode = model.get_image_features

    def counted(pixel_values: torch.Tensor) -> Any:
        seen.append(len(pixel_values))
        return encode(pixel_values=pixel_values)

    monkeypatch.setattr(model, "get_image_features", counted)
    engine, asks = Engine(model, processor), [Ask((picture(),), QUESTIONS[:1])]
    with engine.held():
        engine.generate(asks, max_new_tokens=1)
        engine.score(asks, [[LETTERS]])
    engine.generate(asks, max_new_tokens=1)
    assert seen == [1, 1]


def test_shots_stand_before_the_question_and_are_read_once(tiny: Any) -> None:
    engine, first, second = Engine(*tiny), picture(), picture(1)
    shot = replace(QUESTIONS[2], answer="right")
    text = engine.prompter.text(QUESTIONS[0], (shot,))
    assert text.index("normal heart side?") < text.index("<|assistant|>B<|end|>") < text.index("Which side?")
    assert text.count("<image>") == 2
    ((one, two),) = engine.generate([Ask((first, second), QUESTIONS[:2], (shot,))], max_new_tokens=4)
    prompt = torch.tensor([engine.prompter.prompt(QUESTIONS[0], (shot,))])
    bad = [[token] for token in engine.prompter.banned]
    wanted = tiny[0].generate(
        input_ids=prompt,
        pixel_values=torch.stack([first, second]),
        attention_mask=torch.ones_like(prompt),
        max_new_tokens=4,
        do_sample=False,
        bad_words_ids=bad,
    )
    assert list(one[0].tokens) == wanted[0, prompt.shape[1] :].tolist()
    assert len(encode_images(tiny[0], [first, second])) == 2
    assert two[0].tokens
