"""Words of the command line, and what is said of them beside a score."""

from __future__ import annotations

from typing import Any

import pytest

from medvlm.evaluation.answering.settings import GREEDY, Answering, parse_answering


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("greedy", "greedy, at most 64 tokens"),
        ("letters", "likeliest option letter, yes or no; others greedy, at most 64 tokens"),
        ("texts", "likeliest option text (mean over its tokens); others greedy, at most 64 tokens"),
        ("texts:sum", "likeliest option text (sum over its tokens); others greedy, at most 64 tokens"),
        ("vote:8", "vote of 8 at 0.7, seed 3, at most 64 tokens"),
        ("pass:8", "first of 8 at 0.7, seed 3, at most 64 tokens"),
        ("refine:4", "vote of 4 over 4 drafts at 0.7, seed 3, at most 64 tokens"),
        ("refine:4:9", "vote of 9 over 4 drafts at 0.7, seed 3, at most 64 tokens"),
        ("budget:16:128", "thoughts of 16 to 128 tokens, greedy, then at most 64 tokens"),
    ],
)
def test_a_word_says_what_is_done(word: str, said: str) -> None:
    assert parse_answering(word).describe(64, 3) == said


def test_shots_and_orders_are_said_too() -> None:
    said = parse_answering("vote:8", temperature=0.5, shots=2, orders=4).describe(64, 0)
    assert said == "vote of 8 at 0.5, seed 0, at most 64 tokens | 2 shots, seed 0 | 4 orders of options"


@pytest.mark.parametrize(
    "word",
    [
        "",
        "loud",
        "vote",
        "vote:",
        "vote:0",
        "vote:-1",
        "vote:1.5",
        "vote:2:3",
        "vote:²",
        "texts:mean",
        "letters:2",
        "refine:0",
        "refine:2:0",
        "budget:5",
        "budget:9:5",
        "budget:0:0",
        "greedy:1",
        "pass:x",
    ],
)
def test_words_that_say_nothing_are_refused(word: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse_answering(word)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": 0.7}, "draws nothing"),
        ({"shots": -1}, "shots=-1"),
        ({"orders": 0}, "orders=0"),
        ({"temperature": -1.0}, "temperature=-1"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_answering("greedy", **options)
    with pytest.raises(ValueError, match="above 0"):
        parse_answering("vote:4", temperature=0.0)


def test_the_key_follows_whatever_changes_an_answer() -> None:
    assert GREEDY.key(0) == GREEDY.key(1) == {}
    words = ["letters", "texts", "texts:sum", "vote:4", "vote:5", "pass:4", "refine:4", "refine:4:5", "budget:1:9"]
    settings = [parse_answering(word) for word in words]
    settings += [Answering(shots=1), Answering(orders=2), Answering(probabilities=True)]
    settings += [parse_answering("vote:4", temperature=0.5)]
    keys = {repr(one.key(0)) for one in settings}
    assert len(keys) == len(settings)
    assert parse_answering("vote:4").key(0) != parse_answering("vote:4").key(1)
    assert parse_answering("letters").key(0) == parse_answering("letters").key(1)
