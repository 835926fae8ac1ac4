"""Votes by hand lists, pass@k by enumeration."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest

from medvlm.evaluation.answering.answer import to_record
from medvlm.evaluation.answering.strategies import answer_asks
from medvlm.evaluation.answering.votes import pass_at_k, tally
from medvlm.generation.engine import Ask
from medvlm.study import Sample


@pytest.mark.parametrize(
    ("values", "logps", "value", "tied", "best"),
    [
        (["A"], [-9.0], "A", 1, 0),
        (["A", "B", "B"], [-0.1, -3.0, -2.0], "B", 1, 2),
        (["A", "B"], [-0.1, -0.2], "A", 2, 0),
        (["B", "A", "A", "B"], [-1.0, -0.1, -0.9, -0.1], "A", 2, 1),  # means -0.55 and -0.5
        (["A", "B"], [-1.0, -1.0], "A", 2, 0),
        ([None, None, "C"], [0.0, 0.0, -5.0], "C", 1, 2),
        ([None, None], [-2.0, -1.0], None, 0, 1),
    ],
)
def test_votes_by_hand(values: list[str | None], logps: list[float], value: str | None, tied: int, best: int) -> None:
    found = tally(values, logps)
    assert (found.value, found.tied, found.best) == (value, tied, best)
    assert found.voters == sum(one is not None for one in values)


def test_no_drafts_are_no_vote() -> None:
    with pytest.raises(ValueError, match="0 drafts"):
        tally([], [])
    with pytest.raises(ValueError, match="2 drafts with 1"):
        tally(["A", "B"], [-1.0])


@pytest.mark.parametrize("n", range(1, 8))
def test_pass_at_k_is_the_share_of_subsets_with_a_right_one(n: int) -> None:
    for c in range(n + 1):
        drafts = [True] * c + [False] * (n - c)
        for k in range(1, n + 1):
            subsets = list(combinations(drafts, k))
            assert pass_at_k(n, c, k) == pytest.approx(sum(map(any, subsets)) / len(subsets), abs=1e-12)


def test_pass_at_k_by_hand() -> None:
    assert pass_at_k(5, 0, 5) == 0.0
    assert pass_at_k(10, 3, 1) == pytest.approx(0.3)
    assert pass_at_k(10, 3, 5) == pytest.approx(1 - 21 / 252)  # C(7, 5) = 21, C(10, 5) = 252


@pytest.mark.parametrize(("n", "c", "k"), [(0, 0, 1), (4, 1, 0), (4, 1, 5), (4, 5, 1), (4, -1, 1)])
def test_pass_at_k_of_nothing_is_refused(n: int, c: int, k: int) -> None:
    with pytest.raises(ValueError, match="expected 1 <= k <= n"):
        pass_at_k(n, c, k)


def record(scripted: Any, job: Any, word: str, sample: Sample, drafts: list[str], logps: dict[str, float]) -> Any:
    engine = scripted(lambda question, draw, begun: drafts[draw], logp=lambda text: logps.get(text, -1.0))
    ((answer,),) = answer_asks(engine, [Ask((), (sample,))], job(word), most=8)
    assert engine.calls[0] | {"asks": 0} == {
        "asks": 0,
        "n": len(drafts),
        "max_new_tokens": 200,
        "temperature": 0.7,
        "seed": 0,
        "apart": True,
    }
    return to_record(sample, answer, run="r", cluster="c")


def test_a_vote_becomes_a_record(scripted: Any, job: Any, choice: Any) -> None:
    drafts = ["B", "It could be any.", "A", "The answer is B."]
    found = record(scripted, job, "vote:4", choice("right"), drafts, {"The answer is B.": -0.25})
    assert (found.text, found.value, found.correct) == ("The answer is B.", "B", True)
    assert found.how.endswith("; vote 2/4")
    assert found.drafts == tuple(drafts)
    assert found.probabilities == pytest.approx({"A": 1 / 3, "B": 2 / 3, "C": 0, "D": 0})
    assert found.confidence == pytest.approx(2 / 3)
    assert found.scores == {"drafts_right": 2.0, "majority_right": 1.0}


def test_a_tie_is_said(scripted: Any, job: Any, choice: Any) -> None:
    found = record(scripted, job, "vote:4", choice("left"), ["A", "B", "C", "B and A"], {"C": -0.1})
    assert (found.value, found.correct) == ("C", False)
    assert found.how.endswith("vote 1/4, tie of 3 broken by log-probability")


def test_nobody_votes(scripted: Any, job: Any, choice: Any) -> None:
    found = record(scripted, job, "vote:2", choice(), ["hm", "well"], {"well": -0.5})
    assert (found.text, found.value, found.correct, found.probabilities) == ("well", None, False, {})
    assert found.how == "unparsed; none of 2 drafts can be read"
    assert found.confidence == 0.0


def test_words_that_mean_the_same_vote_together(scripted: Any, job: Any) -> None:
    sample = Sample("q", (), "Fluid?", "Yes", "closed")
    found = record(scripted, job, "vote:5", sample, ["no", "Yes.", "No", "yes", "Yes"], {})
    assert (found.value, found.correct) == ("Yes.", True) or found.correct
    assert found.probabilities == pytest.approx({"yes": 0.6, "no": 0.4})
    open_one = Sample("q", (), "Where?", "left lung", "open")
    found = record(scripted, job, "vote:3", open_one, ["right lung", "The left lung.", "left lung"], {})
    assert found.correct
    assert found.probabilities == {}
    assert "token_f1" in found.scores


def test_reports_are_drawn_too_and_the_likeliest_stands(scripted: Any, job: Any) -> None:
    sample = Sample("q", (), "Report.", "No effusion.", "report")
    found = record(scripted, job, "vote:2", sample, ["Clear lungs.", "No effusion."], {"No effusion.": -0.1})
    assert (found.text, found.correct) == ("No effusion.", None)
    assert "drafts_right" not in found.scores


def test_pass_takes_the_first_and_counts_the_right(scripted: Any, job: Any, choice: Any) -> None:
    found = record(scripted, job, "pass:4", choice("right"), ["A", "B", "B", "nothing"], {})
    assert (found.value, found.correct) == ("A", False)
    assert found.scores == {"drafts_right": 2.0, "majority_right": 1.0}
    assert found.how.endswith("first of 4")
