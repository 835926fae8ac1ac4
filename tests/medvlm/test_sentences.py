"""Sentences keep every word, and each has the probability of its own tokens."""

from __future__ import annotations

import math

import pytest

from medvlm.sentences import sentence_confidences, split_sentences


@pytest.mark.parametrize("text", ["", " \n ", "A. " * 3, "Tube 4.5 cm. Next.", "1. One.\n2. Two."])
def test_sentences_lose_no_word(text: str) -> None:
    assert "".join("".join(split_sentences(text)).split()) == "".join(text.split())


def test_each_sentence_has_the_probability_of_its_own_tokens() -> None:
    words = ["No", " effu", "sion.", " Nodule", " 4", ".", "5", " cm."]
    logps = [math.log(p) for p in (0.5, 0.5, 0.5, 0.9, 0.9, 0.1, 0.9, 0.9)]
    sentences = ["No effusion.", "Nodule 4.5 cm."]
    found = sentence_confidences(sentences, range(8), logps, lambda ids: "".join(words[index] for index in ids).strip())
    assert found[0] == pytest.approx(0.5)
    assert found[1] == pytest.approx((0.9**4 * 0.1) ** (1 / 5))


def test_a_sentence_that_was_not_written_has_none() -> None:
    assert sentence_confidences(["A."], [], [], lambda ids: "") == [None]
