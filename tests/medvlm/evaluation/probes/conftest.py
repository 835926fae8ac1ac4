"""Sets with questions and reports, pixels of any file, and rows of a section by their first cell."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from medvlm.evaluation.probes import run_probes
from medvlm.evaluation.protocols import Protocol
from medvlm.evaluation.runner import evaluate, plain_loop
from medvlm.evaluation.sections.section import Cell, Section
from medvlm.study import ImageRef, Sample

OWN = Protocol("own")
REPORT = "FINDINGS: Small left pleural effusion. No pneumothorax. Heart size is normal. IMPRESSION: Effusion."


def closed(number: int, question: str, answer: str, **fields: Any) -> Sample:
    image = (ImageRef(Path(f"{number}.png")),)
    return Sample(f"{number}/{question}", image, question, answer, "closed", group=f"p{number}", **fields)


@pytest.fixture
def presence() -> list[Sample]:
    """Two questions about each of six images, half answered yes."""
    questions = ("Is there an effusion?", "Is the heart enlarged?")
    return [
        closed(n, text, "yes" if (n + place) % 2 else "no") for n in range(6) for place, text in enumerate(questions)
    ]


@pytest.fixture
def reports() -> list[Sample]:
    """A report of each of 24 images."""
    return [
        Sample(f"r{n}", (ImageRef(Path(f"{n}.png")),), "Describe.", REPORT, "report", group=f"p{n}") for n in range(24)
    ]


def any_pixels(ref: ImageRef) -> torch.Tensor:
    return torch.zeros(3, 4, 4)


@pytest.fixture
def probed(tmp_path: Path) -> Callable[..., Section]:
    """Ask a set, then one probe of it."""

    def ask(
        engine: Any, samples: list[Sample], name: str, *, pixels: Any = any_pixels, folder: Path = tmp_path, **more: Any
    ) -> Section:
        evaluate(engine, samples, any_pixels, OWN, folder / "real.jsonl")
        (section,) = run_probes(engine, samples, pixels, OWN, folder, [name], loop=plain_loop, **more)
        return section

    return ask


def number(cell: Cell) -> Any:
    """The value of a cell, its interval left off."""
    return getattr(cell, "value", cell)


def rows_of(section: Section) -> dict[Any, Any]:
    return {row[0]: tuple(number(cell) for cell in row[1:]) for row in section.rows}


@pytest.fixture
def rows() -> Callable[[Section], dict[Any, Any]]:
    return rows_of


@pytest.fixture
def make_closed() -> Callable[..., Sample]:
    return closed
