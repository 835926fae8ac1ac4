"""An engine whose answers are written by a function: one token a character, the stop token 0."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from medvlm.evaluation.answering.answer import Job
from medvlm.evaluation.answering.settings import parse_answering
from medvlm.generation.engine import Ask, Reply
from medvlm.study import ImageRef, Sample

IMAGE = (ImageRef(Path("a.png")),)


def completion(text: str) -> list[int]:
    return [*map(ord, text), 0]


def decode(tokens: Sequence[int]) -> str:
    return "".join(chr(token) for token in tokens if token).strip()


@dataclass
class Scripted:
    """``write(question, draw, begun)`` is what comes after what was begun; a full stop token ends it."""

    write: Callable[[Sample, int, str], str] = lambda question, draw, begun: "A"
    like: Callable[[Sample, str], float] = lambda question, text: -1.0
    reasoning: bool = False
    logp: Callable[[str], float] = lambda text: -0.5
    calls: list[dict[str, Any]] = field(default_factory=list)
    model: torch.nn.Module = field(default_factory=lambda: torch.nn.Linear(2, 2))

    def __post_init__(self) -> None:
        self.prompter = SimpleNamespace(reasoning=self.reasoning, completion=completion, decode=decode)

    @contextmanager
    def held(self) -> Iterator[None]:
        yield

    def generate(self, asks: Sequence[Ask], **options: Any) -> list[list[list[Reply]]]:
        self.calls.append({"asks": list(asks), **options})
        starts = options.get("starts") or [[()] * len(ask.questions) for ask in asks]
        return [
            [
                [self._reply(question, draw, decode(begun), options) for draw in range(options.get("n", 1))]
                for question, begun in zip(ask.questions, part, strict=True)
            ]
            for ask, part in zip(asks, starts, strict=True)
        ]

    def _reply(self, question: Sample, draw: int, begun: str, options: dict[str, Any]) -> Reply:
        text = self.write(question, draw, begun)
        tokens = completion(text)[: options["max_new_tokens"]]
        return Reply(decode(tokens), tuple(tokens), (self.logp(text),) * len(tokens), tokens[-1] == 0)

    def score(self, asks: Sequence[Ask], options: Any, **more: Any) -> list[list[list[float]]]:
        return [
            [[self.like(question, text) for text in texts] for question, texts in zip(ask.questions, part, strict=True)]
            for ask, part in zip(asks, options, strict=True)
        ]


@pytest.fixture
def scripted() -> type[Scripted]:
    return Scripted


@pytest.fixture
def job() -> Callable[..., Job]:
    """A job of a word: ``job("vote:3")``."""

    def make(word: str, *, max_new_tokens: int = 200, seed: int = 0, **options: Any) -> Job:
        return Job(parse_answering(word, **options), max_new_tokens, seed)

    return make


@pytest.fixture
def choice() -> Callable[..., Sample]:
    """A choice among four sides whose answer is the one named."""

    def make(answer: str = "right", name: str = "q", **fields: Any) -> Sample:
        options = ("left", "right", "both", "neither")
        return Sample(name, IMAGE, "Which side?", answer, "choice", options, group="p0", **fields)

    return make
