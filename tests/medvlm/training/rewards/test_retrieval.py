"""Med-RwR's reward: its published numbers, and what is in order and what is not."""

from __future__ import annotations

from typing import Any

import pytest

from medvlm.training.rewards import REWARDS

OPTIONS = ("edema", "pneumothorax")
LONG = "Air without markings. " * 30
THINK, QUERY, FOUND = f"<think>{LONG}</think>", "<query>signs</query>", "<retrieve>a line</retrieve>"


def pays(text: str, *parts: str, kind: str = "choice") -> float | None:
    asked: dict[str, Any] = {"answer": ["pneumothorax"], "kind": [kind], "options": [OPTIONS]}
    (value,) = REWARDS["retrieval"]([text], parts=parts or ("accuracy", "form", "length"), **asked)
    return value


@pytest.mark.parametrize(
    ("answer", "value"),
    [("B) pneumothorax", 5), ("B", 4), ("pneumothorax", 4), ("A", 0), ("A) pneumothorax", 0), ("", 0)],
)
def test_accuracy(answer: str, value: float) -> None:
    assert pays(f"{THINK}<answer>{answer}</answer>", "accuracy") == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (f"{THINK}{QUERY}{FOUND}<answer>B</answer>", 3),
        (f"{THINK}\n{QUERY}\n{FOUND}\n{THINK}\n{QUERY}{FOUND}{THINK}\n<answer>B</answer>", 3),
        (f"{THINK}<answer>B</answer>", 1),
        (f"{THINK}{QUERY}<answer>B</answer>", 0),
        (f"{THINK}{FOUND}<answer>B</answer>", 0),
        (f"{QUERY}{FOUND}<answer>B</answer>", 0),
        (f"{THINK}{QUERY}{FOUND}", 0),
        (f"{THINK}<answer>B</answer><answer>A</answer>", 0),
        (f"{THINK}<answer>B</answer> so it is.", 0),
        (f"{THINK}<query> </query>{FOUND}<answer>B</answer>", 0),
        (f"{THINK}\n\n\n<answer>B</answer>", 0),
        (f"<think>{QUERY}</think>{QUERY}{FOUND}<answer>B</answer>", 0),
        ("", 0),
    ],
)
def test_form(text: str, value: float) -> None:
    assert pays(text, "form") == value


@pytest.mark.parametrize(("size", "value"), [(100, -1), (600, 0), (3000, 0), (4000, -1)])
def test_what_was_retrieved_has_no_length(size: int, value: float) -> None:
    assert pays(f"{'x' * size}<retrieve>{'y' * 5000}</retrieve>", "length") == value


def test_all_of_it() -> None:
    assert pays(f"{THINK}{QUERY}{FOUND}<answer>B) pneumothorax</answer>") == 8
    assert pays("<answer>B</answer>") == 3
    assert pays("anything", kind="report") is None


def test_an_unknown_part_is_refused() -> None:
    with pytest.raises(ValueError, match="accuracy, form, length"):
        pays("B", "semantic")
