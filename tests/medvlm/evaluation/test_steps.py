"""Steps of reasoning against a report, by hand; and what cannot raise them."""

from __future__ import annotations

from typing import Any

import pytest

from medvlm.evaluation.steps import step_scores, steps_of
from medvlm.training.rewards import REWARDS

REPORT = "Large left effusion. Mild cardiomegaly. No pneumothorax."  # three statements


def scores(*steps: str) -> tuple[float, float, float]:
    found = step_scores(list(steps), REPORT)
    return round(found.factuality, 3), round(found.completeness, 3), round(found.effectiveness, 3)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (("Left effusion.", "The heart is enlarged.", "No pneumothorax."), (1.0, 1.0, 1.0)),
        (("Left effusion, no pneumothorax.",), (1.0, 0.667, 1.0)),
        (("No effusion.",), (0.0, 0.0, 0.0)),
        (("Left effusion.", "There is a nodule."), (0.5, 0.333, 0.5)),
        (("Left effusion.", "Let me think.", "Hm.", "Well."), (1.0, 0.333, 0.25)),
        (("Left effusion.",) * 4, (1.0, 0.333, 0.25)),
        (("Perhaps an effusion, possible effusion.",), (0.0, 0.0, 0.0)),
        ((), (0.0, 0.0, 0.0)),
    ],
)
def test_shares_by_hand(steps: tuple[str, ...], expected: tuple[float, float, float]) -> None:
    assert scores(*steps) == expected


def test_absence_that_the_report_does_not_state_is_no_support() -> None:
    assert scores("No nodule.", "No edema.", "No fracture.") == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("<think>a. b; c\nd</think><answer>e. f.</answer>", ["a.", "b;", "c", "d"]),
        ("<think>Is it fluid? It is.</think>", ["It is."]),
        ("Left effusion.", []),
        ("<think>cut off", ["cut off"]),
        ("<THINK>a.</THINK><think>b.</think>", ["a.", "b."]),
    ],
)
def test_steps_are_sentences_of_thoughts(text: str, steps: list[str]) -> None:
    assert steps_of(text) == steps


def pays(text: str, **columns: Any) -> float | None:
    asked = {"answer": "yes", "kind": "closed"} | columns
    (value,) = REWARDS["process"]([text], **{name: [value] for name, value in asked.items()})
    return value


def test_a_report_in_the_record_counts_before_the_rationale_and_a_report_asked_for_last() -> None:
    text = "<think>Left effusion.</think>"
    assert pays(text, rationale="No effusion.", extra={"report": "Effusion."}) == 1.0
    assert pays(text, rationale="No effusion.", extra={}) == 0.0
    assert pays(text, rationale="", extra={}, answer="Effusion.", kind="report") == 1.0
    assert pays(text, rationale="", extra={}) is None


def test_one_share_alone() -> None:
    asked: dict[str, Any] = {"answer": ["yes"], "kind": ["closed"], "rationale": [REPORT]}
    text = ["<think>Left effusion. Well.</think>"]
    assert REWARDS["process"](text, parts=["factuality"], **asked) == [1.0]
    assert REWARDS["process"](text, parts=["effectiveness"], **asked) == [0.5]
    with pytest.raises(ValueError, match="factuality, completeness, effectiveness"):
        REWARDS["process"](text, parts=["truth"], **asked)
