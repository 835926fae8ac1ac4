"""Samples that would break a stage are named before its first step."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from medvlm.generation.engine import Ask
from medvlm.generation.prompts import Prompter, reference_text
from medvlm.settings import ModelSettings
from medvlm.stages import GRPOStage, SFTStage
from medvlm.study import Sample, SampleError, WeightsError
from medvlm.training import build
from medvlm.training.checks import check_samples

SFT = SFTStage(name="sft", objective="sft")
GRPO = GRPOStage(name="grpo", objective="grpo", max_new_tokens=10)


@pytest.fixture
def prompter(tiny: Any) -> Prompter:
    return Prompter(tiny[1], reasoning=True)


@pytest.fixture
def samples(batch: list[Ask]) -> list[Sample]:
    return [question for ask in batch for question in ask.questions]


def longest(prompter: Prompter, samples: list[Sample], stage: SFTStage | GRPOStage) -> int:
    """Tokens of the longest prompt with its answer, all tokenised."""
    answers = [
        stage.max_new_tokens
        if isinstance(stage, GRPOStage)
        else len(prompter.completion(reference_text(sample, reasoning=True, weak=stage.weak)))
        for sample in samples
    ]
    return max(len(prompter.prompt(sample)) + answer for sample, answer in zip(samples, answers, strict=True))


@pytest.mark.parametrize("stage", [SFT, GRPO], ids=["sft", "grpo"])
def test_the_limit_is_met_to_the_token(prompter: Prompter, samples: list[Sample], stage: Any) -> None:
    most = longest(prompter, samples, stage)
    check_samples(prompter, [samples], stage, most)
    with pytest.raises(SampleError, match=rf"for its answer, the decoder at most {most - 1}\."):
        check_samples(prompter, [samples], stage, most - 1)


def test_without_a_limit_nothing_is_too_long(prompter: Prompter, samples: list[Sample]) -> None:
    check_samples(prompter, [[replace(samples[0], question="why " * 5000)]], SFT, None)


def test_the_sample_that_is_too_long_is_named(prompter: Prompter, samples: list[Sample]) -> None:
    long = replace(samples[3], id="the long one", question="why " * 5000)
    with pytest.raises(SampleError, match=r"'the long one' takes \d+ tokens \(\d+ of them for 1 image"):
        check_samples(prompter, [samples[:3], [long]], GRPO, 4096)


def test_too_many_images_for_the_context_are_counted(prompter: Prompter, samples: list[Sample]) -> None:
    many = replace(samples[0], images=samples[0].images * 40)
    tokens = 40 * prompter.processor.count_tokens("image")
    with pytest.raises(SampleError, match=rf"\({tokens} of them for 40 image\(s\)\).*the decoder at most {tokens}"):
        check_samples(prompter, [[many]], GRPO, tokens)


@pytest.mark.parametrize("mark", ["<image>", "<volume>"])
def test_a_question_that_writes_a_placeholder_is_named(prompter: Prompter, samples: list[Sample], mark: str) -> None:
    with pytest.raises(SampleError, match=f"'0-0' has {mark} in its text"):
        check_samples(prompter, [[replace(samples[0], question=f"What is {mark}?")]], GRPO, None)


def test_an_answer_that_writes_a_placeholder_is_named(prompter: Prompter, samples: list[Sample]) -> None:
    with pytest.raises(SampleError, match="'0-0' has <image> in its text"):
        check_samples(prompter, [[replace(samples[0], rationale="see <image>")]], SFT, None)


def test_a_mined_answer_that_is_missing_is_found_before_training(prompter: Prompter, samples: list[Sample]) -> None:
    bare = [*samples, replace(samples[0], id="bare", weak_answer=None)]
    check_samples(prompter, [bare], SFT, None)
    with pytest.raises(ValueError, match="'bare' has no mined answer"):
        check_samples(prompter, [bare], SFT.model_copy(update={"weak": True}), None)


def test_a_model_whose_processor_is_not_ours_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "load_vlm", lambda source: (object(), {}))
    with pytest.raises(WeightsError, match="org/other prepares images by a dict"):
        build.build_model(ModelSettings(source="org/other"), [], seed=0)
