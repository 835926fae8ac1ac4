"""Verdicts as they are written, and their scores against scikit-learn and hand numbers."""

from __future__ import annotations

import random

import pytest
from sklearn.metrics import accuracy_score, f1_score, recall_score

from medvlm.evaluation.probes.verdicts import UNREAD, Verdict, read_verdict, score_verdicts

RIGHT, WRONG = Verdict(False), Verdict(True, 2, "No effusion.")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("none", RIGHT),
        ("None.", RIGHT),
        ("CORRECT", RIGHT),
        ("-1", RIGHT),
        ("There is no error in the report.", RIGHT),
        ("I cannot find any errors.", RIGHT),
        ("None of the sentences is wrong.", RIGHT),
        ("无", RIGHT),
        ("2 No effusion.", WRONG),
        ("2. No effusion.", WRONG),
        ("2: No effusion.", WRONG),
        ("(2) No effusion.", WRONG),
        ("Sentence 2: No effusion.", WRONG),
        ("Sentence 2 is wrong. Corrected sentence: No effusion.", WRONG),
        ("The error is in sentence 2. It should read: No effusion.", WRONG),
        ('2\r\n"No effusion."', WRONG),
        ("2 Right-sided effusion.", Verdict(True, 2, "Right-sided effusion.")),
        ("2", Verdict(True, 2)),
        ("12 A line of 2 cm.", Verdict(True, 12, "A line of 2 cm.")),
        ("0 Clear.", Verdict(True, 0, "Clear.")),
        ("4.5 mm nodule.", UNREAD),
        ("3 mm nodule", UNREAD),
        ("The heart is large.", UNREAD),
        ("No.", UNREAD),
        ("No effusion.", UNREAD),
        ("Yes", UNREAD),
        ("", UNREAD),
        ("2024 is the year", UNREAD),
    ],
)
def test_a_verdict_is_read_or_not_but_never_guessed(text: str, expected: Verdict) -> None:
    assert read_verdict(text) == expected


def values(found: tuple[object, ...]) -> dict[str, float | None]:
    return {score.name.split(":")[0].split(",")[0]: score.value and score.value.value for score in found}  # type: ignore[attr-defined]


def test_four_texts_by_hand() -> None:
    wanted = [RIGHT, RIGHT, WRONG, WRONG]
    given = [RIGHT, Verdict(True, 0, "x"), Verdict(True, 1, "no effusion"), UNREAD]
    found = values(score_verdicts(wanted, given, "abcd"))
    assert found["detection accuracy"] == 0.5
    assert found["sensitivity"] == found["specificity"] == 0.5
    assert found["detection F1"] == pytest.approx(0.5)  # 1 hit, 1 false, 1 missed
    assert found["sentence accuracy"] == 0.25
    assert found["sentence accuracy of wrong reports"] == 0.0
    assert found["correction"] == 0.5
    assert found["answers that cannot be read (lower is better)"] == 0.25


def test_detection_equals_scikit_learn() -> None:
    rng = random.Random(0)
    wanted = [rng.choice((RIGHT, WRONG)) for _ in range(200)]
    given = [rng.choice((RIGHT, WRONG)) for _ in range(200)]
    true, said = [one.flag for one in wanted], [one.flag for one in given]
    found = values(score_verdicts(wanted, given, range(200)))
    assert found["detection accuracy"] == pytest.approx(accuracy_score(true, said))
    assert found["detection F1"] == pytest.approx(f1_score(true, said))
    assert found["sensitivity"] == pytest.approx(recall_score(true, said))
    assert found["specificity"] == pytest.approx(recall_score(true, said, pos_label=False))


def test_findings_are_compared_only_where_the_error_changed_them() -> None:
    wanted = [Verdict(True, 0, "No pneumothorax."), Verdict(True, 0, "Small left effusion.")]
    given = [Verdict(True, 0, "There is no evidence of pneumothorax."), Verdict(True, 0, "Effusion on the right.")]
    scores = score_verdicts(wanted, given, "ab", wrong=["Large pneumothorax.", "Small right effusion."])
    (findings,) = [score for score in scores if "rule_chexpert" in score.name]
    assert (findings.n, findings.value and findings.value.value) == (1, 1.0)
    assert values(score_verdicts(wanted, given, "ab"))["correction"] == 0.0


@pytest.mark.parametrize(("flags", "absent"), [([RIGHT], "sensitivity"), ([WRONG], "specificity")])
def test_one_class_alone_leaves_the_other_open(flags: list[Verdict], absent: str) -> None:
    found = values(score_verdicts(flags, flags, "a"))
    assert found[absent] is None
    assert found["detection accuracy"] == 1.0


def test_lists_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="1 references, 2 verdicts"):
        score_verdicts([RIGHT], [RIGHT, RIGHT], "a")
    with pytest.raises(ValueError, match="0 references"):
        score_verdicts([], [], "")
