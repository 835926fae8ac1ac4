"""Questions without images train beside those with images, as text-only sets in a mixture need it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from medvlm.generation.engine import Ask
from medvlm.study import Sample
from medvlm.training.build import Collate
from medvlm.training.sft import SFT
from medvlm.training.step import Schedule

STILL = Schedule(lr=0.0, steps=10, clip_norm=1e9)


@pytest.fixture
def text() -> Ask:
    return Ask((), (Sample("t", (), "Is there a nodule?", "No", "closed"),))


def test_a_mixed_batch_is_the_mean_over_the_tokens_of_both(
    tiny: Any, batch: list[Ask], text: Ask, fit: Callable[..., Any]
) -> None:
    alone, shown, mixed = (fit(SFT(*tiny, STILL), [asks])[0] for asks in ([text], batch, [batch[0], text, *batch[1:]]))
    tokens = alone["answer_tokens"] + shown["answer_tokens"]
    assert mixed["answer_tokens"] == tokens
    total = alone["loss"] * alone["answer_tokens"] + shown["loss"] * shown["answer_tokens"]
    assert mixed["loss"] == pytest.approx(total / tokens, abs=1e-5)


def test_the_collate_function_reads_no_pixels_of_a_question_without_images(text: Ask) -> None:
    from medvlm.datamodules.data import Drawn

    unused: Any = None
    (ask,) = Collate(unused)([Drawn(0, 0, text.questions)])
    assert ask == text
