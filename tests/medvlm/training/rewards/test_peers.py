"""Wrong scores of published code, as read in it (shared notes on metrics and RL): each must be right here.

Every line names the work whose rule fails on it, what that rule gives, and what is right.
"""

from __future__ import annotations

from typing import Any

import pytest

from medvlm.evaluation.metrics import bleu, sentence_bleu
from medvlm.evaluation.temporal import changes
from medvlm.training.rewards import REWARDS

OPTIONS = ("edema", "pneumothorax", "no effusion", "normal")
REFUSAL = "I'm sorry, I cannot determine this from the image."
DOWN = "\N{LINE SEPARATOR}"


def pays(name: str, text: str, answer: str, kind: str, **columns: Any) -> float | None:
    asked = {"answer": [answer], "kind": [kind], "options": [OPTIONS if kind == "choice" else ()]}
    (value,) = REWARDS[name]([text], **asked, **{key: [value] for key, value in columns.items()})
    return value


LETTERS = [
    # MedVLM-R1 counts letters A-J inside words: A, E, D, E, A make five, and the reward is 0
    ("mcq_letter", "<answer>A) Edema</answer>", "edema", 0.5),
    # MedEvalKit misses each of these four, and reads "" as A and a refusal as D
    ("accuracy", "The answer is: B", "pneumothorax", 1.0),
    ("accuracy", "Answer - B", "pneumothorax", 1.0),
    ("accuracy", "I would choose B.", "pneumothorax", 1.0),
    ("accuracy", "Option B", "pneumothorax", 1.0),
    ("accuracy", r"\boxed{\text{B}}", "pneumothorax", 1.0),
    ("accuracy", "", "edema", 0.0),
    ("accuracy", REFUSAL, "normal", 0.0),
    # ReXVQA takes the first of A-D anywhere: A of "ANSWER", D of "WOULD", B of a refusal ("unABle")
    ("accuracy", "The answer is B.", "edema", 0.0),
    ("accuracy", "I would choose B.", "normal", 0.0),
    ("accuracy", "Unable to tell.", "pneumothorax", 0.0),
    # MMMU's parser draws a letter at random where it reads none
    ("accuracy", "The image is of poor quality.", "edema", 0.0),
    # OmniMedVQA takes the nearest option by difflib, whatever the text is
    ("option_text", "<answer>effusion</answer>", "no effusion", 0.0),
    ("option_text", "<answer>oedematous normality</answer>", "normal", 0.0),
    # MedVLThinker's answer pattern stops at a line end
    ("mcq_gated", "<think>a\nb</think>\n<answer>B\n</answer>", "pneumothorax", 1.0),
    # ChestX-Reasoner: an empty answer is in every reference ("" in gt)
    ("accuracy", "<think>a</think><answer></answer>", "edema", 0.0),
    # Visual-RFT and others ask whether the reference is in the text: all options then earn 1
    ("option_text", "<answer>edema, pneumothorax, no effusion, normal</answer>", "edema", 0.0),
]


@pytest.mark.parametrize(("name", "text", "answer", "right"), LETTERS)
def test_choices(name: str, text: str, answer: str, right: float) -> None:
    assert pays(name, text, answer, "choice") == right


YES_AND_NO = [
    # LLaVA-Med, closed: "no" is in "normal" and in "no doubt"
    ("The scan is normal.", "no", 0.0),
    ("Yes, no doubt.", "no", 0.0),
    ("Yes, no doubt.", "yes", 1.0),
    # MedEvalKit: 'no' in "abnormal findings", and no 'yes'
    ("abnormal findings", "no", 0.0),
    # TemMed-Bench reads the first two letters: "Normal", "Not sure" say no
    ("Normal chest.", "no", 0.0),
    ("Not sure.", "no", 0.0),
    ("Nodules are seen.", "no", 0.0),
]


@pytest.mark.parametrize(("text", "answer", "right"), YES_AND_NO)
def test_yes_and_no(text: str, answer: str, right: float) -> None:
    assert pays("yes_no", text, answer, "closed") == right
    assert pays("accuracy", text, answer, "closed") == right


def test_a_closed_answer_that_is_no_yes_and_no_no() -> None:
    """LLaVA-Med gives 0 to SLAKE's "Left" and "Chest", which hold neither word."""
    assert pays("accuracy", "Left", "left", "closed") == 1.0
    assert pays("yes_no", "Left", "left", "closed") is None


@pytest.mark.parametrize(
    ("text", "answer", "right"),
    [
        # LLaVA-Med counts repeats: recall .75, F1 .857
        ("effusion effusion effusion", "pleural effusion", 0.4),
        # MedEvalKit prints P, R and F1 in each other's places: P 1.0, R .5 are printed as F1 .667, P 1.0, R .5
        ("effusion", "pleural effusion", 2 / 3),
        # MedEvalKit stops on an empty reply
        ("", "pleural effusion", 0.0),
    ],
)
def test_words(text: str, answer: str, right: float) -> None:
    assert pays("token_f1", text, answer, "open") == pytest.approx(right)


def test_coordinates_in_thoughts_earn_nothing() -> None:
    """DeepMedix-R1 pays .05 for each box in the thoughts, whatever it encloses."""
    text = "<think>" + "[10, 20, 30, 40] [0.1, 0.1, 0.2, 0.2] " * 3 + "</think><answer>left</answer>"
    assert pays("box_iou", text, "0.1 0.1 0.2 0.2", "box") == 0.0


def test_no_finding_where_there_is_none_is_rewarded() -> None:
    """RadVLM-GRPO's soft F1 gives 0 where either list is empty."""
    assert pays("box_iou", "<answer>No finding.</answer>", "none", "box") == 1.0
    assert pays("box_iou", "<answer>[0.1, 0.1, 0.2, 0.2]</answer>", "none", "box") == 0.0
    assert pays("box_iou", "", "none", "box") == 0.0


def test_two_normal_reports_agree() -> None:
    """RadGraph gives 0 where either side has no entity, even where both have none."""
    assert pays("finding_f1", "The lungs are clear.", "No acute disease.", "report") == 1.0
    assert pays("finding_f1", "qz qz", "No acute disease.", "report") == 0.0


@pytest.mark.parametrize("end", ["\r\n", DOWN, "\f", "\v"])
@pytest.mark.parametrize("name", ["finding_f1", "bleu", "rouge_l"])
def test_line_ends_shift_no_report(name: str, end: str) -> None:
    """The PTB tokeniser of pycocoevalcap replaces line feeds only: every later report is scored against another."""
    texts = [f"Large effusion.{end}No nodule.", "Cardiomegaly is seen again.", "Clear lungs, no acute disease."]
    values = REWARDS[name](texts, answer=[text.replace(end, " ") for text in texts], kind=["report"] * 3)
    assert values == [pytest.approx(1.0)] * 3


def test_an_empty_report_moves_no_other() -> None:
    """RaTEScore drops the row of a report of less than three letters, so that later ones meet the wrong reference."""
    asked = {"answer": ["Edema.", "Nodule.", "Effusion."], "kind": ["report"] * 3}
    assert REWARDS["finding_f1"](["Edema.", "", "Effusion."], **asked) == [1.0, 0.0, 1.0]


def test_a_perfect_word_is_a_perfect_report() -> None:
    """BLEU-4 of an exact one-word text is 0 (sacrebleu, as of a corpus) or 1e-231 (nltk, MedEvalKit)."""
    assert bleu(["Normal"], ["Normal"]).value == 0.0
    assert sentence_bleu("Normal", "Normal") == pytest.approx(1.0)


def test_a_reference_that_rouge_cannot_read_is_said() -> None:
    """rouge-score gives 0 to identical Chinese reports."""
    with pytest.raises(ValueError, match="reads a-z and 0-9 only"):
        pays("rouge_l", "左肺", "左肺", "report")


@pytest.mark.parametrize(
    ("given", "wanted", "right"),
    [
        ("No new effusion.", "New effusion.", 0.0),  # Libra: 1
        ("Stable effusion.", "Unchanged effusion.", 1.0),  # Libra: 0
        ("New nodule.", "New effusion.", 0.0),  # Libra: 1, the finding is not read
        ("Effusion.", "Effusion.", 0.0),  # Libra: both empty are 1, which junk earns too
        ("Effusion is larger.", "Effusion.", -1.0),  # Libra: 1e-10, as for silence; a prior was made up
        ("No significant interval change in the effusion.", "Effusion is stable.", 1.0),
        ("Effusion decreased, edema worse.", "Effusion decreased, edema worse.", 1.0),
    ],
)
def test_changes_over_time(given: str, wanted: str, right: float) -> None:
    assert pays("temporal", given, wanted, "report") == right


def test_denied_changes_are_none() -> None:
    assert changes("No new nodule and not worse.") == set()
    assert changes("No change of the nodule.") == {("Lung Lesion", "stable")}
