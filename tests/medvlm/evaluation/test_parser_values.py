"""Yes and no, short and long texts, boxes and numbers, and when an answer is correct."""

# ruff: noqa: RUF001 - full-width characters are what is tested
from __future__ import annotations

from pathlib import Path

import pytest

from medvlm.evaluation.parser import Parsed, is_correct, parse_answer, reference_letter
from medvlm.evaluation.values import same_number
from medvlm.generation.prompts import REASONING, user_text
from medvlm.study import AnswerKind, ImageRef, Sample, SampleError

CLOSED = [
    ("Yes", "yes"),
    ("yes.", "yes"),
    ("YES!", "yes"),
    ("**Yes**", "yes"),
    ("Ｙｅｓ", "yes"),
    ("Yeah", "yes"),
    ("Yes, there is a pneumothorax.", "yes"),
    ("Yes there is.", "yes"),
    ("Yes - on the left", "yes"),
    ("Yes, no doubt.", "yes"),
    ("Yes, there is no pneumothorax.", "yes"),
    ("The answer is yes.", "yes"),
    ("Answer: Yes", "yes"),
    ("There is fluid in the fissure, so yes.", "yes"),
    ("No", "no"),
    ("no\r\n", "no"),
    ("No.", "no"),
    ("No, the lungs are clear.", "no"),
    ("No. Yesterday's film was the same.", "no"),
    ("No, there is not.", "no"),
    ("No there is not", "no"),
    ("No, no effusion.", "no"),
    ("The answer is: no", "no"),
    ("Final answer: No.", "no"),
    ("Nope", "no"),
    ("是", "yes"),
    ("是的。", "yes"),
    ("有", "yes"),
    ("包含", "yes"),
    ("存在", "yes"),
    ("可以", "yes"),
    ("否", "no"),
    ("不是", "no"),
    ("没有", "no"),
    ("不包含", "no"),
    ("不可以。", "no"),
    ("不是，肺部正常", "no"),
    ("答案：是", "yes"),
    ("答案：否", "no"),
    ("<answer>Yes</answer>", "yes"),
    ("<think>no, no</think><answer>yes</answer>", "yes"),
    ("\\boxed{\\text{No}}", "no"),
    ("Left side", "Left side"),
    ("<answer>Lung.</answer>", "Lung."),
    ("The answer is left.", "left."),
    ("肝脏", "肝脏"),
    ("<answer>Yes", "yes"),
    ("", None),
    ("Yes and no", None),
    ("Yes or no", None),
    ("yes/no", None),
    ("Yes. No.", None),
    ("No, yes.", None),
    ("Yes.\nNo.", None),
    ("Maybe yes", None),
    ("not yes", None),
    ("The answer is not no.", None),
    ("No effusion is seen.", None),
    ("There is no effusion.", None),
    ("<answer>There is no effusion</answer>", None),
    ("Is there an effusion?", None),
    ("Answer yes or no", None),
    ("Please answer: yes or no", None),
    ("I cannot say yes or no.", None),
    ("I'm sorry, I can't help with that.", None),
    ("Unable to determine", None),
    ("The radiograph shows a large heart and some fluid in both costophrenic angles", None),
    ("<answer>Yes</answer><answer>No</answer>", None),
    ("<think>yes</think>", None),
]

BOXES = [
    ("0.1 0.2 0.5 0.6", "0.1 0.2 0.5 0.6"),
    ("0.10 0.20 0.50 0.60.", "0.1 0.2 0.5 0.6"),
    ("[0.1, 0.2, 0.5, 0.6]", "0.1 0.2 0.5 0.6"),
    ("(0.1,0.2,0.5,0.6)", "0.1 0.2 0.5 0.6"),
    ("[0, 0, 1, 1]", "0 0 1 1"),
    ("[.1 .2 .5 .6]", "0.1 0.2 0.5 0.6"),
    ("The effusion is at [0.1, 0.2, 0.5, 0.6].", "0.1 0.2 0.5 0.6"),
    ('{"bbox_2d": [0.1, 0.2, 0.5, 0.6]}', "0.1 0.2 0.5 0.6"),
    ("The answer is 0.1 0.2 0.5 0.6", "0.1 0.2 0.5 0.6"),
    ("<answer>0.1 0.2 0.5 0.6</answer>", "0.1 0.2 0.5 0.6"),
    ("\\boxed{0.1 0.2 0.5 0.6}", "0.1 0.2 0.5 0.6"),
    ("<answer>０．１ 0.2 0.5 0.6</answer>", "0.1 0.2 0.5 0.6"),
    ("", None),
    ("0.1 0.2 0.5", None),
    ("0.1 0.2 0.5 0.6 0.7", None),
    ("0.5 0.2 0.1 0.6", None),
    ("0.1 0.2 0.1 0.6", None),
    ("10 20 50 60", None),
    ("-0.1 0.2 0.5 0.6", None),
    ("nan nan nan nan", None),
    ("[0.1, 0.2, 0.5, 0.6] [0.2, 0.2, 0.5, 0.6]", None),
    ("[0.1, 0.2, 0.5, 0.6] " * 50, None),
    ("<answer>0.1 0.2 0.5 0.6", None),
    ("<think>[0.1, 0.2, 0.5, 0.6]</think>", None),
]

NUMBERS = [
    ("4.5 cm", "4.5 cm"),
    ("4.50cm", "4.5 cm"),
    ("about 45 mm.", "45 mm"),
    ("-450 HU", "-450 hu"),
    ("\u2212450 HU", "-450 hu"),
    ("45%", "45 %"),
    ("1,234 ml", "1234 ml"),
    ("2 nodules", "2"),
    ("two", "2"),
    ("Two nodules.", "2"),
    ("<answer>3</answer>", "3"),
    ("On T1 images at L4 I count 3 lesions; the answer is 3.", "3"),
    ("\\boxed{45\\%}", "45 %"),
    ("12 millimetres", "12 millimetre"),
    ("", None),
    ("none", None),
    ("3-4 cm", None),
    ("4.5 x 3.2 cm", None),
    ("4,5 cm", None),
    ("< 5 mm", None),
    ("1e999", None),
    ("between 3 and 4", None),
    ("<answer>12", None),
    ("T1", None),
]


def sample(kind: AnswerKind, answer: str, **changes: object) -> Sample:
    return Sample("s", (ImageRef(Path("i.png")),), "?", answer, kind, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(("text", "value"), CLOSED)
def test_closed_answers(text: str, value: str | None) -> None:
    assert parse_answer(text, "closed").value == value


@pytest.mark.parametrize(("text", "value"), BOXES)
def test_boxes(text: str, value: str | None) -> None:
    assert parse_answer(text, "box").value == value


@pytest.mark.parametrize(("text", "value"), NUMBERS)
def test_numbers(text: str, value: str | None) -> None:
    assert parse_answer(text, "number").value == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("right upper lobe", "right upper lobe"),
        ("The answer is the right upper lobe", "the right upper lobe"),
        ("<think>left?</think><answer>right upper lobe</answer>", "right upper lobe"),
        ("...", None),
        ("I'm sorry, but I can't assist with that.", None),
        ("<answer>right up", None),
    ],
)
def test_open_answers(text: str, value: str | None) -> None:
    assert parse_answer(text, "open").value == value


def test_a_report_keeps_its_lines_and_may_say_what_cannot_be_assessed() -> None:
    text = "FINDINGS:\r\nUnable to assess the left angle.\r\nIMPRESSION: Normal."
    assert parse_answer(text, "report").value == text.replace("\r\n", "\n")
    assert parse_answer("Unable to assess the left angle.", "report").value is not None
    assert parse_answer("I'm sorry, I cannot describe this.", "report").value is None


@pytest.mark.parametrize(
    ("kind", "text", "answer", "right"),
    [
        ("closed", "YES.", "Yes", True),
        ("closed", "no", "Yes", False),
        ("closed", "no", "不包含", True),
        ("closed", "left side", "Left side.", True),
        ("closed", "yes", "left side", False),
        ("open", "The right lung", "right lung", True),
        ("open", "right lung base", "right lung", False),
        ("box", "0 0 0.5 0.5", "0 0 0.5 0.4", True),
        ("box", "0 0 0.5 0.5", "0 0 0.5 0.2", False),
        ("number", "4.5 cm", "45 mm", True),
        ("number", "4.7 cm", "45 mm", True),
        ("number", "4.8 cm", "45 mm", False),
        ("number", "3", "2", False),
        ("number", "two", "2", True),
        ("number", "45 %", "45 mm", False),
        ("number", "45", "45 mm", True),
    ],
)
def test_correct(kind: AnswerKind, text: str, answer: str, right: bool) -> None:
    assert is_correct(parse_answer(text, kind), sample(kind, answer)) is right


def test_a_choice_is_correct_by_its_letter() -> None:
    asked = sample("choice", "right", options=("left", "right"))
    assert reference_letter(asked) == "B"
    assert is_correct(Parsed("B", "text: letter"), asked)
    assert not is_correct(Parsed("A", "text: letter"), asked)
    assert not is_correct(Parsed(None, "unparsed"), asked)


def test_the_tolerance_of_a_sample_is_in_the_unit_of_its_reference() -> None:
    asked = sample("number", "4.5 cm", extra={"tolerance": 0.1})
    assert is_correct(Parsed("46 mm", "text: number"), asked)
    assert not is_correct(Parsed("47 mm", "text: number"), asked)


@pytest.mark.parametrize(
    "broken",
    [sample("choice", "middle", options=("left", "right")), sample("box", "0.5 0.1 0.2 0.3"), sample("number", "few")],
)
def test_an_unreadable_reference_is_an_error_that_names_the_sample(broken: Sample) -> None:
    with pytest.raises(SampleError, match="sample 's'"):
        is_correct(Parsed("1", "text: number"), broken)


def test_a_reference_without_number_is_refused() -> None:
    with pytest.raises(ValueError, match="'few' holds no number"):
        same_number("1", "few")


@pytest.mark.parametrize(
    ("kind", "answer", "options"),
    [
        ("choice", "Edema", ("Edema", "Normal")),
        ("closed", "yes", ()),
        ("open", "lung", ()),
        ("box", "0 0 1 1", ()),
        ("number", "3", ()),
    ],
)
@pytest.mark.parametrize("before", ["", REASONING, "<think>"])
def test_an_echoed_prompt_is_never_correct(
    kind: AnswerKind, answer: str, options: tuple[str, ...], before: str
) -> None:
    asked = sample(kind, answer, options=options)
    assert not is_correct(parse_answer(f"{before} {user_text(asked)}", kind, options), asked)
