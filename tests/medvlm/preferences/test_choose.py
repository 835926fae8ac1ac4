"""Best against worst: margin, ties, lengths, truncated answers; rollouts on disk; RULE and Med-REFL in short."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from medvlm.evaluation.records import Record, grade
from medvlm.preferences.choose import (
    Left,
    Scored,
    Window,
    best_and_worst,
    chosen_pairs,
    read_rollouts,
    reference_and_worst,
)
from medvlm.preferences.pairs import Pair
from medvlm.preferences.recipes import TURN, disagreements, reflections
from medvlm.study import Sample, SampleError


def best(*answers: tuple[str, float], **window: float) -> tuple[str, str] | None:
    pair = best_and_worst("1", [Scored(*answer) for answer in answers], Window(**window))
    return None if pair is None else (pair.chosen, pair.rejected)


def test_best_and_worst_by_hand() -> None:
    assert best(("a b", 0.5), ("c d", 0.9), ("e f", 0.1)) == ("c d", "e f")
    assert best(("a b", 0.5), ("c d", 0.5)) is None
    assert best(("a b", 0.5), ("c d", 0.45)) is None
    assert best(("a b", 0.5), ("c d", 0.45), margin=0.04) == ("a b", "c d")
    assert best(("a b", 0.5)) is None


def test_length_is_not_what_is_preferred() -> None:
    """The longest and the shortest differ most in score, but their ratio is outside the window."""
    answers = (("w " * 20, 1.0), ("v " * 10, 0.6), ("u " * 9, 0.3), ("t", 0.0))
    assert best(*answers) == ("v " * 10, "u " * 9)
    assert best(*answers, shortest=0.0, longest=99.0) == ("w " * 20, "t")


def test_what_is_cut_or_not_scored_or_said_twice_is_in_no_pair() -> None:
    cut = Scored("a b", 1.0, finished=False)
    assert best_and_worst("1", [cut, Scored("c d", 0.0)], Window()) is None
    assert best(("a b", math.nan), ("c d", 0.0)) is None
    assert best(("a b", 1.0), ("a  b\n", 0.0)) is None
    assert best(("", 1.0), ("a", 0.0)) is None


def test_the_reference_is_chosen_over_the_worst_of_its_length() -> None:
    reference, left = Scored("a b c", 2.0), Left()
    answers = [Scored("d e f", 1.0), Scored("g h i", 0.5), Scored("j", 0.0), Scored("k l m", -1.0, finished=False)]
    pair = reference_and_worst("1", reference, answers, Window(), left=left)
    assert pair == Pair("1", "a b c", "g h i", "reference", {"chosen": 2.0, "rejected": 0.5})
    for poor in ([Scored("a b c", 2.0)], [Scored("j", 0.0)], [answers[3]]):
        assert reference_and_worst("1", reference, poor, Window(), left=left) is None
    assert left == Left(few=1, ties=1, length=1, kept=1)


def test_what_is_left_out_is_counted() -> None:
    answers = {
        "tie": [Scored("a", 1.0), Scored("b", 1.0)],
        "few": [Scored("a", 1.0)],
        "long": [Scored("a " * 9, 1.0), Scored("b", 0.0)],
        "good": [Scored("a", 1.0), Scored("b", 0.0)],
    }
    pairs, left = chosen_pairs(answers, Window())
    assert [(pair.sample, dict(pair.scores)) for pair in pairs] == [("good", {"chosen": 1.0, "rejected": 0.0})]
    assert left == Left(few=1, ties=1, length=1, kept=1)
    answers.pop("good")
    with pytest.raises(SampleError, match=r"No pair is left of 3 questions \(0 pairs; left out: 1 ties"):
        chosen_pairs(answers, Window())


@pytest.mark.parametrize("wrong", [{"margin": 0.0}, {"margin": math.nan}, {"shortest": 2.0}, {"shortest": -1.0}])
def test_an_impossible_window_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(SampleError, match="expected a margin"):
        Window(**wrong)


def rollout(**changes: Any) -> str:
    line = {"sample": "1", "completion": "yes", "reward": 1.0, "parts": {"accuracy": 1.0}, "finished": True}
    return json.dumps(line | changes) + "\n"


def test_rollouts_are_read_over_all_steps(tmp_path: Path) -> None:
    (tmp_path / "step-000000.jsonl").write_text(rollout() + rollout(completion="no", reward=None))
    (tmp_path / "step-000001.jsonl").write_text(rollout(sample="2", parts={"accuracy": 0.25}, finished=False))
    found = read_rollouts(tmp_path)
    assert found["1"][0] == Scored("yes", 1.0)
    assert math.isnan(found["1"][1].score)
    assert read_rollouts(tmp_path, by="accuracy")["2"] == [Scored("yes", 0.25, finished=False)]


def test_rollouts_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(SampleError, match="no rollouts"):
        read_rollouts(tmp_path)
    path = tmp_path / "step-000000.jsonl"
    path.write_text(rollout())
    with pytest.raises(SampleError, match=r"line 1: no rollout with a score 'format'; it has reward, accuracy"):
        read_rollouts(tmp_path, by="format")
    path.write_text(rollout() + "{")
    with pytest.raises(SampleError, match="line 2: no valid JSON"):
        read_rollouts(tmp_path)


def records(*answers: str) -> list[Record]:
    samples = [Sample(str(index), (), "Effusion?", "yes", "closed") for index in range(len(answers))]
    return [grade(sample, text, run="r", cluster="1") for sample, text in zip(samples, answers, strict=True)]


def test_a_misled_answer_is_rejected() -> None:
    alone, shown = records("yes", "no", "Yes.", "no"), records("no", "yes", "yes", "no")
    (pair,) = disagreements(alone, shown)
    assert (pair.sample, pair.chosen, pair.rejected, pair.how) == ("0", "yes", "no", "disagreement")
    with pytest.raises(SampleError, match=r"right in the first run \(1 records\)"):
        disagreements(records("no"), shown)


def test_a_chain_that_mends_its_error_is_chosen() -> None:
    right, wrong = (
        f"<think>{chain}</think><answer>{answer}</answer>" for chain, answer in (("dark", "no"), ("fluid", "yes"))
    )
    reasoning, reflection = reflections({"1": [Scored(wrong, 0.0), Scored(right, 1.0)], "2": [Scored(right, 1.0)]})
    assert (reasoning.chosen, reasoning.rejected) == (right, wrong)
    assert reflection.chosen == f"<think>fluid {TURN} dark</think><answer>no</answer>"
    assert reflection.rejected == f"<think>dark {TURN} fluid</think><answer>yes</answer>"
    with pytest.raises(SampleError, match="None of 1 questions"):
        reflections({"1": [Scored("no", 0.0), Scored(right, 1.0)]})
