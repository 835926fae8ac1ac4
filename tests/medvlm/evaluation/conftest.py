"""Samples about tiny images, and an engine whose answers are canned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from medvlm.generation.engine import Ask, Reply
from medvlm.study import ImageRef, Sample

PATIENTS = 6


@dataclass
class CannedEngine:
    """Answers "yes" where the shown image is bright, after dying at a given call if told so."""

    model: torch.nn.Module = field(default_factory=lambda: torch.nn.Linear(2, 2))
    prompter: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(reasoning=False))
    answer: Callable[[Sample, float], str] = lambda sample, brightness: "yes" if brightness > 0 else "no"
    die_at: int | None = None
    calls: list[list[Ask]] = field(default_factory=list)
    modes: list[bool] = field(default_factory=list)

    def generate(self, asks: Sequence[Ask], *, n: int = 1, max_new_tokens: int = 64) -> list[list[list[Reply]]]:
        if len(self.calls) == self.die_at:
            raise KeyboardInterrupt
        self.calls.append(list(asks))
        self.modes.append(self.model.training)
        return [[[self._reply(question, ask)] * n for question in ask.questions] for ask in asks]

    def _reply(self, question: Sample, ask: Ask) -> Reply:
        brightness = float(ask.images[0].mean()) if ask.images else 0.0
        return Reply(self.answer(question, brightness), (1, 2), (-0.1, -0.3), True)

    @property
    def asked(self) -> list[str]:
        return [question.id for call in self.calls for ask in call for question in ask.questions]


@pytest.fixture
def engine() -> CannedEngine:
    return CannedEngine()


@pytest.fixture
def make_engine() -> type[CannedEngine]:
    return CannedEngine


@pytest.fixture
def samples() -> list[Sample]:
    """Two questions about the one image of each of six patients; odd patients have a bright image and an effusion."""
    made = []
    for patient in range(PATIENTS):
        image = (ImageRef(Path(f"{patient}.png")),)
        answer = "yes" if patient % 2 else "no"
        for word in ("effusion", "fluid"):
            sample = Sample(f"{patient}/{word}", image, f"Any {word}?", answer, "closed", group=f"p{patient}")
            made.append(sample)
    return made


def read_pixels(ref: ImageRef) -> torch.Tensor:
    return torch.full((3, 4, 4), 1.0 if int(ref.path.stem) % 2 else -1.0)


@pytest.fixture
def pixels() -> Callable[[ImageRef], torch.Tensor]:
    return read_pixels
