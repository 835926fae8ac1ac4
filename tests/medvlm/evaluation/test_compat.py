"""Numbers of the compatibility modes, each by hand from what the published evaluator does."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from medvlm.evaluation.compat import MODES, add_modes, mode_rows
from medvlm.evaluation.compat.choices import first_letter, mmmu_letter, most_similar, thinker_answer
from medvlm.evaluation.compat.llava_med import bleu_scores, closed_hit, normalise_word, open_scores
from medvlm.evaluation.compat.medevalkit import after_cues, boxed, choice_right, yes_no_right
from medvlm.evaluation.protocols import Protocol
from medvlm.evaluation.records import Record, grade
from medvlm.evaluation.scoring import score_records
from medvlm.study import Sample, SampleError

Asked = tuple[list[Sample], list[Record]]


def ask(*questions: tuple[str, str, str], options: tuple[str, ...] = (), error: str = "") -> Asked:
    """Samples and records of (kind, reference, what was written)."""
    samples = [
        Sample(str(number), (), "?", answer, kind, options if kind == "choice" else (), extra={"answer": answer})  # type: ignore[arg-type]
        for number, (kind, answer, _) in enumerate(questions)
    ]
    texts = [text for *_, text in questions]
    pairs = zip(samples, texts, strict=True)
    return samples, [grade(sample, text, run="r", cluster=sample.id, error=error) for sample, text in pairs]


def numbers(mode: str, asked: Asked) -> dict[str, float]:
    return {row.metric: row.interval.value for row in mode_rows(mode, *asked)}


def test_llava_med_counts_wrong_yes_and_no_since_pull_request_35() -> None:
    asked = ask(*[("closed", "yes", "Yes.")] * 11, ("closed", "yes", "No."), *[("closed", "left", "Left.")] * 2)
    assert numbers("llava_med", asked)["closed yes/no accuracy"] == pytest.approx(0.786, abs=5e-4)
    assert numbers("llava_med_before_35", asked)["closed yes/no accuracy"] == pytest.approx(0.846, abs=5e-4)
    assert numbers("llava_med_before_35", ask(("closed", "yes", "No."))) == {"closed yes/no accuracy": 0.0}


def test_llava_med_counts_every_repetition_of_a_right_word() -> None:
    found = numbers("llava_med", ask(("open", "pleural effusion", "effusion effusion effusion")))
    assert found["open recall"] == 0.75
    assert found["open f1"] == pytest.approx(0.857, abs=5e-4)
    assert found["open exact match score"] == pytest.approx(1 / 3)
    assert open_scores("", "effusion") == dict.fromkeys(["exact match score", "f1", "precision", "recall"], 0.0)


def test_llava_med_finds_no_in_normal_and_both_in_one() -> None:
    assert closed_hit("The scan is normal", "no")[0]
    assert closed_hit("yes, no doubt", "no")[0] and closed_hit("yes, no doubt", "yes")[0]  # noqa: PT018
    assert closed_hit("It is in the left lung", "left") == (False, True)


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("t2-weighted", "t2 weighted"),
        ("a mass, and ten nodules.", "mass and 10 nodules"),
        ("1,000 cells/ml", "1000 cellsml"),
        ("4.5 cm.", "4.5 cm"),
        ("dont couldnt've somebody'd", "don't couldn't've somebodyd"),
        ("none", "0"),
        (". " * 40, " ".join("." * 8)),
    ],
)
def test_words_as_llava_med_normalises_them(text: str, normal: str) -> None:
    assert normalise_word(text) == normal


def test_bleu_2_of_llava_med_weighs_pairs_alone() -> None:
    pytest.importorskip("nltk")
    found = bleu_scores("left lower lobe", "left upper lobe")
    assert found["bleu_score_1"] == pytest.approx(2 / 3)
    assert found["bleu_score_2"] < 1e-100


def test_medevalkit_prints_the_three_scores_in_the_wrong_places() -> None:
    found = numbers("medevalkit", ask(("open", "pleural effusion", "effusion")))
    printed = [
        found[f"open {name}"] for name in ("precision (it is F1)", "recall (it is precision)", "f1 (it is recall)")
    ]
    assert printed == pytest.approx([0.667, 1.0, 0.5], abs=5e-4)
    assert numbers("medevalkit", ask(("open", "pleural effusion", "")))["open em"] == 0


def test_medevalkit_bleu_4_of_a_right_word_is_nothing() -> None:
    pytest.importorskip("nltk")
    found = numbers("medevalkit", ask(("open", "effusion", "Effusion")))
    assert found["open bleu1"] == 1
    assert 0 < found["open bleu4"] < 1e-200


@pytest.mark.parametrize(
    ("text", "letter", "right"),
    [
        ("B", "B", True),
        ("B. right lung", "B", True),
        ("right lung", "B", True),
        ("", "A", True),
        ("The answer is: C", "C", False),  # a blank is left before C, so the nearest text is taken
        ("<answer>B</answer>", "B", True),
        ("\\boxed{B}", "B", True),
        ("a\n\nbecause of b", "A", True),
    ],
)
def test_medevalkit_on_choices(text: str, letter: str, right: bool) -> None:
    assert choice_right(text, ["apex", "right lung", "spleen"], letter) is right


def test_medevalkit_reads_boxes_and_exclusive_yes() -> None:
    assert boxed("\\boxed{A} so \\boxed{\\text{B}}") == "\\text{B}"
    assert boxed("\\boxed{B") == "None"
    assert after_cues("<answer>a<answer>b</answer> c <answer>d</answer>") == "a<answer>b d"
    assert not yes_no_right("yes, no doubt", "yes")
    assert yes_no_right("It is not normal.", "no")


def test_medevalkit_compares_yes_of_slake_as_a_whole_text() -> None:
    asked = ask(("closed", "Yes", "Yes, it is."))
    assert numbers("medevalkit", asked)["closed accuracy"] == 1
    assert numbers("medevalkit_slake", asked)["closed accuracy"] == 0
    score = add_modes(score_records(asked[1], Protocol("slake")), ["medevalkit"], *asked, protocol="slake")
    assert {row.part for row in score.rows} == {"closed", "medevalkit_slake"}


def test_rexvqa_takes_the_first_letter_of_any_word() -> None:
    texts = ("The answer is B.", "I would choose B.", "I'm sorry, but I cannot tell.", "?")
    assert [first_letter(text) for text in texts] == ["A", "D", "B", None]
    options = ("left", "right", "both", "none")
    samples, records = ask(("choice", "left", "The answer is B."), ("choice", "left", "?"), options=options)
    assert numbers("rexvqa_first_char", (samples, records)) == {"accuracy": 0.5}
    lost = replace(ask(("choice", "left", ""), options=options, error="no image")[1][0], id="1")
    assert numbers("rexvqa_first_char", (samples, [records[0], lost])) == {"accuracy": 1.0}


def test_omnimed_compares_texts_so_letters_are_lost() -> None:
    assert most_similar("It is an MRI.", ["CT", "MRI", "X-ray"]) == 1
    assert most_similar("B", ["BCT", "MRI"]) == 0
    assert numbers("omnimed_difflib", ask(("choice", "MRI", "B"), options=("CT", "MRI"))) == {"QA score": 0.0}
    assert numbers("omnimed_difflib", ask(("choice", "MRI", "mri"), options=("CT", "MRI"))) == {"QA score": 0.0}


def test_medvlthinker_wants_the_letter_alone() -> None:
    assert thinker_answer("<answer>A</answer> no: <answer>\nB. right\nsure</answer>") == "B. right"
    assert thinker_answer("Answer: A\nAnswer:\nB") == "B"
    assert thinker_answer("It is: left") == "left"
    answers = [("choice", "right", text) for text in ("B", "b. RIGHT", "right", "B.", "(B)")]
    assert numbers("medvlthinker", ask(*answers, options=("left", "right"))) == {"accuracy": 0.6}


def test_mmmu_reads_the_last_letter_and_else_guesses() -> None:
    generator = random.Random(42)
    assert mmmu_letter("(A) or (B)", ["left", "right"], generator) == "B"
    assert mmmu_letter("MRA shows it", ["left", "right"], generator) == "A"
    assert mmmu_letter("the mass is in the right lung", ["left", "right"], generator) == "B"
    drawn = [mmmu_letter("?", ["left", "right", "both"], generator) for _ in range(5)]
    again = random.Random(42)
    assert drawn == [again.choice("ABC") for _ in range(5)]


def test_temmed_reads_the_first_characters_and_means_over_both_words() -> None:
    asked = ask(("closed", "yes", "Yes."), ("closed", "yes", "Normal."), ("closed", "no", "no"), ("closed", "no", "?"))
    found = numbers("temmed", asked)
    assert found["accuracy"] == 0.5
    assert found["macro precision"] == pytest.approx((1 + 1 / 2) / 2)
    assert found["macro recall"] == pytest.approx((1 / 2 + 1 / 2) / 2)
    assert found["macro F1"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert numbers("temmed", ask(("closed", "yes", "Yes"))) == dict.fromkeys(found, 1.0)


def test_rows_stand_apart_from_accuracy_and_say_what_they_are() -> None:
    asked = ask(("open", "effusion", "effusion"), ("closed", "yes", "yes"))
    plain = score_records(asked[1], Protocol("own"))
    score = add_modes(plain, ["llava_med", "temmed"], *asked)
    assert score.accuracy == plain.accuracy
    assert score.rows[: len(plain.rows)] == plain.rows
    assert "llava_med  open recall" in score.to_text()
    assert "faults included" in score.notes[-1]
    assert add_modes(plain, [], *asked) is plain


def test_what_a_mode_cannot_score_is_refused() -> None:
    asked = ask(("open", "effusion", "effusion"))
    for mode in ("rexvqa_first_char", "omnimed_difflib", "medvlthinker", "mmmu", "temmed"):
        with pytest.raises(ValueError, match=f"{mode} scores none of these questions .kinds: open"):
            mode_rows(mode, *asked)
    with pytest.raises(ValueError, match="unknown; expected one of llava_med, "):
        mode_rows("gpt", *asked)
    with pytest.raises(SampleError, match="beside sample"):
        mode_rows("llava_med", ask(("open", "a", "a"), ("open", "b", "b"))[0][1:], asked[1])


def test_every_mode_survives_what_models_write() -> None:
    texts = ("", "  \r\n", "\\boxed{", "<answer>", "</answer>", "é" * 5_000, "左肺", "\ud800", "B" * 5_000, "Answer:")
    kinds = [(kind, "yes", text) for kind in ("open", "closed", "choice") for text in texts]
    asked = ask(*kinds, options=("yes", "no"))
    for mode in MODES:
        assert all(0 <= value <= 1 for value in numbers(mode, asked).values())
