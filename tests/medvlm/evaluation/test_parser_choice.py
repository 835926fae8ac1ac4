"""Every way in which a reply can, and cannot, name one option of a multiple-choice question."""

# ruff: noqa: RUF001 - full-width characters are what is tested
from __future__ import annotations

import pytest

from medvlm.evaluation.parser import parse_answer

ORGANS = ("Edema", "Pleural effusion", "Pneumothorax", "Normal")
SIDES = ("left", "right", "both sides")
JUNK = "junk words " * 400

NAMED = [
    ("B", "B"),
    ("b", "B"),
    ("(B)", "B"),
    ("( b )", "B"),
    ("[B]", "B"),
    ("B.", "B"),
    ("B)", "B"),
    ("B:", "B"),
    (" B \n", "B"),
    ("**B**", "B"),
    ("`B`", "B"),
    ("'B'", "B"),
    ("$B$", "B"),
    ("Ｂ", "B"),
    ("（Ｂ）", "B"),
    ("B。", "B"),
    ("\u200bB\ufeff", "B"),
    ("Option B", "B"),
    ("option (b)", "B"),
    ("Choice B.", "B"),
    ("The answer is B", "B"),
    ("The answer is B.", "B"),
    ("The answer is: B", "B"),
    ("The answer is (B).", "B"),
    ("the answer is b.", "B"),
    ("The answer is **B**.", "B"),
    ('The answer is "B".', "B"),
    ("The correct answer is B.", "B"),
    ("The correct option is B.", "B"),
    ("The answer is option B.", "B"),
    ("The answer would be B", "B"),
    ("My answer: B", "B"),
    ("Answer: B", "B"),
    ("Answer:B", "B"),
    ("ANSWER: B", "B"),
    ("Answer - B", "B"),
    ("Answer = B", "B"),
    ("Final answer: (B)", "B"),
    ("I would choose B.", "B"),
    ("I choose B", "B"),
    ("I chose option B.", "B"),
    ("I'd go with B.", "B"),
    ("I would pick (B) because of the meniscus.", "B"),
    ("I select B, the effusion.", "B"),
    ("B is correct.", "B"),
    ("Option B is the correct answer.", "B"),
    ("(B) is the best choice.", "B"),
    ("B. Pleural effusion", "B"),
    ("B) pleural effusion.", "B"),
    ("(B) Pleural effusion", "B"),
    ("B: Pleural effusion", "B"),
    ("B - Pleural effusion", "B"),
    ("B Pleural effusion", "B"),
    ("B.Pleural effusion", "B"),
    ("b) pleural effusion", "B"),
    ("Option B: Pleural effusion", "B"),
    ("The answer is B. Pleural effusion", "B"),
    ("The answer is B (pleural effusion).", "B"),
    ("The answer is B pleural effusion", "B"),
    ("Pleural effusion", "B"),
    ("pleural effusion.", "B"),
    ("the PLEURAL  effusion", "B"),
    ("**Pleural effusion**", "B"),
    ("It is pleural effusion.", "B"),
    ("The answer is pleural effusion.", "B"),
    ("Answer: Pleural effusion", "B"),
    ("The most likely diagnosis is pleural effusion.", "B"),
    ("B because the angle is blunted.", "B"),
    ("B. The costophrenic angle is blunted.", "B"),
    ("B. Because the costophrenic angle is blunted, unlike in A.", "B"),
    ("B\r\n\r\nThe costophrenic angle is blunted.", "B"),
    ("The costophrenic angle is blunted.\r\nB", "B"),
    ("The answer is B, not A.", "B"),
    ("The answer is B rather than C.", "B"),
    ("I'm not certain, but the answer is B.", "B"),
    ("Option A shows fluid in the lung. The answer is B.", "B"),
    ("There is no doubt that the answer is B.", "B"),
    ("答案是B", "B"),
    ("答案：B。", "B"),
    ("选B", "B"),
    ("我选择 B，因为肋膈角变钝", "B"),
    ("A", "A"),
    ("a", "A"),
    ("The answer is A.", "A"),
    ("The answer is A because the hila are hazy.", "A"),
    ("D", "D"),
    ("<answer>B</answer>", "B"),
    ("<answer> B </answer>", "B"),
    ("<ANSWER>\r\nB\r\n</ANSWER>", "B"),
    ("<answer>B. Pleural effusion</answer>", "B"),
    ("<answer>Pleural effusion</answer>", "B"),
    ("<answer>The answer is B.</answer>", "B"),
    ("<answer>\\boxed{B}</answer>", "B"),
    ("<answer>Ｂ</answer>", "B"),
    ("<think>Perhaps A. No, C.</think><answer>B</answer>", "B"),
    ("<think>\nA\n</think>\n<answer>\nB\n</answer>", "B"),
    ("<think><answer>A</answer></think><answer>B</answer>", "B"),
    ("<think>a<think>b</think>c</think> B", "B"),
    ("the prompt opened it: A</think><answer>B</answer>", "B"),
    ("<think>The answer is A.</think> The answer is B.", "B"),
    ("The answer is A at first sight. <answer>B</answer>", "B"),
    ("<answer>B</answer><answer>B</answer>", "B"),
    ("<answer>B</answer> so <answer>Pleural effusion</answer>", "B"),
    ("<answer>B", "B"),
    ("\\boxed{B}", "B"),
    ("So the answer is $\\boxed{B}$.", "B"),
    ("\\boxed{\\text{B}}", "B"),
    ("\\boxed{\\text{B. Pleural effusion}}", "B"),
    ("\\boxed{\\mathrm{B}}", "B"),
    ("\\boxed{B} <answer>B</answer>", "B"),
    ("<answer>B</answer><|im_end|>", "B"),
    (f"<answer>B</answer> {JUNK}", "B"),
]

NOT_NAMED = [
    "",
    " \r\n\t",
    "\u200b",
    ".",
    "A, B, C, D",
    "A B C D",
    "A/B",
    "A or B",
    "A and B",
    "(A) or (B)",
    "A. B. C. D.",
    "A; B",
    "B, C",
    "AB",
    "A-D",
    "E",
    "Z.",
    "The answer is E.",
    "The answer is A or B.",
    "The answer is A and C.",
    "The answer is A, B.",
    "The answer is either A or B.",
    "The answer is B. The answer is C.",
    "The answer is A. Wait, no, the answer is B.",
    "not B",
    "Not B.",
    "The answer is not B.",
    "Answer: not B",
    "I would not choose B.",
    "I wouldn't pick option B.",
    "B is incorrect.",
    "B is not correct.",
    "Neither A nor B is correct.",
    "A and B is correct.",
    "The answer is B?",
    "Is the answer B?",
    "If the answer is B, the angle is blunted.",
    "It could be B",
    "The answer could be B",
    "Option B is a fracture, which I do not see.",
    "I'm sorry, but I cannot help with medical images.",
    "I cannot determine the answer from this image.",
    "As an AI, I am not able to diagnose.",
    "None of the above",
    "All of the options are possible.",
    "Edema or pleural effusion",
    "Edema, pleural effusion",
    "There is hepatitis B and a C-spine fracture at T1.",
    "A chest radiograph is shown.",
    "A large heart.",
    "I see a large heart.",
    "The answer is a large heart.",
    "Answer: A chest radiograph",
    "B. Edema",
    "B) Pneumothorax",
    "The answer is B. Edema",
    "The answer is A (pleural effusion).",
    "A Pleural effusion",
    "B. The answer is C.",
    "B. There is an edema.",
    "A) Edema B) Pleural effusion C) Pneumothorax D) Normal",
    "A. Edema\nB. Pleural effusion\nC. Pneumothorax\nD. Normal",
    "A\nB",
    "Which is it? Choose A, B, C or D.",
    "e.g. a nodule",
    "A.P. view",
    "不选B",
    "答案不是B",
    "<answer></answer>",
    "<answer> </answer>",
    "<answer>A, B, C, D</answer>",
    "<answer>A</answer><answer>B</answer>",
    "<answer>B</answer><answer></answer>",
    "<answer></answer><answer>B</answer>",
    "<answer>A or B</answer>",
    "<answer>not B</answer>",
    "<answer>I don't know</answer>",
    "<answer>E</answer>",
    "<answer>A</answer> \\boxed{B}",
    "\\boxed{A} or \\boxed{B}",
    "\\boxed{}",
    "\\boxed{B",
    "<think>The answer is B.</think>",
    "<think><answer>B</answer></think>",
    "<think>The answer is B.",
    "<think>B</think><answer></answer>",
    "<think>unfinished <answer>B</answer>",
    f"{JUNK} B {JUNK}",
]


@pytest.mark.parametrize(("text", "letter"), NAMED)
def test_a_named_option_is_read(text: str, letter: str) -> None:
    assert parse_answer(text, "choice", ORGANS).value == letter


@pytest.mark.parametrize("text", NOT_NAMED)
def test_nothing_is_invented(text: str) -> None:
    parsed = parse_answer(text, "choice", ORGANS)
    assert (parsed.value, parsed.how) == (None, "unparsed")
    assert parsed.reason


def test_an_option_named_in_an_explanation_of_another_is_no_answer() -> None:
    assert parse_answer("B. The effusion is on the left.", "choice", SIDES).value is None
    assert parse_answer("A. The effusion is on the left.", "choice", SIDES).value == "A"


@pytest.mark.parametrize("text", ["A) nodule", "A. nodule", "(A) Nodule", "a) nodule", "A: nodule", "A - nodule"])
def test_letter_a_with_the_text_of_another_option_is_no_answer(text: str) -> None:
    assert parse_answer(f"<answer>{text}</answer>", "choice", ["edema", "nodule"]).value is None
    assert parse_answer(f"<answer>{text}</answer>", "choice", ["nodule", "edema"]).value == "A"


def test_an_option_that_begins_like_a_letter_is_read() -> None:
    assert parse_answer("A. fumigatus infection", "choice", ["nodule", "A. fumigatus infection"]).value == "B"


def test_a_letter_which_is_another_options_text_is_no_answer() -> None:
    assert parse_answer("B", "choice", ("B", "A")).value is None


def test_options_that_differ_in_punctuation_only_need_the_exact_text() -> None:
    options = ("C+", "C-", "> 5 mm", "< 5 mm")
    assert parse_answer("C-", "choice", options).value == "B"
    assert parse_answer("< 5 mm", "choice", options).value == "D"
    assert parse_answer("5 mm", "choice", options).value is None


def test_two_equal_options_cannot_be_told_apart() -> None:
    assert parse_answer("left", "choice", ("left", "left")).value is None


def test_without_options_letters_are_still_read() -> None:
    assert parse_answer("The answer is J.", "choice").value == "J"
    assert parse_answer("K", "choice").value is None


def test_chinese_option_texts() -> None:
    assert parse_answer("右肺", "choice", ("左肺", "右肺")).value == "B"
    assert parse_answer("答案：右肺。", "choice", ("左肺", "右肺")).value == "B"


def test_how_tells_where_the_answer_was() -> None:
    assert parse_answer("<answer>B</answer>", "choice", ORGANS).how == "answer: letter"
    assert parse_answer("\\boxed{B}", "choice", ORGANS).how == "boxed: letter"
    assert parse_answer("The answer is B.", "choice", ORGANS).how == "text: cue"
    assert "differ" in parse_answer("<answer>A</answer><answer>B</answer>", "choice", ORGANS).reason


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="'letter' is unknown"):
        parse_answer("B", "letter")


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "piece", ["<think>", "<answer>", "\\boxed{", "the answer is ", "A ", "((", "not ", "\n", "(A", "选择"]
)
def test_hostile_repetition_ends(piece: str) -> None:
    assert parse_answer(piece * 4000, "choice", ORGANS).value in (None, "A")
