"""Rewards that a rule can check, and the cheap attacks that must earn nothing."""

from __future__ import annotations

from typing import Any

import pytest

from medvlm.training.rewards import REWARDS, find_reward

OPTIONS = ("pleural effusion", "pneumothorax", "nodule", "normal")
PROMPT = "What is shown?\nA) pleural effusion\nB) pneumothorax\nC) nodule\nD) normal\nAnswer with the letter."
JUNK = "qz " * 1000


def accuracy(text: str, answer: str = "pneumothorax", kind: str = "choice", options: Any = OPTIONS) -> float | None:
    (value,) = REWARDS["accuracy"]([text], answer=[answer], kind=[kind], options=[options])
    return value


def well_formed(text: str) -> float | None:
    (value,) = REWARDS["format"]([text], answer=["x"])
    return value


@pytest.mark.parametrize(
    "text",
    ["<think>air, no markings</think><answer>B</answer>", "<answer> B </answer>", "<answer>pneumothorax</answer>", "B"],
)
def test_a_right_choice_earns_one(text: str) -> None:
    assert accuracy(text) == 1.0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<answer></answer>",
        "<think>B</think><answer> </answer>",
        "<answer>A, B, C, D</answer>",
        "A B C D",
        "<answer>A</answer><answer>B</answer>",
        "<answer>B</answer><answer>A</answer>",
        "<think>It is B. <answer>B</answer></think>",
        "<think>The answer is B",
        PROMPT,
        f"<answer>{PROMPT}</answer>",
        "<answer>not B</answer>",
        "<answer>A or B</answer>",
        "<answer>A</answer>",
        "<think>B</think><answer>A</answer>",
        JUNK,
    ],
)
def test_what_names_no_single_right_choice_earns_nothing(text: str) -> None:
    assert accuracy(text) == 0.0


@pytest.mark.parametrize("text", ["yes and no", "yes, no", "<answer>yes</answer><answer>no</answer>", "", "maybe"])
def test_hedging_between_yes_and_no_earns_nothing(text: str) -> None:
    assert accuracy(text, "yes", "closed", ()) == 0.0


@pytest.mark.parametrize(("text", "value"), [("<answer>Yes</answer>", 1.0), ("no", 0.0)])
def test_yes_and_no(text: str, value: float) -> None:
    assert accuracy(text, "yes", "closed", ()) == value


def test_fifty_boxes_are_no_box() -> None:
    assert accuracy("0.10 0.20 0.50 0.60", "0.10 0.20 0.50 0.60", "box", ()) == 1.0
    spread = " ".join(f"0.{i:02} 0.20 0.{i + 40:02} 0.60" for i in range(50))
    assert accuracy(f"<answer>{spread}</answer>", "0.10 0.20 0.50 0.60", "box", ()) == 0.0


def test_reports_have_no_rule_and_get_none() -> None:
    assert accuracy("FINDINGS: clear lungs.", "FINDINGS: clear lungs.", "report", ()) is None


def test_one_value_a_completion_in_order() -> None:
    found = REWARDS["accuracy"](
        ["B", "text", "yes"],
        answer=["pneumothorax", "report", "no"],
        kind=["choice", "report", "closed"],
        options=[OPTIONS, (), ()],
        categories=[{}, {}, {}],
    )
    assert found == [1.0, None, 0.0]


@pytest.mark.parametrize(
    "text",
    [
        "<think>a</think><answer>B</answer>",
        " <think>a\nb</think>\n<answer>B</answer>\n",
        "<think></think><answer>B</answer>",
    ],
)
def test_well_formed(text: str) -> None:
    assert well_formed(text) == 1.0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "B",
        JUNK,
        PROMPT,
        "<answer>B</answer>",
        "<think>a</think>",
        "<think>a</think><answer></answer>",
        "<think>a</think><answer>B</answer><answer>B</answer>",
        "<think>a</think><think>b</think><answer>B</answer>",
        "<think>a<answer>B</answer></think>",
        "<think>a</think><answer>B",
        "<think>a</think><answer>B</answer>" + JUNK,
        JUNK + "<think>a</think><answer>B</answer>",
        "<answer>B</answer><think>a</think>",
        "</think><think>a</think><answer>B</answer>",
    ],
)
def test_badly_formed(text: str) -> None:
    assert well_formed(text) == 0.0


def test_an_unknown_reward_names_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"Unknown reward 'acuracy'\. Nearest: accuracy"):
        find_reward("acuracy")


def test_an_own_reward_is_found_by_its_path() -> None:
    assert find_reward("medvlm.training.rewards.form:format_reward") is REWARDS["format"]


@pytest.mark.parametrize("path", ["no_such_package.at_all:reward", "medvlm.training.rewards:no_such_function", "json:"])
def test_a_path_that_leads_nowhere_says_so(path: str) -> None:
    with pytest.raises(ValueError, match=path.partition(":")[0].partition(".")[0]):
        find_reward(path)
