"""Length, repetition and language against TRL's own rewards and by hand."""

from __future__ import annotations

import random
from typing import Any

import pytest

from medvlm.training.rewards import REWARDS

rewards = pytest.importorskip("trl.rewards")
DRAW = random.Random(0)
TOKENS = [[DRAW.randrange(9) for _ in range(size)] for size in (0, 1, 2, 3, 50, 79, 80, 81, 90, 99, 100, 101, 300)]
TEXTS = ["x"] * len(TOKENS)


@pytest.mark.parametrize(("limit", "cache"), [(100, 20), (100, 100), (80, 1), (300, 0)])
def test_overlong_is_trls(limit: int, cache: int) -> None:
    theirs = rewards.get_soft_overlong_punishment(limit, cache)(completion_ids=TOKENS)
    assert REWARDS["overlong"](TEXTS, limit=limit, cache=cache, completion_ids=TOKENS) == theirs


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_repetition_is_trls(size: int) -> None:
    theirs = rewards.get_repetition_penalty_reward(size, -1.0)(completion_ids=TOKENS)
    ours = REWARDS["repetition"](TEXTS, size=size, completion_ids=TOKENS)
    assert ours == pytest.approx(theirs)


@pytest.mark.parametrize("right", [True, False])
def test_cosine_length_is_trls(right: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    module = pytest.importorskip("trl.rewards.accuracy_rewards")
    monkeypatch.setattr(module, "accuracy_reward", lambda texts, solution: [float(right)] * len(texts))
    theirs = rewards.get_cosine_scaled_reward(max_len=100)(TEXTS, TEXTS, TOKENS)
    asked: dict[str, Any] = {"answer": ["yes"], "kind": ["closed"], "options": [()]}
    text = "yes" if right else "no"
    ours = [REWARDS["cosine_length"]([text], limit=100, completion_ids=[ids], **asked)[0] for ids in TOKENS]
    assert ours == pytest.approx(theirs)


@pytest.mark.parametrize(("size", "value"), [(0, -1.0), (5, -0.5), (10, 0.0), (20, 0.0), (25, -0.25), (99, -1.0)])
def test_length_falls_outside_its_limits(size: int, value: float) -> None:
    assert REWARDS["length"](["x"], shortest=10, longest=20, completion_ids=[[1] * size]) == [value]


@pytest.mark.parametrize("options", [{"longest": 0}, {"longest": 5, "shortest": 9}, {"longest": 5, "unit": "lines"}])
def test_limits_that_are_none_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="length"):
        REWARDS["length"](["x"], completion_ids=[[1]], **options)


def test_tokens_that_are_missing_are_said() -> None:
    with pytest.raises(ValueError, match="needs the column completion_ids"):
        REWARDS["overlong"](["x"], limit=9, cache=1)


@pytest.mark.parametrize(
    ("text", "script", "value"),
    [("Größe", "LATIN", 0.0), ("肺 ab", "LATIN", -1 / 3), ("12 %", "LATIN", 0.0), ("да", "CYRILLIC", 0.0)],
)
def test_letters_of_another_script_cost(text: str, script: str, value: float) -> None:
    assert REWARDS["language"]([text], script=script) == [pytest.approx(value)]
