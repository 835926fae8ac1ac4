"""A server samples as the model here does, follows its weights, and every trouble with it has a name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import lightning
import pytest
import torch
from torch.utils.data import DataLoader

from medvlm.generation.engine import Ask, Engine
from medvlm.generation.outside import OutsideSampler, plain_weights
from medvlm.generation.remote import RemoteError, Server, Wanted
from medvlm.models.adapters import add_lora
from medvlm.models.merge import merge_lora
from medvlm.training.grpo import GRPO, GRPOOptions
from medvlm.training.step import Schedule

from .conftest import Native, build
from .serving import StandIn, serving, slow

GENERATE = "/inference/v1/generate"


@pytest.fixture(scope="module", params=["qwen2_5_vl", "gemma3"])
def vlm(request: pytest.FixtureRequest) -> Native:
    return build(request.param)


@pytest.fixture
def stand_in(vlm: Native) -> StandIn:
    return StandIn(vlm)


@pytest.fixture
def url(stand_in: StandIn) -> Iterator[str]:
    with serving(stand_in) as address:
        yield address


@pytest.fixture
def asks(vlm: Native) -> list[Ask]:
    """Two questions on one image, one on two images, one on none."""
    two = (vlm.sample(), vlm.sample("Is there a nodule?"))
    both = (vlm.sample("Which finding is shown?", images=2),)
    return [Ask(vlm.images[:1], two), Ask(vlm.images, both), Ask((), (vlm.sample("yes or no?", images=0),))]


def wanted(vlm: Native, n: int = 1, temperature: float = 0.0) -> Wanted:
    return Wanted(n, 6, temperature, vlm.prompter.stop, vlm.prompter.banned)


def server(url: str, **more: Any) -> Server:
    return Server(url, **{"timeout": 20.0, "tries": 2, "backoff": 0.01} | more)


def test_the_server_answers_as_the_model_here(vlm: Native, url: str, stand_in: StandIn, asks: list[Ask]) -> None:
    found = OutsideSampler(server(url), vlm.prompter).sample(asks, wanted(vlm), 0)
    here = Engine(vlm.model, vlm.processor).generate(asks, max_new_tokens=6)
    for ask, expected in zip(found, here, strict=True):
        for (one,), (reply,) in zip(ask, expected, strict=True):
            assert one.tokens == reply.tokens
            assert one.finished == reply.finished
            assert one.logps == pytest.approx(reply.logps, abs=1e-4)
    assert stand_in.asked.count("/v1/chat/completions/render") == 2  # once an ask that has images
    assert stand_in.asked.count(GENERATE) == 4


def test_seeds_are_of_the_question(vlm: Native, url: str, asks: list[Ask]) -> None:
    outside, drawn = OutsideSampler(server(url), vlm.prompter), wanted(vlm, 3, 1.3)
    whole = outside.sample(asks, drawn, 7)
    assert [answers for ask in asks[::-1] for answers in outside.sample([ask], drawn, 7)] == whole[::-1]
    assert outside.sample(asks, drawn, 8) != whole
    assert all(token not in vlm.prompter.banned for ask in whole for one in ask for c in one for token in c.tokens)


@pytest.mark.parametrize("adapted", [False, True])
def test_the_server_follows_the_weights(vlm: Native, url: str, asks: list[Ask], adapted: bool) -> None:
    model = deepcopy(vlm.model)
    if adapted:
        add_lora(model, rank=2)
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    outside = OutsideSampler(server(url), vlm.prompter)
    for _ in range(2):  # all weights, then those that are trained
        with torch.no_grad():
            for weight in trained:
                weight += 0.05 * torch.randn_like(weight)
        before = outside.sample(asks, wanted(vlm), 0)[0][0][0].logps
        outside.follow(model)
        after = outside.sample(asks, wanted(vlm), 0)[0][0][0]
        reply = Engine(model.eval(), vlm.processor).generate(asks, max_new_tokens=6)[0][0][0]
        assert after.tokens == reply.tokens
        assert after.logps == pytest.approx(reply.logps, abs=1e-4)
        assert after.logps != pytest.approx(before, abs=1e-3)


def test_folded_weights_are_those_of_the_merged_model(vlm: Native) -> None:
    model = deepcopy(vlm.model)
    add_lora(model, rank=2, also_train=["projector"])
    with torch.no_grad():
        for weight in (one for one in model.parameters() if one.requires_grad):
            weight += 0.1 * torch.randn_like(weight)
    kept = {name: weight.clone() for name, weight in model.named_parameters()}
    found = dict(plain_weights(model))
    assert all(torch.equal(kept[name], weight) for name, weight in model.named_parameters())  # it is left as it was
    assert set(dict(plain_weights(model, trained_only=True))) < set(found)
    merge_lora(model)
    expected = dict(model.named_parameters())
    assert found.keys() == expected.keys()
    assert all(torch.allclose(found[name], expected[name], atol=1e-6) for name in expected)


def letters(completions: list[str], **columns: Any) -> list[float | None]:
    return [(sum(map(ord, text)) % 7) / 7 for text in completions]


def test_a_run_learns_from_what_the_server_samples(vlm: Native, url: str, asks: list[Ask], stand_in: StandIn) -> None:
    options = GRPOOptions(group=4, max_new_tokens=5, temperature=1.2)
    rewards = {f"{__name__}:letters": 1.0}
    model, schedule = deepcopy(vlm.model), Schedule(1e-2, 3, decay="none")
    module = GRPO(model, vlm.processor, schedule, rewards=rewards, options=options, server=server(url))
    off: dict[str, Any] = dict.fromkeys(
        ("logger", "enable_progress_bar", "enable_checkpointing", "enable_model_summary"), False
    )
    trainer = lightning.Trainer(accelerator="cpu", max_epochs=1, **off)
    loader: Any = DataLoader([asks[:1]] * 3, batch_size=None, collate_fn=lambda item: item)  # type: ignore[arg-type]
    trainer.fit(module, loader)
    gap = float(trainer.callback_metrics["sampler_gap"])  # the third batch was sampled by the weights of two steps
    assert gap < 0.05
    assert stand_in.asked.count("/finish_weight_update") == 3
    assert not torch.equal(next(model.get_decoder().parameters()), next(vlm.model.get_decoder().parameters()))


def cut(change: Callable[[dict[str, Any]], Any]) -> Callable[[Any], Any]:
    """Spoil the first choice of an answer."""

    def spoil(found: Any) -> Any:
        change(found["choices"][0])
        return found

    return spoil


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda found: {"choices": found["choices"][1:]}, "gave 2 answers to a prompt, expected 3"),
        (lambda found: {}, "gave no 'choices'"),
        (
            cut(lambda one: one["token_ids"].append(5)),
            r"gave \d log-probabilities for \d tokens|tokens, expected 1 to 6",
        ),
        (cut(lambda one: one["token_ids"].clear()), "answer of 0 tokens"),
        (cut(lambda one: one["logprobs"]["content"][0].update(logprob=None)), "log-probabilities that are none"),
        (cut(lambda one: one.pop("index")), "gave no 'index'"),
        (slow(3.0), "no answer within 1 s; .*Nothing is lost"),
    ],
)
def test_an_answer_that_is_not_what_was_asked_for_is_named(
    vlm: Native, url: str, stand_in: StandIn, asks: list[Ask], change: Callable[[Any], Any], reason: str
) -> None:
    outside = OutsideSampler(server(url, timeout=1.0 if "within" in reason else 20.0), vlm.prompter)
    stand_in.change[GENERATE] = change
    with pytest.raises(RemoteError, match=reason):
        outside.sample(asks[2:], wanted(vlm, 3, 1.0), 0)


def test_a_passing_trouble_is_asked_again(vlm: Native, url: str, stand_in: StandIn, asks: list[Ask]) -> None:
    outside, left = OutsideSampler(server(url), vlm.prompter), [503]

    def once(found: Any) -> Any:
        if left:
            raise PermissionError(left.pop())
        return found

    stand_in.change[GENERATE] = once
    assert outside.sample(asks[2:], wanted(vlm), 0)[0][0][0].tokens
    left += [400]
    with pytest.raises(RemoteError, match=r"refused \(400\)"):
        outside.sample(asks[2:], wanted(vlm), 0)


def test_a_server_that_is_not_there_is_named(vlm: Native) -> None:
    with pytest.raises(RemoteError, match=r"127\.0\.0\.1:9 cannot be reached .*vllm serve"):
        OutsideSampler(server("http://127.0.0.1:9"), vlm.prompter)


@pytest.mark.parametrize(
    ("info", "reason"),
    [
        ({"model_config": {"logprobs_mode": "raw_logprobs"}}, "gives raw_logprobs where"),
        ({"weight_transfer_config": {"backend": "nccl"}}, "takes weights by nccl, expected http"),
        ({"weight_transfer_config": None}, "takes weights by no way"),
        ({"model_config": {}}, "gave no 'logprobs_mode'"),
    ],
)
def test_a_server_that_cannot_serve_a_run_is_refused(
    vlm: Native, url: str, stand_in: StandIn, info: dict[str, Any], reason: str
) -> None:
    stand_in.info |= info
    with pytest.raises(RemoteError, match=reason):
        OutsideSampler(server(url), vlm.prompter)


def test_a_composed_model_has_no_server(tiny: Any, url: str) -> None:
    schedule = Schedule(1e-2, 3)
    with pytest.raises(ValueError, match="native models"):
        GRPO(*tiny, schedule, rewards={"accuracy": 1.0}, server=server(url))
