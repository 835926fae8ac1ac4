"""Chains of stand-in models: kept where they are right, counted where not, found step by step, and read as a set."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

from medvlm.datamodules.sets import load_set
from medvlm.distil_command import main
from medvlm.endpoint import EndpointError, Said
from medvlm.generation.engine import Engine
from medvlm.generation.prompts import reference_text
from medvlm.study import ImageRef, Sample, SampleError
from medvlm.training.chains import Chain, read_chain
from medvlm.training.distil import DistilOptions, distil
from medvlm.training.handles import EngineHandle, task
from medvlm.training.mentor import SearchOptions, mentored, search

SIDE = Sample("side", (), "Which side is it on?", "left", "choice", ("right", "left"))
FLUID = Sample("fluid", (), "Is there fluid?", "yes", "closed")
WHY = "The left angle is blunted and dense."


def good(sample: Sample, why: str = WHY) -> Said:
    return Said(f"<think>{why}</think><answer>{'B' if sample is SIDE else 'yes'}</answer>")


@dataclass
class StandIn:
    """Says what its functions say, and remembers how often it was asked."""

    name: str = "stand-in"
    writes: Any = None
    steps: Any = None
    finishes: Any = None
    asked: list[Any] = field(default_factory=list)

    def write(self, samples: Sequence[Sample], *, seed: int, hint: bool = False) -> list[Said]:
        self.asked.append([sample.id for sample in samples])
        return [self.writes(sample, len(self.asked), hint) for sample in samples]

    def step(self, sample: Sample, steps: Sequence[str], *, n: int, seed: int) -> list[str]:
        return [self.steps(list(steps), index) for index in range(n)]

    def finish(self, sample: Sample, trails: Sequence[Sequence[str]], *, n: int, seed: int) -> list[list[Said]]:
        self.asked.append([list(trail) for trail in trails])
        return [[self.finishes(list(trail), index) for index in range(n)] for trail in trails]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (Said(f"<think>{WHY}</think><answer>A</answer>"), "wrong answer"),
        (Said(f"{WHY} It could be either."), "no answer could be read"),
        (Said(f"{WHY} The answer is B."), "no answer between tags"),
        (Said("<think>Left.</think><answer>B</answer>"), "no reasoning"),
        (Said(f"{'very ' * 2000}<answer>B</answer>"), "reasoning too long"),
        (Said(f"<think>{WHY}<answer>B</answer></think><answer>B</answer>"), "tags inside of the reasoning"),
        (Said(f"<think>{WHY}\ufffd</think><answer>B</answer>"), "broken characters"),
        (Said(f"<think>{WHY}</think><answer>B</answer>", finished=False), "cut at the limit"),
    ],
)
def test_what_is_rejected_says_why(said: Said, why: str) -> None:
    assert read_chain(SIDE, said) == (None, why)


@pytest.mark.parametrize(
    "text",
    [
        f"<think>{WHY}</think><answer>B</answer>",
        f"<think>\n{WHY}\n</think>\n<answer>B) left</answer>\n",
        f"{WHY}\n\n<answer>left</answer>",
        f"{WHY} \\boxed{{B}}",
    ],
)
def test_chains_in_several_forms_are_the_same_chain(text: str) -> None:
    assert read_chain(SIDE, Said(text)) == (Chain(WHY), "")


def test_a_chain_that_speaks_of_the_hint_is_none() -> None:
    told = Said(f"<think>{WHY} As stated, the correct answer is left.</think><answer>B</answer>")
    assert read_chain(SIDE, told, hinted=True) == (None, "speaks of the hint")
    assert read_chain(SIDE, good(SIDE), hinted=True) == (Chain(WHY, hinted=True), "")
    assert "known to be: left" in task(SIDE, hint=True)
    assert "known to be" not in task(SIDE)


def test_right_chains_are_a_set_to_train_on_with_and_without_thinking(tmp_path: Path) -> None:
    def writes(sample: Sample, turn: int, hint: bool) -> Said:
        return good(sample, f"{WHY} Try {turn}.") if sample is FLUID or turn >= 2 else Said("B")

    teacher = StandIn(writes=writes)
    counts = distil(teacher, [SIDE, FLUID], tmp_path / "c.jsonl", DistilOptions(tries=4, keep=2))
    assert counts == {"kept": 4, "no answer between tags": 1}
    assert teacher.asked == [["side", "fluid"], ["side", "fluid"], ["side"]]  # who has enough is left alone
    samples = list(load_set("jsonl", tmp_path / "c.jsonl", "train"))
    assert [sample.id for sample in samples] == ["side#0", "side#1", "fluid#0", "fluid#1"]
    assert reference_text(samples[0], reasoning=True) == f"<think>{WHY} Try 2.</think><answer>B</answer>"
    assert reference_text(samples[0], reasoning=False) == "B"
    distil(teacher, [SIDE, FLUID], tmp_path / "c.jsonl", DistilOptions(tries=4, keep=2), form="plain")
    assert len(teacher.asked) == 3  # another form asks nobody
    samples = list(load_set("jsonl", tmp_path / "c.jsonl", "train"))
    assert [reference_text(samples[0], reasoning=flag) for flag in (True, False)] == [f"{WHY} Try 2.\nAnswer: B"] * 2


def test_the_answer_is_told_only_where_all_tries_failed(tmp_path: Path) -> None:
    teacher = StandIn(writes=lambda sample, turn, hint: good(sample) if hint or sample is FLUID else Said("A"))
    counts = distil(teacher, [SIDE, FLUID], tmp_path / "c.jsonl", DistilOptions(tries=2, hint=True))
    assert counts == {"kept": 2, "hinted": 1, "wrong answer": 2}
    assert teacher.asked[-1] == ["side"]
    told, free = load_set("jsonl", tmp_path / "c.jsonl", "train")
    assert (told.extra["distilled"]["hinted"], free.extra["distilled"]["hinted"]) == (True, False)


def test_an_endpoint_that_goes_down_loses_no_work(tmp_path: Path) -> None:
    def writes(sample: Sample, turn: int, hint: bool) -> Said:
        if turn == 2:
            raise EndpointError("down")
        return good(sample)

    teacher, options = StandIn(writes=writes), DistilOptions(batch=1)
    with pytest.raises(EndpointError):
        distil(teacher, [SIDE, FLUID], tmp_path / "c.jsonl", options)
    assert not (tmp_path / "c.jsonl").exists()
    assert distil(teacher, [SIDE, FLUID], tmp_path / "c.jsonl", options) == {"kept": 2}
    assert teacher.asked == [["side"], ["fluid"], ["fluid"]]


def test_all_chains_rejected_and_questions_that_verify_nothing(tmp_path: Path) -> None:
    teacher = StandIn(writes=lambda sample, turn, hint: Said("A"))
    with pytest.raises(SampleError, match=r"no chain was kept for 1 questions \(4 wrong answer\)"):
        distil(teacher, [SIDE], tmp_path / "c.jsonl")
    assert not (tmp_path / "c.jsonl").exists()
    with pytest.raises(SampleError, match="none of 1 samples can be verified"):
        distil(teacher, [Sample("r", (), "Write.", "Clear.", "report")], tmp_path / "r.jsonl")
    with pytest.raises(SampleError, match="1 of 1 answers are pseudo-labels"):
        distil(teacher, [Sample("p", (), "?", "yes", "closed", extra={"pseudo": {}})], tmp_path / "p.jsonl")


def finishes(trail: list[str], index: int) -> Said:
    """An intern that is right once in four from nothing much, twice with 'angle', always with both steps."""
    right = {"see the angle": 2, "see the heart": 1, "it is blunted": 4}[trail[-1]]
    return Said(f"{WHY}</think><answer>{'B' if index < right else 'A'}</answer>")


def test_the_step_from_which_the_intern_succeeds_most_is_kept() -> None:
    proposals = {0: ["see the heart", "see the angle", "see the angle"], 1: ["it is blunted", "<answer>B", ""]}
    mentor = StandIn(steps=lambda steps, index: proposals[len(steps)][index])
    intern = StandIn(finishes=finishes)
    found = search(mentor, intern, SIDE)
    assert found.steps == ("see the angle", "it is blunted")
    assert found.scores == (0.5, 1.0)
    assert found.chain == f"see the angle\nit is blunted\n{WHY}"
    assert intern.asked == [[["see the heart"], ["see the angle"]], [["see the angle", "it is blunted"]]]


def test_a_step_that_does_not_help_ends_the_search_and_seldom_success_keeps_nothing(tmp_path: Path) -> None:
    proposals = {0: "it is blunted", 1: "see the heart"}
    mentor = StandIn(steps=lambda steps, index: proposals[min(1, len(steps))])
    half = StandIn(finishes=lambda trail, index: finishes(["see the angle" if len(trail) == 1 else trail[-1]], index))
    assert search(mentor, half, SIDE).steps == ("it is blunted",)
    weak = StandIn(finishes=lambda trail, index: finishes(["see the heart"], index))
    assert search(mentor, weak, SIDE, SearchOptions(depth=1)).why == "the intern seldom succeeds"
    assert search(StandIn(steps=lambda steps, index: "<b>"), weak, SIDE).why == "the mentor proposed no step"
    with pytest.raises(SampleError, match="1 the intern seldom succeeds"):
        mentored(mentor, weak, [SIDE], tmp_path / "m.jsonl")
    assert mentored(mentor, half, [SIDE], tmp_path / "half.jsonl") == {"kept": 1}
    (sample,) = load_set("jsonl", tmp_path / "half.jsonl", "train")
    assert sample.rationale == f"it is blunted\n{WHY}"


def test_a_model_in_memory_writes_steps_and_goes_on_from_them(tiny: Any) -> None:
    noise = torch.randn(3, 32, 32, generator=torch.Generator().manual_seed(0))
    handle = EngineHandle(Engine(*tiny, reasoning=True), lambda ref: noise, "w", max_tokens=5)
    shown = Sample("s", (ImageRef(Path("a.png")),), "Is it?", "yes", "closed")
    assert len(handle.write([shown, FLUID], seed=0)) == 2
    assert len(handle.step(shown, [], n=3, seed=0)) == 3
    found = handle.finish(shown, [["left lung"], ["right lung", "normal heart"]], n=2, seed=1)
    assert [len(texts) for texts in found] == [2, 2]
    alone = handle.finish(shown, [["left lung"]], n=2, seed=1)
    greedy = EngineHandle(handle.engine, handle.pixels, "w", temperature=0.0, max_tokens=5)
    both = greedy.finish(shown, [["left lung"], ["right lung"]], n=1, seed=0)
    assert both[0] == greedy.finish(shown, [["left lung"]], n=1, seed=0)[0]  # trails do not see each other
    assert alone == handle.finish(shown, [["left lung"]], n=2, seed=1)


def test_the_command_distils_from_an_endpoint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [{"id": "1", "images": [], "question": "Is there fluid?", "answer": "yes"}]
    (tmp_path / "data.jsonl").write_text("\n".join(map(json.dumps, lines)))
    sent: list[Any] = []

    def answer(self: Any, body: Any) -> Said:
        sent.append(body)
        return good(FLUID)

    monkeypatch.setattr("medvlm.endpoint.Endpoint._ask", answer)
    line = [
        "jsonl",
        str(tmp_path),
        "--out",
        str(tmp_path / "c.jsonl"),
        "--endpoint",
        "http://localhost:1/v1",
        "--quiet",
    ]
    assert main([*line, "--name", "big"]) == 0
    assert "1 chains kept, 0 questions without one; rejected: none" in capsys.readouterr().out
    assert sent[0]["messages"][0]["content"].startswith("Is there fluid?\n\nFirst reason step by step")
    with pytest.raises(ValueError, match="--endpoint needs --name"):
        main(line)
