"""Preference learning in trees is what plain forwards of one row an answer give, however a batch is split."""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any, get_args

import pytest
import torch
from torch import Tensor

from medvlm.generation.engine import Ask
from medvlm.models import add_lora
from medvlm.preferences.pairs import Pair, pairs_of, with_pairs
from medvlm.study import SampleError
from medvlm.training.prefer import Preference, PreferenceOptions, mismatched
from medvlm.training.preference import LOSSES, LossName
from medvlm.training.step import Schedule

NAMES: tuple[LossName, ...] = get_args(LossName)
ANSWERS = [("left lung", "right"), ("left lung", "left side"), ("no side", "left lung right"), ("right", "right side")]


@pytest.fixture
def pairs(batch: list[Ask]) -> list[Ask]:
    """The batch with one pair a question, and two for every third."""
    asks, number = [], 0
    for ask in batch:
        questions = []
        for question in ask.questions:
            texts = [ANSWERS[(number + extra) % len(ANSWERS)] for extra in range(1 + (number % 3 == 0))]
            questions.append(with_pairs(question, [Pair(question.id, *text, "given") for text in texts]))
            number += 1
        asks.append(replace(ask, questions=tuple(questions)))
    return asks


@pytest.fixture
def fresh(tiny: Any) -> Any:
    """The tiny model as it is now, as often as it is asked for."""
    return lambda: (deepcopy(tiny[0]), tiny[1])


def make(
    tiny: Any, loss: LossName = "dpo", *, lr: float = 0.0, micro_tokens: int = 16384, **options: Any
) -> Preference:
    schedule = Schedule(lr=lr, steps=10, clip_norm=1.0 if lr else 1e9, decay="none")
    return Preference(*tiny, schedule, options=PreferenceOptions(loss, **options), micro_tokens=micro_tokens)


def drift(model: Any) -> None:
    """Move a model away from its reference; what is drawn depends on the shapes only."""
    draw = torch.Generator().manual_seed(7)
    for weight in model.parameters():
        weight.data += 0.02 * torch.randn(weight.shape, generator=draw)


def alone(module: Preference, ask: Ask, index: int, text: str, model: Any = None) -> Tensor:
    """Log-probabilities of the tokens of one answer by the model's own forward of one row."""
    prompt = module.prompter.prompt(ask.questions[index])
    tokens = module.prompter.completion(text)
    ids = torch.tensor([prompt + tokens])
    scores = (model or module.model)(input_ids=ids, pixel_values=torch.stack(ask.images)).logits[0].float()
    logps = scores.log_softmax(-1)[len(prompt) - 1 : -1]
    chosen: Tensor = logps.gather(1, torch.tensor(tokens)[:, None])[:, 0]
    return chosen


def rows(module: Preference, asks: Sequence[Ask], model: Any = None) -> tuple[list[Tensor], list[Tensor]]:
    """Log-probabilities of all chosen and all rejected answers."""
    sides: tuple[list[Tensor], list[Tensor]] = ([], [])
    for ask in asks:
        for index, question in enumerate(ask.questions):
            for pair in pairs_of(question):
                sides[0].append(alone(module, ask, index, pair.chosen, model))
                sides[1].append(alone(module, ask, index, pair.rejected, model))
    return sides


def quiet(module: Preference, asks: Sequence[Ask]) -> Any:
    """What `updates` gives, without a trainer to report to."""
    module.report = lambda values: None  # type: ignore[method-assign]
    return next(module.updates(asks))


def plain_loss(module: Preference, asks: Sequence[Ask], reference: Any) -> Tensor:
    """DPO, RPO, IPO or SimPO as their papers write them, from single rows."""
    (chosen, rejected), beta = rows(module, asks), module.beta
    with torch.no_grad():
        old = [[answer.sum() for answer in side] for side in rows(module, asks, reference)]
    costs = []
    for new_w, new_l, old_w, old_l in zip(chosen, rejected, *old, strict=True):
        ratio_w, ratio_l = new_w.sum() - old_w, new_l.sum() - old_l
        if module.options.loss == "ipo":
            costs.append((ratio_w / len(new_w) - ratio_l / len(new_l) - 1 / (2 * beta)) ** 2)
        elif module.options.loss == "simpo":
            costs.append(-(beta * (new_w.mean() - new_l.mean()) - module.options.gamma).sigmoid().log())
        else:
            costs.append(-(beta * (ratio_w - ratio_l)).sigmoid().log())
    return torch.stack(costs).mean() - module.weights["ce"] * torch.cat(chosen).mean()


def test_answers_in_a_tree_are_those_of_single_rows(tiny: Any, pairs: list[Ask]) -> None:
    module = make(tiny)
    micros, counts = quiet(module, pairs)
    found = torch.cat([module.sums(micro, module.forward(micro)[0]) for micro in micros]).sort().values
    chosen, rejected = rows(module, pairs)
    wanted = torch.stack([answer.sum() for answer in (*chosen, *rejected)]).sort().values
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)
    assert counts == {"preference": len(chosen), "ce": sum(map(len, chosen))}
    assert len(chosen) > sum(len(ask.questions) for ask in pairs)


@pytest.mark.parametrize("loss", ["dpo", "rpo", "ipo", "simpo"])
def test_the_gradient_is_that_of_single_rows(
    tiny: Any, pairs: list[Ask], fit: Any, gradients: Any, same_gradients: Any, loss: LossName
) -> None:
    start = deepcopy(tiny[0])
    module = make(tiny, loss, beta=0.7)
    drift(module.model)
    curve = fit(module, [pairs])
    found = gradients(module.model)
    module.model.zero_grad()
    wanted = plain_loss(module, pairs, start)
    wanted.backward()
    assert curve[0]["loss"] == pytest.approx(float(wanted.detach()), abs=1e-5)
    same_gradients(found, gradients(module.model))


@pytest.mark.parametrize("loss", NAMES)
def test_a_split_batch_has_the_same_gradient(
    pairs: list[Ask], fit: Any, gradients: Any, same_gradients: Any, fresh: Any, loss: LossName
) -> None:
    sides = []
    for micro_tokens in (16384, 1):
        module = make(fresh(), loss, micro_tokens=micro_tokens)
        drift(module.model)
        assert len(quiet(make(fresh(), loss, micro_tokens=micro_tokens), pairs)[0]) == (1 if micro_tokens > 1 else 4)
        sides.append((fit(module, [pairs])[0], gradients(module.model)))
    (whole, wanted), (split, found) = sides
    assert {name: split[name] for name in whole} == pytest.approx(whole, abs=1e-5, rel=1e-5)
    same_gradients(found, wanted)


def test_the_first_step_has_no_margin(tiny: Any, pairs: list[Ask], fit: Any) -> None:
    curve = fit(make(tiny, "dpo"), [pairs])[0]
    assert curve["loss/preference"] == pytest.approx(math.log(2), abs=1e-6)
    assert curve["margin"] == pytest.approx(0.0, abs=1e-6)
    assert curve["logp_chosen"] < 0
    assert curve["length_rejected"] != curve["length_chosen"]


@pytest.mark.parametrize("loss", ["dpo", "orpo", "kto"])
def test_chosen_answers_win(pairs: list[Ask], fit: Any, fresh: Any, loss: LossName) -> None:
    curve = fit(make(fresh(), loss, lr=5e-3), [pairs] * 5)
    assert curve[-1]["pair_accuracy"] > 0.6
    assert curve[-1]["margin"] > max(curve[0]["margin"], 0.0)
    if LOSSES[loss].alpha:
        assert curve[-1]["logp_chosen"] > curve[0]["logp_chosen"]


def test_only_losses_with_a_reference_keep_one(tiny: Any) -> None:
    kept = {loss for loss in NAMES if make(tiny, loss).reference is not None}
    assert kept == {"dpo", "rpo", "ipo", "kto"}


def test_with_adapters_the_reference_is_the_model_without_them(
    tiny: Any, pairs: list[Ask], fit: Any, gradients: Any
) -> None:
    start = deepcopy(tiny[0])
    add_lora(tiny[0], ["decoder"], rank=4, dropout=0.5)
    drift_adapters(tiny[0])
    module = make(tiny, "dpo", beta=0.7)
    module.model.train()
    wanted = plain_loss_without_dropout(module, pairs, start)
    curve = fit(module, [pairs])
    assert curve[0]["loss"] == pytest.approx(wanted, abs=1e-5)  # a dropout of one half is off
    assert all("lora_" in name for name in gradients(module.model))
    assert abs(curve[0]["margin"]) > 1e-4


def drift_adapters(model: Any) -> None:
    draw = torch.Generator().manual_seed(5)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            weight.data = 0.05 * torch.randn(weight.shape, generator=draw)


def plain_loss_without_dropout(module: Preference, asks: Sequence[Ask], start: Any) -> float:
    module.model.eval()
    with torch.no_grad():
        found = float(plain_loss(module, asks, start))
    module.model.train()
    return found


def test_answers_to_other_questions_estimate_the_divergence(tiny: Any, pairs: list[Ask], fit: Any) -> None:
    start = deepcopy(tiny[0])
    module = make(tiny, "kto")
    drift(module.model)
    texts = mismatched(pairs)
    ratios = []
    with torch.no_grad():
        for ask, of_ask in zip(pairs, texts, strict=True):
            for index, answers in enumerate(of_ask):
                own = {text for pair in pairs_of(ask.questions[index]) for text in (pair.chosen, pair.rejected)}
                assert set(answers) != own
                ratios += [
                    (alone(module, ask, index, text) - alone(module, ask, index, text, start)).sum() for text in answers
                ]
    wanted = max(float(torch.stack(ratios).mean()), 0.0)
    assert fit(module, [pairs])[0]["kl"] == pytest.approx(wanted, abs=1e-5)


def test_branches_share_image_question_and_beginning(tiny: Any, pairs: list[Ask]) -> None:
    module = make(tiny)
    ask = Ask(pairs[0].images, pairs[0].questions[:1])
    texts = [text for pair in pairs_of(ask.questions[0]) for text in (pair.chosen, pair.rejected)]
    (micro,) = module.answered([ask], [[texts]])
    completions = [module.prompter.completion(text) for text in texts]
    alone_tokens = sum(map(len, completions))
    prompt = len(module.prompter.prompt(ask.questions[0]))
    assert prompt < len(micro.trees[0]) < prompt + alone_tokens
    assert micro.columns["lengths"].tolist() == [len(completion) for completion in completions]


def test_a_batch_without_pairs_is_said(tiny: Any, batch: list[Ask], pairs: list[Ask]) -> None:
    with pytest.raises(SampleError, match="No question of this batch has a pair"):
        quiet(make(tiny), batch)
    with pytest.raises(SampleError, match="at least two"):
        quiet(make(tiny, "kto"), pairs[:1])
    counts = quiet(make(tiny), [batch[0], *pairs[1:]])[1]
    assert counts["preference"] < quiet(make(tiny), pairs)[1]["preference"]
